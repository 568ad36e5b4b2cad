/**
 * Rules on the address of a document: whether its host, or a domain above it, is on a list, and how many listed words the address holds.
 * With `high` the list is a block list, with `low` an allow list. The address comes from the field that `--url-field` names.
 */
import { HeadraceError } from "../../core/errors.ts";
import { sha256 } from "../../core/hash.ts";
import { readText } from "./files.ts";
import type { OpenedFilter } from "./own-filter.ts";
import { type OwnSpec, ownScale } from "./spec.ts";

/** A document without an address passes unless told otherwise: a corpus mixes pages with what never was one. */
const DEFAULTS = { dropWhen: "high", scale: 1, cut: 0.5, missing: "keep" } as const;

/** The filter of `url-domains:FILE`: 1 where the host or a domain above it is listed, else 0. Throws ERR_ARGUMENT, ERR_INPUT and ERR_FILTER. */
export async function openUrlDomains(spec: OwnSpec): Promise<OpenedFilter> {
  const listed = await readList(spec, (entry) => {
    const host = hostOf(entry);
    return host === null || /[/\s]/.test(entry) ? null : host;
  });
  const found = (url: string | null) => {
    const host = url === null ? null : hostOf(url);
    return host === null ? null : { entry: listedAbove(host, listed) };
  };
  return {
    ...ownScale(spec, DEFAULTS),
    identity: { list: listHash(listed) },
    saturates: false,
    values: (documents) =>
      documents.map(({ url }) => {
        const place = found(url);
        return place && (place.entry === null ? 0 : 1);
      }),
    why: ({ url }) => [found(url)?.entry ?? []].flat(),
  };
}

/** The filter of `url-words:FILE`: how many words of the address are listed. Throws ERR_ARGUMENT, ERR_INPUT and ERR_FILTER. */
export async function openUrlWords(spec: OwnSpec): Promise<OpenedFilter> {
  const listed = await readList(spec, (entry) => {
    const [word, ...more] = wordsOf(entry);
    return word === undefined || more.length > 0 ? null : word;
  });
  const found = (url: string) => wordsOf(url).filter((word) => listed.has(word));
  return {
    ...ownScale(spec, DEFAULTS),
    identity: { list: listHash(listed) },
    saturates: true,
    values: (documents) => documents.map(({ url }) => (url === null ? null : found(url).length)),
    why: ({ url }) => [...new Set(found(url ?? ""))],
  };
}

/** Host of an address, as URL Standard spells it, without a dot at its end; null where there is none. A scheme may be left out. */
export function hostOf(address: string): string | null {
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`;
  const host = URL.canParse(written) ? new URL(written).hostname.replace(/\.$/, "") : "";
  return host === "" ? null : host;
}

/** The listed domain that a host is or lies under: `a.example.com` is under `example.com`, `notexample.com` is not. */
function listedAbove(host: string, listed: ReadonlySet<string>): string | null {
  for (let at = 0; ; ) {
    const domain = host.slice(at);
    if (listed.has(domain)) return domain;
    const dot = domain.indexOf(".");
    if (dot < 0) return null;
    at += dot + 1;
  }
}

/** Runs of letters and digits of an address, decoded and in lower case. */
function wordsOf(address: string): readonly string[] {
  let decoded = address;
  try {
    decoded = decodeURIComponent(address);
  } catch {
    // An address with a bare % is read as it stands.
  }
  return decoded.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
}

/** The entries of a list, one a line; `#` begins a comment. `read` gives an entry as it is compared, null where it is none. */
async function readList(spec: OwnSpec, read: (entry: string) => string | null): Promise<ReadonlySet<string>> {
  const text = await readText(spec, spec.value);
  const entries = new Set<string>();
  for (const [i, line] of text.split("\n").entries()) {
    const entry = line.replace(/#.*/, "").trim();
    if (entry === "") continue;
    const known = read(entry);
    if (known === null)
      throw new HeadraceError(
        "ERR_FILTER",
        `filter "${spec.name}": line ${i + 1} of ${spec.value} is "${entry}", which is no ${spec.kind === "url-words" ? "word" : "domain"}; write one a line`,
      );
    entries.add(known);
  }
  if (entries.size === 0)
    throw new HeadraceError(
      "ERR_FILTER",
      `filter "${spec.name}": ${spec.value} lists nothing; write one entry a line`,
    );
  return entries;
}

/** The order of a list and its comments decide nothing. */
function listHash(listed: ReadonlySet<string>): string {
  return sha256([...listed].sort().join("\n"));
}
