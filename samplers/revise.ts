/**
 * What people change in a run under way: batches of data passed over, batches of another size, other weights, an earlier end. A change is a stage
 * that begins inside the decided part; the decided weights from there on are appended again after it, with the rows that are then due.
 * Nothing recorded is replaced, and a batch that was acknowledged is never changed: that is a branch (branch.ts).
 */
import type { DomainWeights } from "../core/domain.ts";
import { domainWeights } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { acquireLock, withLock } from "../core/lock.ts";
import { exhaustedBy } from "./chain.ts";
import { PARTS } from "./mixture.ts";
import { openPlan, rankPositions } from "./plan.ts";
import { without } from "./policy.ts";
import { runPaths } from "./run.ts";
import { appendStage, decidedEnd, endSchedule, type Schedule, type StageRequest } from "./schedule.ts";
import { parseSchedule, readSchedule, writeSchedule } from "./schedule-file.ts";
import { readServedLog } from "./served.ts";
import { batchRowsOf, type Revision, stagesInForce, type WeightStage } from "./stage.ts";

/** A change of a run from a batch on. */
export type Change =
  /** Pass over the rows that the batches [fromBatch, untilBatch) would hold; batch fromBatch goes on with what comes after them. */
  | {
      readonly kind: "skip";
      readonly fromBatch: number;
      readonly untilBatch: number;
      /** Rows of each domain in these batches, where another run was served them (branch.ts); default what the schedule decides. */
      readonly rows?: readonly number[];
    }
  /** Batches of so many rows. */
  | { readonly kind: "batch"; readonly fromBatch: number; readonly batchRows: number }
  /** These weights up to the end of what is decided. */
  | {
      readonly kind: "weights";
      readonly fromBatch: number;
      readonly weights: DomainWeights;
      /** What else the cause of the stage says: the policy that asked for them, its losses (own-policy.ts). */
      readonly because?: Readonly<Record<string, unknown>>;
    }
  /** These domains are never served again: their weight goes to the others in proportion, now and under every later stage. */
  | { readonly kind: "withdraw"; readonly fromBatch: number; readonly domains: readonly string[] }
  /** The run ends before this batch. */
  | { readonly kind: "end"; readonly fromBatch: number }
  /** Another run shares the batches before this one (branch.ts). */
  | {
      readonly kind: "branch";
      readonly fromBatch: number;
      /** Chain hash and stages of the schedule that it leaves. */
      readonly parent: string;
      readonly stages: number;
    };

/**
 * The schedule with a change. Pure; deterministic. Throws ERR_SCHEDULE where the change is not inside the decided part, ERR_ARGUMENT on a size or
 * a range that is none, and as `appendStage`.
 */
export function reviseSchedule(schedule: Schedule, change: Change, note?: string): Schedule {
  requireChange(schedule, change);
  const { fromBatch } = change;
  const { requests, stop } = decidedFrom(schedule, fromBatch, change.kind === "branch");
  if (requests.length === 0)
    throw new HeadraceError(
      "ERR_SCHEDULE",
      `a change from batch ${fromBatch} on changes nothing: the schedule decides ${decidedEnd(schedule).batch} batches; begin it inside them`,
    );
  const said = note === undefined ? {} : { note };
  if (change.kind === "end") return endSchedule(schedule, fromBatch, { kind: "end", ...said });
  requireNoLaterSkip(requests, change);
  const longer = changed(schedule, requests, change).reduce<Schedule>((longer, request, i) => {
    if (i > 0 && decidedEnd(longer).final) return longer;
    return appendStage(
      longer,
      i === 0 ? { ...request, revises: { ...revisionOf(change), ...said } } : request,
    );
  }, schedule);
  if (stop === null || decidedEnd(longer).final) return longer;
  // A branch that leaves out what later losses decided has not come to the stop.
  if (decidedEnd(longer).batch !== stop.fromBatch) return longer;
  return endSchedule(longer, stop.fromBatch, { kind: "end" }, exhaustedBy(stop.cause));
}

/** The requests with the change made. */
function changed(schedule: Schedule, requests: readonly StageRequest[], change: Change): StageRequest[] {
  switch (change.kind) {
    case "skip": {
      const passed = change.rows ?? rowsBetween(schedule, change.fromBatch, change.untilBatch);
      return requests.map((request, i) =>
        i === 0
          ? { ...request, skipped: passed.map((rows, d) => rows + (request.skipped?.[d] ?? 0)) }
          : request,
      );
    }
    case "batch":
      return requests.map((request) => ({ ...request, batchRows: change.batchRows }));
    case "weights": {
      const { skipped, batchRows } = requests[0]!;
      const weights = requireWhole(schedule, change.weights);
      return [
        {
          fromBatch: change.fromBatch,
          untilBatch: requests.at(-1)!.untilBatch,
          weights,
          cause: { kind: "asked", ...change.because, weights },
          ...(skipped === undefined ? {} : { skipped }),
          ...(batchRows === undefined ? {} : { batchRows }),
        },
      ];
    }
    case "withdraw": {
      const measured = requests.find(({ measuredAt }) => measuredAt !== undefined);
      if (measured !== undefined)
        throw new HeadraceError(
          "ERR_SCHEDULE",
          `domains are to be withdrawn at batch ${change.fromBatch}, before the weights measured at batch ${measured.measuredAt} are in force; withdraw them at batch ${measured.fromBatch + 1} or later`,
        );
      return requests.map((request) => ({ ...request, weights: without(request.weights, change.domains) }));
    }
    case "branch": {
      // What was decided by losses measured later is the other run's.
      const later = requests.findIndex(({ measuredAt = 0 }) => measuredAt > change.fromBatch);
      return requests.slice(0, later < 0 ? requests.length : later);
    }
    default:
      return [...requests];
  }
}

/** Weights of every domain of the schedule, divided by their sum. Throws ERR_WEIGHTS, ERR_DOMAIN. */
function requireWhole({ header }: Schedule, weights: DomainWeights): DomainWeights {
  const names = header.domains.map(({ name }) => name);
  const absent = names.find((name) => weights[name] === undefined);
  if (absent !== undefined)
    throw new HeadraceError(
      "ERR_WEIGHTS",
      `the new weights have none for domain "${absent}"; give it one, or 0`,
    );
  domainWeights(weights, names);
  return domainWeights(Object.fromEntries(names.map((name) => [name, weights[name]!])), names);
}

/** What a stage records of a change; what its other fields say is not said twice. */
function revisionOf(change: Change): Revision {
  switch (change.kind) {
    case "skip":
      return { kind: "skip", untilBatch: change.untilBatch };
    case "withdraw":
      return { kind: "withdraw", domains: change.domains };
    case "branch":
      return { kind: "branch", parent: change.parent, stages: change.stages };
    default:
      return { kind: change.kind };
  }
}

/**
 * What the schedule decides from a batch on, as requests for stages, and the stage that stops the run. Stages that only say that a domain ran dry
 * are left out unless nothing changes: where it does is found again, because after a change it is elsewhere.
 */
function decidedFrom(
  schedule: Schedule,
  k: number,
  unchanged: boolean,
): { readonly requests: readonly StageRequest[]; readonly stop: WeightStage | null } {
  const { header } = schedule;
  const requests: StageRequest[] = [];
  for (const { stage } of stagesInForce(schedule.stages)) {
    const { cause, fromBatch, untilBatch } = stage;
    const whole = fromBatch >= k;
    if (untilBatch !== null && untilBatch <= k) continue;
    if (cause.kind === "stop" && (unchanged || exhaustedBy(cause).length === 0))
      return { requests, stop: stage };
    if (!unchanged && requests.length > 0 && (cause.kind === "stop" || cause.kind === "exhausted")) {
      if (cause.kind === "stop" && header.policy.kind === "loss-driven")
        throw new HeadraceError(
          "ERR_SCHEDULE",
          `the run stops at batch ${fromBatch}, and how long its last weights were to hold is not known; change it before it is decided`,
        );
      requests.push({ ...requests.pop()!, untilBatch: untilBatch ?? header.batches });
      continue;
    }
    requests.push({
      fromBatch: Math.max(fromBatch, k),
      untilBatch,
      weights: weightsIn(schedule, stage),
      ...(whole ? causeOf(stage) : { cause: { kind: "continued" } }),
      batchRows: batchRowsOf(header, stage),
    });
  }
  return { requests, stop: null };
}

/** Rows that are to be passed over later are named by the batches that would hold them; a change before would make them others. */
function requireNoLaterSkip(requests: readonly StageRequest[], change: Change): void {
  const later = requests.slice(1).find(({ skipped }) => skipped !== undefined);
  if (later === undefined || change.kind === "branch") return;
  throw new HeadraceError(
    "ERR_SCHEDULE",
    `a change from batch ${change.fromBatch} on would make the rows others that are passed over at batch ${later.fromBatch}; make changes in the order of batches, or a branch before both`,
  );
}

function causeOf({ cause, measuredAt, lag, skipped }: WeightStage): Pick<StageRequest, "cause"> {
  return {
    cause,
    ...(measuredAt === undefined ? {} : { measuredAt }),
    ...(lag === undefined ? {} : { lag }),
    ...(skipped === undefined ? {} : { skipped }),
  };
}

function weightsIn({ header }: Schedule, { weights }: WeightStage): DomainWeights {
  return domainWeights(Object.fromEntries(header.domains.map(({ name }, i) => [name, weights[i]! / PARTS])));
}

/** Rows of each domain in the batches [from, until) as decided; what other stages pass over between them is not counted. */
export function rowsBetween(schedule: Schedule, from: number, until: number): number[] {
  const plan = openPlan(schedule);
  const rows = schedule.header.domains.map(() => 0);
  for (const { stage } of stagesInForce(schedule.stages)) {
    const [first, end] = [Math.max(from, stage.fromBatch), Math.min(until, stage.untilBatch ?? until)];
    if (first >= end) continue;
    const before = plan.firstOrdinals(first);
    plan.served(end).forEach((after, i) => {
      rows[i]! += after - before[i]!;
    });
  }
  return rows;
}

function requireChange(schedule: Schedule, change: Change): void {
  const { fromBatch } = change;
  const end = decidedEnd(schedule).batch;
  const refuse = (problem: string) => new HeadraceError("ERR_ARGUMENT", problem);
  if (!Number.isSafeInteger(fromBatch) || fromBatch < 0)
    throw refuse(`batch ${fromBatch} does not exist; batches are whole numbers from 0`);
  const known = schedule.header.domains.map(({ name }) => name as string);
  const stranger = change.kind === "withdraw" && change.domains.find((name) => !known.includes(name));
  if (stranger || (change.kind === "withdraw" && change.domains.length === 0))
    throw new HeadraceError(
      "ERR_DOMAIN",
      `${stranger ? `"${stranger}"` : "no domain"} is to be withdrawn; the schedule has ${known.join(", ")}`,
    );
  if (change.kind === "skip" && !(Number.isSafeInteger(change.untilBatch) && change.untilBatch > fromBatch))
    throw refuse(
      `batches ${fromBatch} to ${change.untilBatch} are to be passed over; a range ends after it begins`,
    );
  if (change.kind === "skip" && change.rows === undefined && change.untilBatch > end)
    throw new HeadraceError(
      "ERR_SCHEDULE",
      `batches ${fromBatch} to ${change.untilBatch} are to be passed over, the schedule decides ${end}; pass over those, and the others once they are decided`,
    );
  if (
    change.kind === "batch" &&
    !(Number.isSafeInteger(change.batchRows) && change.batchRows >= 1 && change.batchRows <= 2 ** 20)
  )
    throw refuse(`a batch of ${change.batchRows} rows; it has 1 to ${2 ** 20}`);
}

/** What a change of a run folder is told beside the change. */
export interface ReviseOptions {
  /** Why, for people; recorded. */
  readonly note?: string;
  /** Data-parallel size and rows of a step, to be checked against the batches of the change before it is recorded. */
  readonly world?: number;
  readonly microBatch?: number;
  /** How long to wait for another caller, default 60. */
  readonly waitSeconds?: number;
}

/**
 * Changes a run folder that nobody is training: the stages are appended to `schedule.json` in one atomic act. Returns the longer schedule.
 * Throws ERR_SCHEDULE when the change would reach a batch of the served log, ERR_WORLD, ERR_LOCKED, and as `reviseSchedule`.
 */
export async function reviseRun(run: string, change: Change, options: ReviseOptions = {}): Promise<Schedule> {
  const paths = runPaths(run);
  const training = await acquireLock(paths.trainLock);
  try {
    return await withLock(paths.scheduleLock, options.waitSeconds ?? 60, async () => {
      const schedule = await readSchedule(paths.schedule);
      const acknowledged = readServedLog(paths.served).hashes.size;
      if (change.fromBatch < acknowledged)
        throw new HeadraceError(
          "ERR_SCHEDULE",
          `batch ${change.fromBatch} was served: ${acknowledged} batches are acknowledged; begin at ${acknowledged}, or make a branch: headrace branch ${run}@${change.fromBatch} --out NEW`,
        );
      // Parsed as a reader will: what is written is checked.
      const longer = parseSchedule(reviseSchedule(schedule, change, options.note));
      requireShared(longer, schedule.stages.length, options);
      await writeSchedule(paths.schedule, longer);
      return longer;
    });
  } finally {
    training.release();
  }
}

/** Throws ERR_WORLD when a batch of a new stage cannot be shared out over the world that is given. */
function requireShared(
  { header, stages }: Schedule,
  known: number,
  { world, microBatch }: ReviseOptions,
): void {
  if (world === undefined) return;
  for (const rows of new Set(stages.slice(known).map((stage) => batchRowsOf(header, stage)))) {
    const step = microBatch ?? rows / world;
    rankPositions({ world, rank: 0, microBatch: step, accumulation: rows / (world * step) }, rows);
  }
}
