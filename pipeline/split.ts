/**
 * Big files become ranges that several workers read. What a scan found is kept in `DIR/.build/scans`, so that a build that is run again
 * finds its tasks without reading anything.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileOnce } from "../core/commit.ts";
import { hashOf } from "../core/hash.ts";
import { array, integer, nullable, object, oneOf, type Parser, parseJson, string } from "../core/parse.ts";
import type { InputFile } from "./inputs.ts";
import { SLACK, type Task, textBytes } from "./plan.ts";
import type { FileCut, Scan } from "./range.ts";
import { canCut, scanFile } from "./scan.ts";

/** Version of where scans cut; a change of the code that moves a cut raises it. */
const SCAN_VERSION = 1;
/** A range of less text is not worth the scan. */
const LEAST_RANGE = 2 ** 23;

/** A file to scan for ranges of about so much text. Plain data. */
export interface ScanJob {
  readonly role: Task["role"];
  readonly file: InputFile;
  readonly taskBytes: number;
}

const cut: Parser<FileCut> = object({
  byte: integer(0),
  decodedAt: integer(0),
  lineAt: integer(0),
  line: integer(1),
});
const kept = object({
  format: oneOf("headrace-scan/1"),
  key: string,
  scan: nullable(object({ sha256: string, cuts: array(cut) })),
});

/** The files that are worth a scan. `asked`: the bytes of a task were given, and count however small. */
export function scanJobs(
  role: Task["role"],
  files: readonly InputFile[],
  taskBytes: number,
  asked: boolean,
): readonly ScanJob[] {
  const range = asked ? taskBytes : Math.max(LEAST_RANGE, taskBytes);
  return files
    .filter((file) => canCut(file.format) && textBytes(file) > SLACK * range)
    .map((file) => ({ role, file, taskBytes: range }));
}

/** What an earlier scan of the same file found; undefined where there was none. Throws ERR_PARSE. */
export async function keptScan(buildFolder: string, job: ScanJob): Promise<Scan | null | undefined> {
  const key = scanKey(job);
  const path = scanPath(buildFolder, key);
  if (!existsSync(path)) return undefined;
  const found = parseJson(await readFile(path, "utf8"), kept, path);
  return found.key === key ? found.scan : undefined;
}

/**
 * Scans a file that is not scanned yet, and keeps what was found. Of machines that scan it at the same time the first to end is believed by all,
 * also where a failing disk showed them different things. Throws ERR_OUTPUT.
 */
export async function scanOnce(buildFolder: string, job: ScanJob): Promise<Scan | null> {
  const before = await keptScan(buildFolder, job);
  if (before !== undefined) return before;
  const scan = await scanFile(job.file, job.taskBytes);
  const key = scanKey(job);
  const text = `${JSON.stringify({ format: "headrace-scan/1", key, scan })}\n`;
  return (await writeFileOnce(scanPath(buildFolder, key), text))
    ? scan
    : ((await keptScan(buildFolder, job)) ?? null);
}

/** The ranges of a scanned file, or the file where it was not cut. */
export function rangesOf(file: InputFile, scan: Scan | null): readonly InputFile[] {
  if (scan === null) return [file];
  const { cuts, sha256 } = scan;
  return cuts.slice(1).map((to, i) => ({
    ...file,
    range: { from: cuts[i]!, to, first: i === 0, last: i === cuts.length - 2, sha256 },
  }));
}

function scanKey({ role, file: { source, bytes, modified, format }, taskBytes }: ScanJob): string {
  return hashOf({ version: SCAN_VERSION, role, source, bytes, modified, format, taskBytes });
}

function scanPath(buildFolder: string, key: string): string {
  return join(buildFolder, "scans", `${key.slice(0, 32)}.json`);
}
