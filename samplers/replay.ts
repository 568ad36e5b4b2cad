/**
 * Replay: what a run was served, from its record and its shards alone, and the proof that it is the same.
 * Three checks, each naming what differs and going on: the stages (chain, rows, deficits, weights against the losses behind them), the plan
 * (every acknowledged batch), and the bytes (the manifest's fingerprint and every train shard's SHA-256). Reads every train shard once.
 */
import { readFile } from "node:fs/promises";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { anything, array, object, parseJson } from "../core/parse.ts";
import { openPlan } from "./plan.ts";
import { checkBytes } from "./replay-bytes.ts";
import type { ReplayDifference } from "./replay-difference.ts";
import { checkLosses } from "./replay-losses.ts";
import { nextReport } from "./reweight.ts";
import { listReports, runPaths } from "./run.ts";
import { decidedEnd, type Schedule } from "./schedule.ts";
import { parseSchedule } from "./schedule-file.ts";
import { readServedLog } from "./served.ts";
import { plannedHashes } from "./served-plan.ts";

/** What a replay found. `identical` means: no differences. */
export interface ReplayReport {
  readonly identical: boolean;
  /** Stages that were checked. */
  readonly stages: number;
  /** Weight updates that were recomputed from their losses. */
  readonly updates: number;
  /** Acknowledged batches whose served hash was recomputed. */
  readonly batches: number;
  /** Shards and bytes that were hashed. */
  readonly shards: number;
  readonly bytes: number;
  readonly differences: readonly ReplayDifference[];
}

/** How far a replay has come. */
export interface ReplayProgress {
  readonly phase: "plan" | "bytes";
  readonly done: number;
  readonly total: number;
}

export interface ReplayOptions {
  /** Batches [from, until) of the served log are checked; default all. Stages and bytes are checked whole. */
  readonly from?: number;
  readonly until?: number;
  readonly onProgress?: (progress: ReplayProgress) => void;
}

/**
 * Verifies a run against its shards. Differences are returned, not thrown; the same kind of difference in many batches is listed for the
 * first 100 of them. Throws ERR_INPUT when there is no schedule or no manifest to compare, ERR_PARSE when they have another shape.
 */
export async function verifyReplay(
  run: string,
  shards: string,
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  const differences: ReplayDifference[] = [];
  const paths = runPaths(run);
  const schedule = await readStages(paths.schedule, differences);
  const updates = await checkLosses(run, schedule, differences);
  await checkMissingStages(run, schedule, differences);
  await checkMissingLines(run, paths.served, differences);
  const batches = await checkPlan(paths.served, schedule, differences, options);
  const { files, bytes } = await checkBytes(shards, schedule, differences, (done, total) =>
    options.onProgress?.({ phase: "bytes", done, total }),
  );
  return {
    identical: differences.length === 0,
    stages: schedule.stages.length,
    updates,
    batches,
    shards: files,
    bytes,
    differences,
  };
}

const LISTED = 100;
const raw = object({ header: anything, stages: array(anything) });

/** The schedule up to its first wrong stage, which is named. */
async function readStages(path: string, differences: ReplayDifference[]): Promise<Schedule> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new HeadraceError("ERR_INPUT", `schedule ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  const { header, stages } = parseJson(text, raw, path);
  for (let good = stages.length; ; good--) {
    try {
      const schedule = parseSchedule({ header, stages: stages.slice(0, good) }, path);
      if (schedule.stages.length === 0)
        differences.push({ what: "schedule", where: path, expected: "at least one stage", seen: "none" });
      return schedule;
    } catch (error) {
      if (!(error instanceof HeadraceError) || good === 0) throw error;
      // The last failure names the first wrong stage: parsing stops there, so every longer prefix says the same.
      differences.splice(0, 1, {
        what: "stage",
        where: `${path} stage ${good - 1}`,
        expected: "a stage that follows from the one before it",
        seen: error.message,
      });
    }
  }
}

/** Reports that led to no stage, although there is a later one or the run goes on: a stage is missing. */
async function checkMissingStages(
  run: string,
  schedule: Schedule,
  differences: ReplayDifference[],
): Promise<void> {
  const { policy, batches } = schedule.header;
  if (policy.kind !== "loss-driven") return;
  const due = nextReport(schedule);
  const measured = schedule.stages.map(({ measuredAt }) => measuredAt ?? 0);
  const last =
    due === null
      ? Math.max(0, ...measured)
      : (batches ?? Number.POSITIVE_INFINITY) - (decidedEnd(schedule).batch - due);
  for (const at of await listReports(run))
    if (at < last && !measured.includes(at))
      differences.push({
        what: "stage",
        where: `${runPaths(run).schedule}, measured at batch ${at}`,
        expected: "a stage, as there is a loss report for it",
        seen: "no stage",
      });
}

/** A report measured after k batches says that k batches were acknowledged: a log that ends before is cut. */
async function checkMissingLines(run: string, path: string, differences: ReplayDifference[]): Promise<void> {
  const lines = readServedLog(path).hashes.size;
  const measuredAt = (await listReports(run)).at(-1) ?? 0;
  if (lines < measuredAt)
    differences.push({
      what: "served",
      where: `${path}, end`,
      expected: `batches 0 to ${measuredAt - 1}, as there is a loss report measured at batch ${measuredAt}`,
      seen: `${lines} batches`,
    });
}

/** Every acknowledged batch against the plan. */
async function checkPlan(
  path: string,
  schedule: Schedule,
  differences: ReplayDifference[],
  { from = 0, until = Number.POSITIVE_INFINITY, onProgress }: ReplayOptions,
): Promise<number> {
  const { hashes, problems, tornBytes } = readServedLog(path);
  const found: ReplayDifference[] = problems.map(({ line, text, expected }) => ({
    what: "served",
    where: `${path} line ${line}`,
    expected,
    seen: text === "" ? "an empty line" : text,
  }));
  if (tornBytes > 0)
    found.push({
      what: "served",
      where: `${path}, end`,
      expected: "a line feed",
      seen: `${tornBytes} bytes of an unfinished line`,
    });
  const plan = openPlan(schedule);
  const end = decidedEnd(schedule);
  const hashOf = plannedHashes(plan);
  const beyond: number[] = [];
  let checked = 0;
  for (const [batch, hash] of hashes) {
    if (batch < from || batch >= until) continue;
    if (batch >= end.batch) {
      beyond.push(batch);
      continue;
    }
    const expected = hashOf(batch);
    if (hash !== expected)
      found.push({ what: "served", where: `${path} batch ${batch}`, expected, seen: hash });
    checked++;
    if (checked % 64 === 0) {
      onProgress?.({ phase: "plan", done: checked, total: hashes.size });
      await new Promise(setImmediate);
    }
  }
  if (beyond.length > 0)
    found.push({
      what: "served",
      where: `${path} batches ${beyond[0]} to ${beyond.at(-1)}`,
      expected: end.final ? `no batch from ${end.batch} on, where the run ends` : "a stage that decides them",
      seen: `${beyond.length} batches that were served`,
    });
  differences.push(...found.slice(0, LISTED));
  if (found.length > LISTED)
    differences.push({
      what: "served",
      where: path,
      expected: "no differences",
      seen: `${found.length - LISTED} more batches that differ`,
    });
  return checked;
}
