/**
 * Re-weighting as one atomic act on a run folder: a loss report goes in, a stage is appended, under a lock and once.
 * The report is recorded first, and what is recorded decides: a crash between the two, a report sent twice, or two callers at the same
 * time lead to the same stage. A stage that is there is never replaced.
 */
import type { DomainLosses, DomainWeights } from "../core/domain.ts";
import { domainWeights } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { withLock } from "../core/lock.ts";
import { type LossReport, meanLosses } from "./losses.ts";
import { PARTS } from "./mixture.ts";
import type { Measured } from "./more-rules.ts";
import { initialWeights, type LossDrivenPolicy, updateWeights } from "./policy.ts";
import { checkLossReport } from "./report.ts";
import { listReports, readReport, recordReport, runPaths } from "./run.ts";
import {
  appendStage,
  createSchedule,
  decidedEnd,
  exhaustedDomains,
  type Schedule,
  type ScheduleHeader,
  type WeightStage,
} from "./schedule.ts";
import { parseSchedule, readSchedule, writeSchedule } from "./schedule-file.ts";
import { type ScheduledPolicy, stretchesOf } from "./scheduled.ts";
import { batchRowsOf, stagesInForce, withdrawnDomains } from "./stage.ts";

/** What a report led to. */
export interface Reweighting {
  readonly schedule: Schedule;
  /** The stage of this report; null when the policy is static or the run is decided to its end. */
  readonly stage: WeightStage | null;
  /** The report on record, which is the first that was sent for its batch. */
  readonly report: LossReport;
  /** Whether this call appended the stage; false when it was there. */
  readonly appended: boolean;
}

/**
 * The schedule of a new run with its first stage: all batches under a static policy; every stage under a scheduled one; under a loss-driven one the first interval
 * and `lag` batches more, which the trainer may fetch before it knows the next weights. Throws as `createSchedule` and `appendStage`.
 */
export function beginSchedule(header: ScheduleHeader, lag = 0): Schedule {
  const { policy, batches } = header;
  if (policy.kind === "scheduled") return beginScheduled(header, policy);
  const decided = policy.kind === "static" ? null : policy.everyBatches + lag;
  return appendStage(createSchedule(header), {
    fromBatch: 0,
    untilBatch: decided === null || (batches !== null && decided >= batches) ? batches : decided,
    weights: initialWeights(policy),
    cause: { kind: "initial" },
  });
}

/** Every stretch of a scheduled policy as a stage, up to where the run stops. */
function beginScheduled(header: ScheduleHeader, policy: ScheduledPolicy): Schedule {
  let schedule = createSchedule(header);
  for (const stretch of stretchesOf(policy, header.batches)) {
    if (decidedEnd(schedule).final) break;
    const cause = { kind: schedule.stages.length === 0 ? "initial" : "scheduled" };
    schedule = appendStage(schedule, { ...stretch, untilBatch: stretch.untilBatch ?? header.batches, cause });
  }
  return schedule;
}

/**
 * Records a loss report and appends the stage that the policy of the header makes of it, from the batch where the decided part ends.
 * Idempotent by the batch of the report. Waits at most `waitSeconds` (default 60) for another caller.
 * Throws ERR_LOSS and ERR_PARSE on a bad report (nothing is recorded), ERR_SCHEDULE when another batch is due, ERR_EXHAUSTED, ERR_LOCKED.
 */
export async function reweight(
  run: string,
  report: unknown,
  options: { readonly waitSeconds?: number } = {},
): Promise<Reweighting> {
  const paths = runPaths(run);
  return await withLock(paths.scheduleLock, options.waitSeconds ?? 60, async () => {
    const schedule = await readSchedule(paths.schedule);
    const domains = schedule.header.domains.map(({ name }) => name);
    const checked = checkLossReport(report, domains, {
      required: schedule.header.policy.kind === "loss-driven" ? domains : [],
    });
    const { measuredAt } = checked;
    const known = schedule.stages.find((stage) => stage.measuredAt === measuredAt);
    if (known) return { schedule, stage: known, report: await recordReport(run, checked), appended: false };
    const due = nextReport(schedule);
    requireDue(schedule, measuredAt, due);
    const recorded = await recordReport(run, checked);
    if (measuredAt !== due) return { schedule, stage: null, report: recorded, appended: false };
    // Parsed as a reader will: what is written is checked, and its bytes do not depend on who appended it.
    const next = parseSchedule(appendUpdate(schedule, recorded));
    await writeSchedule(paths.schedule, next);
    return { schedule: next, stage: next.stages[schedule.stages.length]!, report: recorded, appended: true };
  });
}

/** Appends the stages of reports that were recorded by a process that died before it could. Returns the schedule. */
export async function settleReports(run: string): Promise<Schedule> {
  let schedule = await readSchedule(runPaths(run).schedule);
  const domains = schedule.header.domains.map(({ name }) => name);
  for (const measuredAt of await listReports(run))
    if (measuredAt === nextReport(schedule))
      schedule = (await reweight(run, await readReport(run, measuredAt, domains))).schedule;
  return schedule;
}

/** The batch at which the next report is due that leads to a stage; null when none will. */
export function nextReport(schedule: Schedule): number | null {
  const { policy } = schedule.header;
  const end = decidedEnd(schedule);
  if (policy.kind !== "loss-driven" || end.final) return null;
  return end.batch - lagOf(schedule, policy);
}

/** The update that a report leads to, appended. Pure. Throws ERR_LOSS, ERR_EXHAUSTED. */
export function appendUpdate(schedule: Schedule, report: LossReport): Schedule {
  const { header } = schedule;
  const policy = header.policy as LossDrivenPolicy;
  const names = header.domains.map(({ name }) => name);
  const losses = meanLosses(report.domains, names);
  const withdrawn = withdrawnDomains(schedule.stages);
  const { weights, asked, rails } = updateWeights(policy, weightsOf(schedule), losses, {
    batchRows: batchRowsOf(header, schedule.stages.at(-1)),
    exhausted: exhaustedDomains(schedule),
    withdrawn,
    before: measuredBefore(schedule),
  });
  const fromBatch = decidedEnd(schedule).batch;
  const until = fromBatch + policy.everyBatches;
  return appendStage(schedule, {
    fromBatch,
    untilBatch: header.batches === null ? until : Math.min(until, header.batches),
    weights,
    cause: { kind: "loss", report: report.kind, losses, asked, rails, weights },
    measuredAt: report.measuredAt,
    lag: fromBatch - report.measuredAt,
  });
}

/** The losses of the updates that were recorded, oldest first, each with the weights that it started from. */
function measuredBefore(schedule: Schedule): readonly Measured[] {
  const { header } = schedule;
  const stages = stagesInForce(schedule.stages).map(({ stage }) => stage);
  return stages.flatMap(({ cause }, i) =>
    cause.kind === "loss"
      ? [
          {
            weights: weightsOf({ header, stages: stages.slice(0, i) }),
            losses: cause["losses"] as DomainLosses,
          },
        ]
      : [],
  );
}

/** The weights that an update starts from: those of the last stage, as recorded. */
export function weightsOf({ header, stages }: Schedule): DomainWeights {
  const parts = stages.at(-1)!.weights;
  return domainWeights(Object.fromEntries(header.domains.map(({ name }, i) => [name, parts[i]! / PARTS])));
}

/**
 * The mean of the weights that the updates in force decided: what DoReMi (arXiv 2305.10429, algorithm 1) gives to the next run. Of the recorded
 * integer weights. Pure. Throws ERR_SCHEDULE where no update was made.
 */
export function averageWeights({ header, stages }: Schedule): DomainWeights {
  const updates = stagesInForce(stages).filter(({ stage }) => stage.cause.kind === "loss");
  if (updates.length === 0)
    throw new HeadraceError(
      "ERR_SCHEDULE",
      `policy ${header.policy.name} made no update in this run, so there are no weights to take the mean of; name a run that followed losses`,
    );
  const means = header.domains.map(
    (_, i) => updates.reduce((sum, { stage }) => sum + stage.weights[i]!, 0) / (updates.length * PARTS),
  );
  return domainWeights(Object.fromEntries(header.domains.map(({ name }, i) => [name, means[i]!])));
}

/** Batches between a report and its stage: of the stages that there are, else what the first stage allows beyond the first interval. */
function lagOf({ stages }: Schedule, policy: LossDrivenPolicy): number {
  const updated = stages.find(({ cause }) => cause.kind === "loss");
  return updated?.lag ?? stages.at(-1)!.untilBatch! - policy.everyBatches;
}

/** A report may be about the batch that is due, about the end of a decided run, or, where nothing is due, about any decided batch. */
function requireDue(schedule: Schedule, measuredAt: number, due: number | null): void {
  if (measuredAt === due) return;
  const end = decidedEnd(schedule);
  if (due === null && measuredAt <= end.batch) return;
  throw new HeadraceError(
    "ERR_SCHEDULE",
    due === null
      ? `the loss report was measured at batch ${measuredAt}, the run ends at batch ${end.batch}`
      : `the loss report was measured at batch ${measuredAt}; the next stage needs one measured at batch ${due}`,
  );
}
