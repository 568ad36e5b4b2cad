/**
 * `manifest.json`: what a folder of shards holds, with the hash and the byte positions of everything (docs/format.md 1.2 and 1.4).
 * A function of the build's inputs alone: no time, host or path outside the folder.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileWhole } from "../core/commit.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { canonicalJson } from "../core/hash.ts";
import {
  array,
  boolean,
  integer,
  nullable,
  object,
  oneOf,
  optional,
  parseJson,
  record,
  string,
} from "../core/parse.ts";
import { readShardLines } from "./manifest-lines.ts";

const count = integer(0);
const counts = record(count);

const tokenizer = object({
  name: string,
  sha256: string,
  vocabularySize: integer(1),
  bos: nullable(count),
  eos: nullable(count),
  addBos: boolean,
  addEos: boolean,
});

const filter = object({ name: string, sha256: string, dropWhen: oneOf("high", "low") });

const batch = object({ documents: count, tokens: count, offsetsAt: count, tokensAt: count });

const foreign = object({
  source: string,
  offsets: object({ path: string, bytes: count, sha256: string }),
});

const shard = object({
  path: string,
  split: oneOf("train", "validation", "dropped"),
  domain: string,
  documents: count,
  tokens: count,
  bytes: count,
  sha256: string,
  batches: array(batch),
  foreign: optional(foreign),
});

const table = object({ path: string, documents: count, bytes: count, sha256: string });

const domainAccount = object({
  read: count,
  kept: count,
  heldOut: count,
  dropped: counts,
  quarantined: count,
  tokens: object({ kept: count, heldOut: count, dropped: counts, gap: count }),
});

const account = object({
  read: count,
  kept: count,
  heldOut: count,
  quarantined: count,
  incidents: count,
  dropped: counts,
  bytes: object({ read: count, unreadable: count, total: count }),
  domains: record(domainAccount),
});

const manifest = object({
  format: oneOf("headrace-shards/1", "headrace-shards/2"),
  key: string,
  tokenizer,
  tokenType: oneOf("uint16", "int32"),
  filters: array(filter),
  domains: array(string),
  shards: array(shard),
  tables: array(table),
  account,
  fingerprint: string,
});

/** Which tokenizer made the token ids, and whether each document begins and ends with its control ids. */
export type ManifestTokenizer = ReturnType<typeof tokenizer>;
/** A filter of the build. */
export type ManifestFilter = ReturnType<typeof filter>;
/**
 * One file of token ids. `path` is relative to the folder, with `/`. Where `foreign` is there, it is a link to token values that another
 * tool wrote, the list offsets lie in a file of their own, and every document is of one source, line by line (docs/format.md 1.8).
 */
export type TokenShard = Omit<ReturnType<typeof shard>, "foreign"> & {
  readonly foreign?: ReturnType<typeof foreign> | undefined;
};
/** A shard whose tokens lie in another tool's file. */
export type ForeignShard = TokenShard & { readonly foreign: ReturnType<typeof foreign> };
/** `train`, `validation` or `dropped`. */
export type Split = TokenShard["split"];
/** One file of the score table. */
export type ScoreTable = ReturnType<typeof table>;
/** Where the records of one domain went. */
export type DomainAccount = ReturnType<typeof domainAccount>;
/** Where every record and every byte of the input went. */
export type Account = ReturnType<typeof account>;
/** What a folder of shards holds. */
export type ShardManifest = Omit<ReturnType<typeof manifest>, "shards"> & {
  readonly shards: readonly TokenShard[];
};

/** The splits in stream order. */
export const SPLITS: readonly Split[] = ["train", "validation", "dropped"];

/** The name of the manifest in its folder. */
export const MANIFEST = "manifest.json";

/** Checks a manifest's shape, not its sense (`verifyShards` does). Fields come back in the order of docs/format.md. Throws ERR_PARSE. */
export function parseManifest(value: unknown, at: string = MANIFEST): ShardManifest {
  return manifest(value, at);
}

/** Checks an account's shape, not its sums. Throws ERR_PARSE. */
export function parseAccount(value: unknown, at = "account"): Account {
  return account(value, at);
}

/**
 * Reads the manifest of a folder of shards. Throws ERR_INPUT where there is none, ERR_PARSE, and ERR_MANIFEST where its fingerprint is
 * not that of its shards.
 */
export async function readManifest(dir: string): Promise<ShardManifest> {
  const read = await loadManifest(dir);
  const fingerprint = manifestFingerprint(read);
  if (fingerprint !== read.fingerprint)
    throw new HeadraceError(
      "ERR_MANIFEST",
      `${join(dir, MANIFEST)} says its fingerprint is ${read.fingerprint}, and its shards give ${fingerprint}; restore the file or build again`,
    );
  return read;
}

/** Reads a manifest and checks its shape alone. Throws ERR_INPUT and ERR_PARSE. */
export async function loadManifest(dir: string): Promise<ShardManifest> {
  const path = join(dir, MANIFEST);
  try {
    return (await parseByLine(path)) ?? parseJson(await readFile(path, "utf8"), parseManifest, path);
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause;
    const absent = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new HeadraceError(
      "ERR_INPUT",
      absent
        ? `${dir} has no ${MANIFEST}; name a folder that a finished "headrace build" wrote, or finish the build`
        : `cannot read ${path}: ${messageOf(cause)}; permit reading it`,
      { cause },
    );
  }
}

/** A manifest of the form written here, parsed line by line; null where it has another form or anything is wrong, which reading it whole names. */
async function parseByLine(path: string): Promise<ShardManifest | null> {
  const shards: TokenShard[] = [];
  // A name that every line repeats is kept once.
  const names = new Map<string, string>();
  let broken = false;
  const rest = await readShardLines(path, (json) => {
    if (broken) return;
    try {
      const parsed = shard(JSON.parse(json), "");
      if (!names.has(parsed.domain)) names.set(parsed.domain, parsed.domain);
      shards.push({ ...parsed, domain: names.get(parsed.domain)! });
    } catch {
      broken = true;
    }
  });
  if (rest === null || broken) return null;
  try {
    const read = parseManifest(JSON.parse(rest), path);
    return read.shards.length === 0 ? { ...read, shards } : null;
  } catch {
    return null;
  }
}

/** Writes the manifest of a folder whole or not at all; the same manifest gives the same bytes. Throws ERR_PARSE and ERR_OUTPUT. */
export async function writeManifest(dir: string, value: ShardManifest): Promise<void> {
  await writeFileWhole(join(dir, MANIFEST), formatManifest(parseManifest(value)));
}

/**
 * What a schedule binds itself to: sha256 of the canonical JSON of format, tokenizer, token type, domains, and every shard's path, counts and hash
 * (docs/format.md 1.2). The shards' part is put together by hand, fields in their canonical order, since there may be tens of thousands.
 */
export function manifestFingerprint(of: Omit<ShardManifest, "fingerprint">): string {
  const { format, tokenizer, tokenType, domains } = of;
  const [head = "", tail = ""] = canonicalJson({ format, tokenizer, tokenType, domains, shards: [] }).split(
    '"shards":[]',
  );
  const digest = createHash("sha256").update(`${head}"shards":[`);
  for (const [i, { documents, domain, foreign, path, sha256, split, tokens }] of of.shards.entries()) {
    const offsets = foreign && { offsets: foreign.offsets.sha256 };
    digest.update(
      `${i > 0 ? "," : ""}${JSON.stringify({ documents, domain, ...offsets, path, sha256, split, tokens })}`,
    );
  }
  return digest.update(`]${tail}`).digest("hex");
}

/** JSON with a line for each shard, table and field, so that two manifests can be compared with `diff`. */
function formatManifest(value: ShardManifest): string {
  const fields = Object.entries(value).map(([name, field]) => {
    if (Array.isArray(field) && typeof field[0] === "object")
      return `  "${name}": [\n${field.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`;
    return `  "${name}": ${JSON.stringify(field)}`;
  });
  return `{\n${fields.join(",\n")}\n}\n`;
}
