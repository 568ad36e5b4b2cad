/**
 * What is to be imported: from `domain=path`, `validation/domain=path` or a path alone to the files of each domain, in order.
 * A path is `X.bin`, `X.idx` or their prefix X, a `.ds` file, a folder of either, or the folder of a `headrace export`.
 */
import { existsSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { type DomainName, domainName, SLIMPAJAMA_DOMAINS } from "../../core/domain.ts";
import { HeadraceError } from "../../core/errors.ts";
import { type ExportRecord, readExportRecord } from "../export/record.ts";
import type { ForeignTokens } from "./foreign.ts";
import { openMegatron } from "./megatron.ts";
import { openNanoset } from "./nanoset.ts";

/** One file of tokens to import. */
export interface ImportInput {
  readonly split: "train" | "validation";
  readonly domain: DomainName;
  /** What the shards call it: its name, or its path under the folder that was named, with `/`. */
  readonly source: string;
  readonly open: () => ForeignTokens;
}

/** The inputs, and what an export among them says about the tokenizer. */
export interface ImportPlan {
  /** Splits in stream order, then domains in theirs, then as named. */
  readonly inputs: readonly ImportInput[];
  /** As a build orders them: SlimPajama's, then others by name. */
  readonly domains: readonly DomainName[];
  readonly tokenizer?: ExportRecord["tokenizer"];
}

/** Finds the files of every input. Throws ERR_INPUT, ERR_DOMAIN, and ERR_ARGUMENT where two files would have one name. */
export async function planImport(specs: readonly string[]): Promise<ImportPlan> {
  const inputs: ImportInput[] = [];
  let tokenizer: ExportRecord["tokenizer"] | undefined;
  for (const spec of specs) {
    const { split, domain, path } = parse(spec);
    const record = domain === undefined ? await readExportRecord(path) : undefined;
    if (record) {
      if (record.to !== "megatron" && record.to !== "nanoset")
        throw new HeadraceError(
          "ERR_INPUT",
          `${path} is an export to ${record.to}, and only megatron and nanoset can be taken in again; use the shards that it was made from`,
        );
      if (tokenizer !== undefined && tokenizer.sha256 !== record.tokenizer.sha256)
        throw new HeadraceError(
          "ERR_TOKENIZER",
          `${path} was made with tokenizer ${record.tokenizer.name}, and an input before it with ${tokenizer.name}; import them apart`,
        );
      tokenizer = record.tokenizer;
      for (const { name } of record.domains)
        inputs.push(
          ...(await filesOf(
            join(path, name),
            domainName(name),
            record.split === "validation" ? "validation" : split,
          )),
        );
    } else inputs.push(...(await filesOf(path, domain ?? domainOf(path), split)));
  }
  const names = inputs.map(({ split, domain, source }) => `${split}/${domain}: ${source}`);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `two inputs would be called ${twice}; name a file once, or rename one`,
    );
  const domains = inDomainOrder(inputs.map(({ domain }) => domain));
  const rank = ({ split, domain }: ImportInput) =>
    domains.indexOf(domain) + (split === "train" ? 0 : domains.length);
  return {
    inputs: inputs.toSorted((a, b) => rank(a) - rank(b)),
    domains,
    ...(tokenizer && { tokenizer }),
  };
}

function inDomainOrder(names: readonly DomainName[]): readonly DomainName[] {
  const others = new Set(names.filter((name) => !SLIMPAJAMA_DOMAINS.includes(name)));
  return [...SLIMPAJAMA_DOMAINS.filter((name) => names.includes(name)), ...[...others].sort()];
}

function parse(spec: string): {
  readonly split: ImportInput["split"];
  readonly domain?: DomainName;
  readonly path: string;
} {
  const match = /^(?:(train|validation)\/)?([^/=]+)=(.+)$/.exec(spec);
  if (!match) return { split: "train", path: spec };
  return {
    split: match[1] === "validation" ? "validation" : "train",
    domain: domainName(match[2]!),
    path: match[3]!,
  };
}

/** The domain of a path alone: the name of the file or folder, without the suffix that Megatron's preprocessing adds. */
function domainOf(path: string): DomainName {
  return domainName(
    basename(resolve(path))
      .replace(/\.(bin|idx|ds)$/, "")
      .replace(/_(text|content)_(document|sentence)$/, ""),
  );
}

async function filesOf(
  path: string,
  domain: DomainName,
  split: ImportInput["split"],
): Promise<readonly ImportInput[]> {
  const one = (file: string, source: string): ImportInput => ({
    split,
    domain,
    source,
    open: file.endsWith(".ds")
      ? () => openNanoset(file)
      : () => openMegatron(file.replace(/\.(bin|idx)$/, "")),
  });
  if (existsSync(path) && statSync(path).isDirectory()) {
    const found = (await readdir(path, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && /\.(ds|idx)$/.test(entry.name) && !entry.name.startsWith("."))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => ({ file, under: relative(path, file).replaceAll("\\", "/") }))
      .sort((a, b) => (a.under < b.under ? -1 : 1));
    if (found.length > 0)
      return found.map(({ file, under }) => one(file, `${basename(resolve(path))}/${under}`));
  } else if (path.endsWith(".ds") && existsSync(path)) return [one(path, basename(path))];
  const prefix = path.replace(/\.(bin|idx)$/, "");
  if (existsSync(`${prefix}.idx`)) return [one(`${prefix}.idx`, basename(`${prefix}.idx`))];
  throw new HeadraceError(
    "ERR_INPUT",
    `${path} is no .ds file, no .bin with its .idx, and no folder of them; check the path`,
  );
}
