/**
 * Which files a build reads: files, folders and patterns to one sorted list, before anything is decompressed.
 * What is not read is listed with the reason; what cannot be read stays in the list and becomes an incident when it is its turn.
 */
import { relative, sep } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import { noFile, openInput, statusOf, unreachable } from "./input-fault.ts";
import type { FileRange } from "./range.ts";
import { type Search, searchInput } from "./search.ts";
import { formatByName, type InputFormat, SNIFF_BYTES, type Sniffed, sniff } from "./sniff.ts";

export type { InputFormat } from "./sniff.ts";

/** A file to read. */
export interface InputFile {
  /** Absolute path. */
  readonly path: string;
  /** Path under the input root, with `/`. */
  readonly source: string;
  /** Size as stored. */
  readonly bytes: number;
  /** Time of the last change, in milliseconds since 1970. */
  readonly modified: number;
  /** By the first bytes, or by the name where they do not tell. */
  readonly format: InputFormat;
  /** The part of it that is to be read; default all. */
  readonly range?: FileRange;
}

/** A file or folder that is not read, and why. */
export interface SkippedInput {
  readonly source: string;
  readonly reason: string;
}

/** What a build will read. */
export interface InputPlan {
  /** Absolute path of the input root, which every `source` is relative to. */
  readonly root: string;
  /** In order of `source`, by UTF-16 code units. */
  readonly files: readonly InputFile[];
  readonly skipped: readonly SkippedInput[];
  /** Sentences about files that are read otherwise than their name says, cannot be read, or are read twice. */
  readonly notices: readonly string[];
}

const KNOWN =
  ".jsonl, .jsonl.gz and .jsonl.zst (also .ndjson, and .json.gz and .json.zst), .parquet, .arrow and .feather";
const UNKNOWN = "its ending is unknown";
/** Files looked into at a time. */
const AT_ONCE = 32;

/**
 * Finds the input files of files, folders (with all folders under them; links are followed) and patterns (`*`, `**`, `?`, `[]`, `{}`).
 * The input root is the folder itself for one folder, the folder of the file for one file, the folder before the first wildcard for one
 * pattern, and for several of these the deepest folder that holds all of their roots. A file found twice by the same path is read once.
 * In folders, names that start with a dot and names of other kinds are skipped. Reads the first 512 bytes of every file.
 * Throws ERR_INPUT when an input is missing, unreadable or of a kind that cannot be read, and when nothing is left to read.
 */
export async function planInputs(paths: readonly string[]): Promise<InputPlan> {
  if (paths.length === 0) throw new HeadraceError("ERR_INPUT", "no input; name files, folders or patterns");
  const search: Search = { found: [], skipped: [] };
  const roots: string[] = [];
  for (const path of paths) roots.push(await searchInput(path, search));
  const root = roots.reduce(commonFolder);
  const sourceOf = (path: string) => relative(root, path).split(sep).join("/");

  const named = new Set(search.found.filter((found) => found.named).map(({ path }) => path));
  const unique = [...new Set(search.found.map(({ path }) => path))];
  const looked = await mapLimited(unique, (path) => look(path, sourceOf(path), named.has(path)));
  const files = looked.flatMap(({ file }) => file ?? []).sort(bySource);
  const skipped = [
    ...looked.flatMap(({ skipped }) => skipped ?? []),
    ...search.skipped.map(({ path, reason }) => ({ source: sourceOf(path), reason })),
  ].sort(bySource);

  if (files.length === 0) {
    const first = skipped[0];
    const seen = first
      ? `${skipped.length} skipped, the first: ${first.source} (${first.reason})`
      : "the folder is empty";
    throw new HeadraceError(
      "ERR_INPUT",
      `nothing to read in ${paths.join(", ")}: ${seen}; known are ${KNOWN}`,
    );
  }
  const foreign = looked.flatMap(({ foreign }) => foreign ?? []);
  if (foreign.length === files.length)
    throw new HeadraceError(
      "ERR_INPUT",
      `none of the ${files.length} files in ${paths.join(", ")} can be read: ${foreign.sort()[0]}`,
    );
  const notices = [...looked.flatMap(({ notice }) => notice ?? []), ...foreign].sort();
  return { root, files, skipped, notices: [...notices, ...twins(looked)] };
}

interface Looked {
  readonly file?: InputFile;
  readonly skipped?: SkippedInput;
  readonly notice?: string;
  /** Why the file, although listed, cannot be read. */
  readonly foreign?: string;
  /** Device and number of the file. */
  readonly identity?: string;
}

/** Looks at a file's kind. Throws ERR_INPUT for a file that was named and cannot be of use. */
async function look(path: string, source: string, named: boolean): Promise<Looked> {
  const byName = formatByName(path);
  if (byName === null && !named) return { skipped: { source, reason: UNKNOWN } };
  const status = await statusOf(path);
  if (typeof status === "string" || !status.isFile()) {
    if (byName === null)
      throw new HeadraceError("ERR_INPUT", `input ${path} is not a file; name a file or a folder`);
    const reason = typeof status === "string" ? await unreachable(path, status) : noFile(status);
    return { file: { path, source, bytes: 0, modified: 0, format: byName }, foreign: `${source} ${reason}` };
  }
  const looked = await lookInside(path);
  const sniffed = typeof looked === "string" ? null : looked;
  const format = sniffed !== null && "format" in sniffed ? sniffed.format : byName;
  if (format === null) {
    const what = sniffed !== null && "foreign" in sniffed ? `is ${sniffed.foreign}` : UNKNOWN;
    throw new HeadraceError(
      "ERR_INPUT",
      typeof looked === "string" ? `input ${path} ${looked}` : `input ${path}: ${what}; known are ${KNOWN}`,
    );
  }
  const foreign =
    typeof looked === "string"
      ? looked
      : sniffed !== null && "foreign" in sniffed
        ? `is ${sniffed.foreign}`
        : null;
  return {
    file: { path, source, bytes: status.size, modified: status.mtimeMs, format },
    identity: `${status.dev}:${status.ino}`,
    ...(foreign === null ? {} : { foreign: `${source} ${foreign}` }),
    ...(byName !== null && byName !== format
      ? { notice: `${source} is named as ${byName} but is ${format}, and is read as that` }
      : {}),
  };
}

/** Sentences about files that are one file under several names. */
function twins(looked: readonly Looked[]): readonly string[] {
  const names = new Map<string, string[]>();
  for (const { file, identity } of looked)
    if (file && identity) names.set(identity, [...(names.get(identity) ?? []), file.source]);
  return [...names.values()]
    .filter((sources) => sources.length > 1)
    .map(
      (sources) =>
        `${sources.sort().join(" and ")} are one file; its records are read ${sources.length} times`,
    )
    .sort();
}

/** What the first bytes of a file say it is, or why they cannot be read. */
async function lookInside(path: string): Promise<Sniffed | string> {
  const handle = await openInput(path);
  if (typeof handle === "string") return handle;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SNIFF_BYTES), 0, SNIFF_BYTES, 0);
    return sniff(buffer.subarray(0, bytesRead));
  } catch {
    // Reading it will fail again, and say why.
    return null;
  } finally {
    await handle.close();
  }
}

function commonFolder(a: string, b: string): string {
  const parts = a.split(sep);
  const others = b.split(sep);
  const end = parts.findIndex((part, i) => part !== others[i]);
  return end < 0 ? a : parts.slice(0, end).join(sep) || sep;
}

function bySource(a: { readonly source: string }, b: { readonly source: string }): number {
  return a.source < b.source ? -1 : a.source > b.source ? 1 : 0;
}

async function mapLimited<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE)
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(map))));
  return results;
}
