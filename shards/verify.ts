/**
 * Checks a folder of shards against its manifest: every file there, whole, with the hash, the batches and the counts that it should have,
 * and nothing else. Every problem is named; nothing is repaired. Reads every byte once, and the index columns a second time.
 */
import { createReadStream } from "node:fs";
import { readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import pLimit from "p-limit";
import { type ErrorCode, HeadraceError } from "../core/errors.ts";
import { sha256File } from "../core/hash.ts";
import { GAP, readGaps } from "./gap.ts";
import { openListedShard } from "./listed-shard.ts";
import {
  loadManifest,
  MANIFEST,
  type ScoreTable,
  type ShardManifest,
  SPLITS,
  type TokenShard,
} from "./manifest.ts";
import { manifestProblems, type Problem } from "./manifest-check.ts";
import { ORIGIN, originKey, readOrigin } from "./origin.ts";
import { openScores } from "./scores.ts";
import { shardMetadata } from "./writer.ts";

/** What was checked, and everything that is wrong with it. */
export interface VerifyReport {
  readonly ok: boolean;
  /** Shards and score tables that the manifest names. */
  readonly files: number;
  /** Documents in the shards, by the manifest. */
  readonly documents: number;
  readonly tokens: number;
  /** Of the manifest first, then by file in manifest order. */
  readonly problems: readonly Problem[];
}

/** How far the check is. */
export interface VerifyProgress {
  /** The file that was just checked. */
  readonly path: string;
  readonly filesDone: number;
  readonly files: number;
  readonly bytesDone: number;
  readonly bytes: number;
}

/** Files that are hashed at a time. */
const CONCURRENCY = 4;

/** Checks a folder of shards. What is wrong comes back in the report; throws ERR_INPUT only where there is no manifest. */
export async function verifyShards(
  dir: string,
  options?: { readonly onProgress?: (progress: VerifyProgress) => void },
): Promise<VerifyReport> {
  let manifest: ShardManifest;
  try {
    manifest = await loadManifest(dir);
  } catch (error) {
    if (!(error instanceof HeadraceError) || error.code === "ERR_INPUT") throw error;
    const problem = { code: error.code, path: MANIFEST, message: error.message };
    return { ok: false, files: 0, documents: 0, tokens: 0, problems: [problem] };
  }
  const { shards, tables } = manifest;
  const files = [...shards, ...tables];
  const bytes = sum(files.map((file) => file.bytes));
  const verdicts = new Map<string, number>();
  let filesDone = 0;
  let bytesDone = 0;

  const limit = pLimit(CONCURRENCY);
  const inspect = async (file: TokenShard | ScoreTable, look: () => Promise<readonly string[]>) => {
    const problems = await limit(() => fileProblems(dir, file, look));
    filesDone++;
    bytesDone += file.bytes;
    options?.onProgress?.({ path: file.path, filesDone, files: files.length, bytesDone, bytes });
    return problems;
  };
  const inFiles = await Promise.all([
    ...shards.map((shard) => inspect(shard, () => lookIntoShard(dir, shard, manifest))),
    ...tables.map((table) => inspect(table, () => lookIntoTable(dir, table, manifest, verdicts))),
  ]);
  const damaged = inFiles.some((problems) => problems.length > 0);
  const problems = [
    ...manifestProblems(manifest),
    ...inFiles.flat(),
    ...(await strangers(
      dir,
      new Set([
        ...files.map(({ path }) => path),
        ...shards.flatMap(({ foreign }) => foreign?.offsets.path ?? []),
      ]),
    )),
    // Counts of a table that is broken would only repeat that it is.
    ...(damaged ? [] : verdictProblems(manifest, verdicts)),
    ...(await originProblems(dir, manifest)),
    ...(await gapProblems(dir, manifest)),
    ...(await lineProblems(dir, "quarantine.jsonl", manifest.account.quarantined)),
    ...(await lineProblems(dir, "incidents.jsonl", manifest.account.incidents)),
  ];
  return {
    ok: problems.length === 0,
    files: files.length,
    documents: sum(shards.map(({ documents }) => documents)),
    tokens: sum(shards.map(({ tokens }) => tokens)),
    problems,
  };
}

/** Presence, size and hash; what the file holds is looked at only when its bytes are right. */
async function fileProblems(
  dir: string,
  file: TokenShard | ScoreTable,
  look: () => Promise<readonly string[]>,
): Promise<readonly Problem[]> {
  const { path } = file;
  const wayOut = "restore it or build again";
  const one = (code: ErrorCode, message: string) => [{ code, path, message: `${message}; ${wayOut}` }];
  const full = join(dir, path);
  const found = await stat(full).catch(() => undefined);
  if (!found?.isFile()) {
    const target = await readlink(full).catch(() => undefined);
    return one(
      "ERR_SHARD",
      target === undefined
        ? `${path} is missing, and the manifest lists it`
        : `${path} refers to ${target}, which is missing`,
    );
  }
  if (found.size !== file.bytes)
    return one("ERR_SHARD", `${path} has ${found.size} bytes, and the manifest says ${file.bytes}`);
  try {
    const sha256 = await sha256File(full);
    if (sha256 !== file.sha256)
      return one("ERR_SHARD_HASH", `${path} has sha256 ${sha256}, and the manifest says ${file.sha256}`);
    return (await look()).map((what) => ({
      code: "ERR_MANIFEST",
      path,
      message: `${path}: ${what}; ${wayOut}`,
    }));
  } catch (error) {
    if (error instanceof HeadraceError) return [{ code: error.code, path, message: error.message }];
    return one("ERR_SHARD", `${path} cannot be read: ${(error as Error).message}`);
  }
}

async function lookIntoShard(
  dir: string,
  shard: TokenShard,
  manifest: ShardManifest,
): Promise<readonly string[]> {
  const found: string[] = [...(await offsetsProblems(dir, shard))];
  if (found.length > 0) return found;
  const reader = openListedShard(dir, manifest, shard);
  try {
    const compare = (what: string, seen: unknown, expected: unknown) => {
      if (JSON.stringify(seen) !== JSON.stringify(expected))
        found.push(
          `its ${what} is ${JSON.stringify(seen)}, and the manifest says ${JSON.stringify(expected)}`,
        );
    };
    const { split, domain } = shard;
    compare(
      "metadata",
      reader.metadata,
      shardMetadata({ split, domain, tokenizer: manifest.tokenizer.sha256 }),
    );
    compare("schema", reader.schema, {
      tokenType: manifest.tokenType,
      filters: manifest.filters.map(({ name }) => name),
    });
    compare("number of batches", reader.batches.length, shard.batches.length);
    for (const [i, batch] of reader.batches.entries()) compare(`batch ${i}`, batch, shard.batches[i]);
    const stranger = reader.sources.find((source) => !isPath(source));
    if (stranger !== undefined) found.push(`source ${JSON.stringify(stranger)} is no path under a root`);
    const repeated = reader.sources.length - new Set(reader.sources).size;
    if (repeated > 0) found.push(`its list of sources has ${repeated} that are listed before`);
    for (const i of reader.batches.keys()) {
      const zero = reader.readIndex(i).lines.indexOf(0);
      if (zero >= 0) found.push(`document ${zero} of batch ${i} has line 0, and lines count from 1`);
    }
    return found;
  } finally {
    reader.close();
  }
}

/** Whether the offsets of a foreign shard are those that the manifest names. */
async function offsetsProblems(dir: string, { foreign }: TokenShard): Promise<readonly string[]> {
  if (!foreign) return [];
  const { path, bytes, sha256 } = foreign.offsets;
  const found = await stat(join(dir, path)).catch(() => undefined);
  if (!found?.isFile()) return [`its offsets ${path} are missing`];
  const seen = await sha256File(join(dir, path));
  return found.size === bytes && seen === sha256
    ? []
    : [
        `its offsets ${path} have ${found.size} bytes and sha256 ${seen}, and the manifest says ${bytes} and ${sha256}`,
      ];
}

async function lookIntoTable(
  dir: string,
  table: ScoreTable,
  manifest: ShardManifest,
  verdicts: Map<string, number>,
): Promise<readonly string[]> {
  const reader = openScores(join(dir, table.path));
  try {
    const found: string[] = [];
    const filters = manifest.filters.map(({ name }) => name).join();
    if (reader.filters.join() !== filters)
      found.push(`its scores are [${reader.filters}], and the filters [${filters}]`);
    const rows = sum(reader.batches);
    if (rows !== table.documents)
      found.push(`it has ${rows} records, and the manifest says ${table.documents}`);
    // A tag says what a filter would have done, and the document is counted where it is.
    const outcomes = reader.verdicts.map((verdict) => verdict.replace(/^(kept|held-out):.*$/, "$1"));
    for (const i of reader.batches.keys()) {
      const batch = reader.readBatch(i);
      for (let row = 0; row < batch.documents; row++) {
        const key = `${reader.domains[batch.domains[row]!]} ${outcomes[batch.verdicts[row]!]}`;
        verdicts.set(key, (verdicts.get(key) ?? 0) + 1);
      }
    }
    return found;
  } finally {
    reader.close();
  }
}

/** Whether the score table says of each domain what the account says. */
function verdictProblems({ account }: ShardManifest, seen: ReadonlyMap<string, number>): readonly Problem[] {
  const expected = new Map<string, number>();
  for (const [domain, { kept, heldOut, dropped }] of Object.entries(account.domains)) {
    expected.set(`${domain} kept`, kept);
    expected.set(`${domain} held-out`, heldOut);
    for (const [filter, count] of Object.entries(dropped)) expected.set(`${domain} dropped:${filter}`, count);
  }
  return [...new Set([...expected.keys(), ...seen.keys()])]
    .filter((key) => (expected.get(key) ?? 0) !== (seen.get(key) ?? 0))
    .map((key) => ({
      code: "ERR_ACCOUNT",
      path: MANIFEST,
      message: `the score table has ${seen.get(key) ?? 0} records "${key}", and the account says ${expected.get(key) ?? 0}; build again`,
    }));
}

/** Files in the folders of shards and tables that the manifest does not list. */
async function strangers(dir: string, listed: ReadonlySet<string>): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const folder of [...SPLITS, "scores"]) {
    const entries = await readdir(join(dir, folder), { recursive: true, withFileTypes: true }).catch(
      () => [],
    );
    for (const entry of entries.filter((one) => !one.isDirectory())) {
      const path = join(entry.parentPath, entry.name).slice(join(dir, "/").length).replaceAll("\\", "/");
      if (!listed.has(path))
        problems.push({
          code: "ERR_MANIFEST",
          path,
          message: `${path} is not in the manifest; delete it, or restore the manifest that lists it`,
        });
    }
  }
  return problems.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Whether the key is that of what the folder says it was made from. */
async function originProblems(dir: string, { key }: ShardManifest): Promise<readonly Problem[]> {
  return problemsOf(ORIGIN, async () => {
    const found = originKey(await readOrigin(dir));
    return found === key
      ? []
      : [`${ORIGIN} has the hash ${found}, and the manifest's key is ${key}; restore it or build again`];
  });
}

/** Whether the gaps hold as many tokens as the account says. */
async function gapProblems(dir: string, { account }: ShardManifest): Promise<readonly Problem[]> {
  return problemsOf(GAP, async () => {
    const gaps = await readGaps(dir);
    return Object.entries(account.domains).flatMap(([domain, { tokens }]) => {
      const found = sum(gaps.filter((gap) => gap.domain === domain).map((gap) => gap.tokens.length));
      return found === tokens.gap
        ? []
        : [
            `${GAP} has ${found} tokens of ${domain}, and the account says ${tokens.gap}; restore it or build again`,
          ];
    });
  });
}

/** Sentences about a file beside the shards, or what was thrown in reading it. */
async function problemsOf(path: string, look: () => Promise<readonly string[]>): Promise<readonly Problem[]> {
  try {
    return (await look()).map((message) => ({ code: "ERR_MANIFEST", path, message }));
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    return [{ code: error.code, path, message: error.message }];
  }
}

async function lineProblems(dir: string, path: string, expected: number): Promise<readonly Problem[]> {
  const lines = await countLines(join(dir, path));
  if (lines === expected) return [];
  const message = `${path} has ${lines} lines, and the account says ${expected}; restore it or build again`;
  return [{ code: "ERR_ACCOUNT", path, message }];
}

/** Line feeds of a file; 0 where it is missing. */
async function countLines(path: string): Promise<number> {
  let lines = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }))
      for (const byte of chunk as Uint8Array) if (byte === 10) lines++;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return lines;
}

function isPath(source: string): boolean {
  return source !== "" && !source.startsWith("/") && !source.split("/").includes("..");
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
