/**
 * What a run came to, read back from its folder.
 */
import {
  decidedEnd,
  listReports,
  meanLosses,
  openPlan,
  PARTS,
  type RunPaths,
  readReport,
  type Schedule,
  scheduleState,
} from "../samplers/index.ts";

/** Weights of one stage and the losses measured at its end, by domain. */
export interface StageReport {
  readonly fromBatch: number;
  readonly untilBatch: number | null;
  readonly cause: string;
  readonly measuredAt: number | null;
  readonly weights: Readonly<Record<string, number>>;
  /** Guard rails that acted, as recorded. */
  readonly rails: readonly unknown[];
}

/** What a run came to. Everything but the last four can be computed again from the run folder. */
export interface TrainReport {
  readonly run: string;
  readonly shards: string;
  readonly policy: string;
  readonly trainer: string;
  readonly batches: number;
  readonly tokens: number;
  readonly stages: readonly StageReport[];
  /** Mean nats a token by domain, in order of measurement. */
  readonly losses: readonly {
    readonly measuredAt: number;
    readonly domains: Readonly<Record<string, number>>;
  }[];
  /** Rows served by domain over all rows served. */
  readonly shares: Readonly<Record<string, number>>;
  readonly scheduleHash: string;
  /** SHA-256 of served.log. */
  readonly servedHash: string;
  readonly warnings: readonly string[];
  readonly finished: boolean;
  readonly resumedAt: number | null;
  readonly seconds: number;
  /** Of the batches trained on by this call, those trained on again included. */
  readonly tokensPerSecond: number;
}

/** The part of a report that the run folder alone tells. */
export async function describeRun(paths: RunPaths, schedule: Schedule, batches: number) {
  const { header, stages } = schedule;
  const names = header.domains.map(({ name }) => name);
  const byName = (values: ArrayLike<number>, unit: number) =>
    Object.fromEntries(names.map((name, i) => [name, values[i]! / unit]));
  const plan = openPlan(schedule);
  const passed = plan.skipped(batches);
  const given = plan.served(batches).map((rows, i) => rows - passed[i]!);
  const losses = [];
  for (const measuredAt of await listReports(paths.folder)) {
    const { domains } = await readReport(paths.folder, measuredAt, names);
    losses.push({ measuredAt, domains: meanLosses(domains, Object.keys(domains)) });
  }
  return {
    run: paths.folder,
    policy: header.policy.name,
    batches,
    tokens: plan.tokens(batches),
    stages: stages.map((stage) => ({
      fromBatch: stage.fromBatch,
      untilBatch: stage.untilBatch,
      cause: stage.cause.kind,
      measuredAt: stage.measuredAt ?? null,
      weights: byName(stage.weights, PARTS),
      rails: (stage.cause["rails"] as readonly unknown[] | undefined) ?? [],
    })),
    losses,
    shares: byName(
      given,
      Math.max(
        1,
        given.reduce((sum, rows) => sum + rows, 0),
      ),
    ),
    scheduleHash: scheduleState(schedule).hash,
  };
}

/** Mean losses of the newest report, by domain; empty before the first. */
export async function newestLosses(
  paths: RunPaths,
  { header }: Schedule,
): Promise<Readonly<Record<string, number>>> {
  const newest = (await listReports(paths.folder)).at(-1);
  if (newest === undefined) return {};
  const names = header.domains.map(({ name }) => name);
  const { domains } = await readReport(paths.folder, newest, names);
  return meanLosses(domains, Object.keys(domains));
}

/** Whether a resumed run has nothing left to do: every batch acknowledged and the losses at its end recorded. */
export async function isComplete(
  paths: RunPaths,
  schedule: Schedule,
  acknowledged: number,
): Promise<boolean> {
  return isFinished(schedule, acknowledged) && (await listReports(paths.folder)).includes(acknowledged);
}

/** Whether every batch of a schedule that is decided to its end was acknowledged. */
export function isFinished(schedule: Schedule, acknowledged: number): boolean {
  const end = decidedEnd(schedule);
  return end.final && acknowledged >= end.batch;
}
