/**
 * A branch: a new run folder that shares another's batches up to one of them and goes its own way from there, for a rewind after a loss spike or
 * to try another mix. It replays alone: the shared stages stand in it with their hashes, and its first own stage names the schedule that it left.
 */
import { mkdir, readdir } from "node:fs/promises";
import { writeFileWhole } from "../core/commit.ts";
import { HeadraceError } from "../core/errors.ts";
import { acquireLock } from "../core/lock.ts";
import { decidedEnd, sealed } from "./chain.ts";
import { type Change, reviseSchedule, rowsBetween } from "./revise.ts";
import { listReports, readReport, readRun, recordReport, runPaths, writeRun } from "./run.ts";
import { type Schedule, scheduleState } from "./schedule.ts";
import { parseSchedule, readSchedule, writeSchedule } from "./schedule-file.ts";
import { readServedLog } from "./served.ts";
import { stagesInForce, type WeightStage } from "./stage.ts";

/** A branch that was made. */
export interface Branch {
  /** Its folder, absolute. */
  readonly run: string;
  readonly schedule: Schedule;
  /** Stages that it has of the other run. */
  readonly shared: number;
  /** Lines of the other's served log that it begins with. */
  readonly acknowledged: number;
}

/**
 * The schedule of a branch at batch `k`: the stages that decide the batches before it, and one that goes on with what was decided when it came to it.
 * Pure. Throws ERR_SCHEDULE where the schedule does not decide batch `k`.
 */
export function branchSchedule(schedule: Schedule, k: number, note?: string): Schedule {
  const { header, stages } = schedule;
  const state = scheduleState(schedule);
  const change = { kind: "branch", fromBatch: k, parent: state.hash, stages: state.stages } as const;
  const own = reviseSchedule(schedule, change, note).stages.slice(stages.length);
  const last = stagesInForce(stages).findLast(({ stage }) => stage.fromBatch < k);
  const shared = stages.slice(0, (last?.index ?? -1) + 1);
  const chained: WeightStage[] = [...shared];
  for (const { hash: _, ...stage } of own) chained.push(sealed(header, chained, stage));
  return { header, stages: chained };
}

/** A change with the rows that the other run holds in the batches to be passed over: the branch may not decide all of these. */
function asServed(schedule: Schedule, change: Change): Change {
  const end = decidedEnd(schedule).batch;
  if (change.kind !== "skip" || change.untilBatch > end) return change;
  return { ...change, rows: rowsBetween(schedule, change.fromBatch, change.untilBatch) };
}

/**
 * Makes a branch of a run at batch `k` in a new folder, with a change of what comes after where one is asked for. The other run is read and left as it is; its checkpoints are not copied.
 * Throws ERR_OUTPUT where the folder is not empty, ERR_SCHEDULE where batch `k` is not decided or the batches before it were not all served.
 */
export async function branchRun(
  run: string,
  k: number,
  out: string,
  options: { readonly note?: string; readonly change?: Change } = {},
): Promise<Branch> {
  const parent = runPaths(run);
  const schedule = await readSchedule(parent.schedule);
  const record = await readRun(run);
  const { hashes } = readServedLog(parent.served);
  if (hashes.size > 0 && hashes.size < k)
    throw new HeadraceError(
      "ERR_SCHEDULE",
      `${run} has served ${hashes.size} batches, a branch at batch ${k} would have batches that nobody was served; branch at ${hashes.size} or before`,
    );
  const { note, change } = options;
  if (change !== undefined && change.fromBatch < k)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `a change from batch ${change.fromBatch} on, in a branch at batch ${k}: the batches before are the other run's; branch at ${change.fromBatch}`,
    );
  const own = branchSchedule(schedule, k, note);
  const branch = change === undefined ? own : reviseSchedule(own, asServed(schedule, change), note);
  const paths = runPaths(out);
  await mkdir(paths.folder, { recursive: true });
  const lock = await acquireLock(paths.trainLock);
  try {
    const stranger = (await readdir(paths.folder)).find((name) => !name.startsWith("train.lock"));
    if (stranger !== undefined)
      throw new HeadraceError(
        "ERR_OUTPUT",
        `${paths.folder} is not empty (it has ${stranger}); choose another folder for the branch`,
      );
    const domains = schedule.header.domains.map(({ name }) => name);
    for (const at of await listReports(run))
      if (at <= k) await recordReport(out, await readReport(run, at, domains));
    const lines = Array.from({ length: hashes.size === 0 ? 0 : k }, (_, i) => `${i} ${hashes.get(i)}\n`);
    if (lines.length > 0) await writeFileWhole(paths.served, lines.join(""));
    await mkdir(paths.checkpoints, { recursive: true });
    await writeRun(out, record);
    // The schedule comes last: what was killed before is no run, and its folder is refused.
    const written = parseSchedule(branch);
    await writeSchedule(paths.schedule, written);
    const shared = written.stages.findIndex(
      ({ fromBatch, revises }) => revises?.kind === "branch" && fromBatch === k,
    );
    return { run: paths.folder, schedule: written, shared, acknowledged: lines.length };
  } finally {
    lock.release();
  }
}
