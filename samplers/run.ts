/**
 * The run folder (docs/format.md 4): the schedule, the loss reports, the served log, and what was run.
 * Every file is written whole or not at all; a report is created once and never replaced, whoever else tries at the same time.
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { syncFolder, writeFileWhole } from "../core/commit.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { canonicalJson } from "../core/hash.ts";
import { withLock } from "../core/lock.ts";
import { integer, nullable, object, oneOf, parseJson, string } from "../core/parse.ts";
import type { LossReport } from "./losses.ts";
import { checkLossReport, formatLossReport } from "./report.ts";
import type { Schedule } from "./schedule.ts";
import { parseSchedule, readSchedule, writeSchedule } from "./schedule-file.ts";

const runRecord = object({
  format: oneOf("headrace-run/1"),
  shards: string,
  trainer: string,
  rowTokens: integer(1),
  batchRows: integer(1),
  batches: integer(1),
  seed: integer(0),
  everyBatches: nullable(integer(1)),
  lag: integer(0),
  evaluation: object({ rowTokens: integer(1), tokensPerDomain: integer(1) }),
});

/** `run.json`: what was run, for people and for resume. */
export type RunRecord = ReturnType<typeof runRecord>;

/** Where the files of a run are. */
export interface RunPaths {
  readonly folder: string;
  readonly schedule: string;
  readonly reports: string;
  readonly served: string;
  readonly record: string;
  readonly checkpoints: string;
  readonly trainerLog: string;
  /** Address and token for a trainer that something else starts; there while one is waited for. */
  readonly attach: string;
  /** Held by the one `headrace train` of the run. */
  readonly trainLock: string;
  /** Held while a stage is appended. */
  readonly scheduleLock: string;
}

/** The paths of a run, absolute. */
export function runPaths(folder: string): RunPaths {
  const root = resolve(folder);
  return {
    folder: root,
    schedule: join(root, "schedule.json"),
    reports: join(root, "reports"),
    served: join(root, "served.log"),
    record: join(root, "run.json"),
    checkpoints: join(root, "checkpoints"),
    trainerLog: join(root, "trainer.log"),
    attach: join(root, "attach.env"),
    trainLock: join(root, "train.lock"),
    scheduleLock: join(root, "schedule.lock"),
  };
}

/**
 * Makes the folder of a run, or finds the same run in it. Returns the schedule that is on disk, and whether it was there before.
 * A folder with a `run.json` and no schedule is a run that was killed while it was made, and is made again.
 * Throws ERR_OUTPUT when the folder holds another run or something else, naming what differs.
 */
export async function createRun(
  folder: string,
  record: RunRecord,
  schedule: Schedule,
): Promise<{ readonly schedule: Schedule; readonly resumed: boolean }> {
  const paths = runPaths(folder);
  await mkdir(paths.folder, { recursive: true });
  const names = (await readdir(paths.folder)).filter(
    (name) => !name.endsWith(".lock") && !name.endsWith(".tmp"),
  );
  if (names.includes("schedule.json")) {
    const found = await readSchedule(paths.schedule);
    refuseOther(paths.folder, "header", found.header, schedule.header);
    if (names.includes("run.json")) {
      const before = await readRun(paths.folder);
      // A moved folder of shards and another command for the same trainer are the same run; the fingerprint guards the bytes.
      refuseOther(paths.folder, "run.json", before, {
        ...record,
        shards: before.shards,
        trainer: before.trainer,
      });
    }
    await removeLeftovers(paths);
    await writeRun(paths.folder, record);
    return { schedule: found, resumed: true };
  }
  const stranger = names.find(
    (name) => !["run.json", "trainer.log", "checkpoints", "reports"].includes(name),
  );
  if (stranger !== undefined || (names.length > 0 && !names.includes("run.json")))
    throw new HeadraceError(
      "ERR_OUTPUT",
      `${paths.folder} is not empty and is no run (it has ${stranger ?? names[0]}); choose another folder`,
    );
  await writeRun(paths.folder, record);
  await mkdir(paths.reports, { recursive: true });
  await mkdir(paths.checkpoints, { recursive: true });
  const written = parseSchedule(schedule);
  await writeSchedule(paths.schedule, written);
  return { schedule: written, resumed: false };
}

/** Removes what killed processes left half-written. Under the lock, because the files of a caller at work look the same. */
async function removeLeftovers({ folder, reports, scheduleLock }: RunPaths): Promise<void> {
  await withLock(scheduleLock, 60, async () => {
    for (const place of [folder, reports])
      for (const name of await readdir(place))
        if (name.endsWith(".tmp") && !name.includes(".lock.")) await rm(join(place, name), { force: true });
  });
}

/** Reads `run.json`. Throws ERR_INPUT where there is none, ERR_PARSE. */
export async function readRun(folder: string): Promise<RunRecord> {
  const { record } = runPaths(folder);
  try {
    return parseJson(await readFile(record, "utf8"), runRecord, record);
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause;
    throw new HeadraceError("ERR_INPUT", `${folder} is no run folder: ${messageOf(cause)}`, { cause });
  }
}

/** Writes `run.json`, whole or not at all. */
export async function writeRun(folder: string, record: RunRecord): Promise<void> {
  await writeFileWhole(runPaths(folder).record, `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Records a report, whole, durable and once: if there is one for its batch already, that one stays and is returned.
 * Two processes that record at the same time both return the report of the first.
 */
export async function recordReport(folder: string, report: LossReport): Promise<LossReport> {
  const { reports } = runPaths(folder);
  await mkdir(reports, { recursive: true });
  const path = join(reports, reportName(report.measuredAt));
  const pending = join(reports, `.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await writeFile(pending, formatLossReport(report), { flag: "wx", flush: true });
    await link(pending, path);
    await syncFolder(reports);
    return report;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return await readReport(folder, report.measuredAt, Object.keys(report.domains));
  } finally {
    await rm(pending, { force: true });
  }
}

/** Reads the report measured at a batch; it may lack domains. Throws ERR_INPUT where there is none, ERR_PARSE, ERR_LOSS. */
export async function readReport(
  folder: string,
  measuredAt: number,
  domains: readonly string[],
): Promise<LossReport> {
  const path = join(runPaths(folder).reports, reportName(measuredAt));
  return await readReportFile(path, domains);
}

/** Reads a report from any file. Throws as `readReport`. */
export async function readReportFile(path: string, domains: readonly string[]): Promise<LossReport> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new HeadraceError("ERR_INPUT", `cannot read the loss report ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return parseJson(
    text,
    (value, subject) => checkLossReport(value, domains, { required: [], subject }),
    path,
  );
}

/** The batches at which reports were measured, ascending. */
export async function listReports(folder: string): Promise<readonly number[]> {
  let names: readonly string[];
  try {
    names = await readdir(runPaths(folder).reports);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return names
    .flatMap((name) => (/^\d{8,}\.json$/.test(name) ? [Number.parseInt(name, 10)] : []))
    .sort((a, b) => a - b);
}

function reportName(measuredAt: number): string {
  return `${String(measuredAt).padStart(8, "0")}.json`;
}

/** Names the first field in which a run on disk is not the run that was asked for. */
function refuseOther(folder: string, what: string, found: object, wanted: object): void {
  const [path, seen, asked] = firstDifference(found, wanted) ?? [];
  if (path !== undefined)
    throw new HeadraceError(
      "ERR_OUTPUT",
      `${folder} is another run: ${what}${path} is ${seen} there and ${asked} here; resume with the options it was made with, or choose another folder`,
    );
}

function firstDifference(found: unknown, wanted: unknown): readonly [string, string, string] | null {
  if (
    typeof found === "object" &&
    typeof wanted === "object" &&
    found !== null &&
    wanted !== null &&
    Array.isArray(found) === Array.isArray(wanted)
  ) {
    const a = found as Readonly<Record<string, unknown>>;
    const b = wanted as Readonly<Record<string, unknown>>;
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const inner = firstDifference(a[key], b[key]);
      if (inner) return [`.${key}${inner[0]}`, inner[1], inner[2]];
    }
    return null;
  }
  const [seen, asked] = [found, wanted].map((value) =>
    value === undefined ? "absent" : canonicalJson(value),
  );
  return seen === asked ? null : ["", shorten(seen!), shorten(asked!)];
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
