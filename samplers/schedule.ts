/**
 * The record that batches are a pure function of (docs/format.md 3): a header, then stages of weights, append-only and chained by hash.
 * Everything beyond the weights (rows served, deficits) follows from the earlier stages. A recorded stage is never replaced:
 * a deliberate rewind is a new schedule.
 */
import { type DomainName, type DomainWeights, domainWeights } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { chainEnd, decidedEnd, exhaustedBy, sealed, stateAtEnd } from "./chain.ts";
import { firstExhaustion, rowLimits, withoutDomains } from "./exhaustion.ts";
import { parseHeader, requireReachable, requireRows, type ScheduleHeader } from "./header.ts";
import { integerWeights, type MixtureState, mixtureCursor, settle } from "./mixture.ts";
import {
  batchRowsOf,
  cutBefore,
  type Revision,
  type Schedule,
  type StageCause,
  stagesInForce,
  tokensBefore,
  type WeightStage,
} from "./stage.ts";

export { decidedEnd } from "./chain.ts";
export type { ScheduleDomain, ScheduleHeader } from "./header.ts";
export type { Revision, Schedule, StageCause, WeightStage } from "./stage.ts";

/** How far a schedule is known: its number of stages and the hash of the last (of the header where there is none). */
export interface ScheduleState {
  readonly stages: number;
  readonly hash: string;
}

/** What a new stage needs to be told. */
export interface StageRequest {
  /** Where the last stage ends, 0 for the first; with `revises` a decided batch. */
  readonly fromBatch: number;
  /** null: to the end of the run; nothing can be appended after it. */
  readonly untilBatch: number | null;
  readonly weights: DomainWeights;
  readonly cause: StageCause;
  readonly measuredAt?: number;
  readonly lag?: number;
  /** What is changed, where the stage begins inside the decided part. */
  readonly revises?: Revision;
  /** Rows of a global batch; default those of the stage before. */
  readonly batchRows?: number;
  /** Rows of each domain, in domain order, that are passed over before fromBatch; default none. */
  readonly skipped?: readonly number[];
}

/**
 * A schedule without stages. Throws ERR_PARSE on a header out of range, ERR_DOMAIN on repeated domains and where the policy
 * would give weight to a domain without a row later, at an update.
 */
export function createSchedule(header: ScheduleHeader): Schedule {
  const parsed = parseHeader(header, "header");
  requireReachable(parsed);
  return { header: parsed, stages: [] };
}

/**
 * The schedule with one more stage, or with several where domains run out of rows before `untilBatch` (exhaustion.ts). Pure;
 * O(K log batches), or O(K batches) where a weight below one row a batch makes the mixture walk. Throws ERR_SCHEDULE when the stage
 * does not follow the last, ERR_DOMAIN when a weighted domain has no row, ERR_EXHAUSTED when rows run out under `error`.
 */
export function appendStage(schedule: Schedule, request: StageRequest): Schedule {
  const { header } = schedule;
  const until = untilOf(schedule, request);
  const names = header.domains.map(({ name }) => name);
  domainWeights(request.weights, names);
  const asked = integerWeights(names.map((name) => request.weights[name] ?? 0));
  requireRows(header, asked);

  const limits = rowLimits(header.exhaustion, header.domains, header.rowTokens);
  const before = request.revises === undefined ? schedule : cutBefore(schedule, request.fromBatch);
  let previous = before.stages.at(-1);
  const batchRows = request.batchRows ?? batchRowsOf(header, previous);
  const stages = [...schedule.stages];
  const seal = (content: Omit<WeightStage, "hash" | "fromTokens">) => {
    previous = sealed(header, stages, {
      ...content,
      ...(batchRows === header.batchRows ? {} : { batchRows }),
      fromTokens: tokensBefore(header, previous, content.fromBatch),
    });
    stages.push(previous);
  };
  const stopped = (fromBatch: number, served: Float64Array, domains: readonly DomainName[]) => {
    const nothing = header.domains.map(() => 0);
    seal({
      fromBatch,
      untilBatch: null,
      weights: nothing,
      served: Array.from(served),
      carry: nothing,
      cause: { kind: "stop", domains },
      ...(fromBatch === request.fromBatch ? changeOf(request) : {}),
    });
    return { header, stages };
  };
  const gone = new Set<number>();
  // Domains that ran out since the last stage was sealed: the reason for the next one.
  let reason: DomainName[] = [];
  let from = request.fromBatch;
  let state = passedOver(stateAtEnd(before), request.skipped);
  for (;;) {
    const shares = gone.size === 0 ? asked : withoutDomains(asked, gone);
    const weights = shares === asked ? asked : shares && integerWeights(shares);
    if (weights === null) return stopped(from, state.served, reason);

    const draft = {
      fromBatch: from,
      weights,
      served: Array.from(state.served),
      carry: settle(state.deficits, weights),
    };
    const mixture = mixtureCursor(draft, batchRows);
    const found = firstExhaustion(mixture, limits, from, until);
    const end = found?.batch ?? null;
    if (end !== from) {
      const untilBatch = found === null ? request.untilBatch : found.batch;
      seal({ ...draft, untilBatch, ...originOf(request, from, reason) });
      reason = [];
    }
    if (found === null) return { header, stages };

    if (found.batch > from) state = mixture.before(found.batch);
    from = found.batch;
    const dry = found.domains.map((i) => names[i]!);
    if (header.exhaustion.policy === "error")
      throw exhausted(dry, from, tokensBefore(header, previous, from));
    reason.push(...dry);
    if (header.exhaustion.policy === "stop") return stopped(from, state.served, reason);
    for (const i of found.domains) gone.add(i);
  }
}

/** The schedule with the run ended before a batch that it decides, or for the domains that have no more rows there. Pure. Throws ERR_SCHEDULE where it decides no such batch. */
export function endSchedule(
  schedule: Schedule,
  fromBatch: number,
  revises: Revision,
  domains: readonly string[] = [],
): Schedule {
  const { header, stages } = schedule;
  untilOf(schedule, { fromBatch, untilBatch: null, revises });
  const before = cutBefore(schedule, fromBatch);
  const nothing = header.domains.map(() => 0);
  const stop = sealed(header, stages, {
    fromBatch,
    untilBatch: null,
    fromTokens: tokensBefore(header, before.stages.at(-1), fromBatch),
    weights: nothing,
    served: Array.from(stateAtEnd(before).served),
    carry: nothing,
    cause: { kind: "stop", domains },
    revises,
  });
  return { header, stages: [...stages, stop] };
}

/** How far the schedule is known. */
export function scheduleState({ header, stages }: Schedule): ScheduleState {
  return { stages: stages.length, hash: chainEnd(header, stages) };
}

/** Throws ERR_SCHEDULE unless the schedule begins with exactly the stages that `state` knows. */
export function requireExtends(schedule: Schedule, state: ScheduleState): void {
  const { header, stages } = schedule;
  if (stages.length < state.stages)
    throw new HeadraceError(
      "ERR_SCHEDULE",
      `the schedule has ${stages.length} stages and the sampler has seen ${state.stages}; a recorded stage is never taken back: restore it, or begin a new run`,
    );
  const hash = chainEnd(header, stages.slice(0, state.stages));
  if (hash !== state.hash)
    throw new HeadraceError(
      "ERR_SCHEDULE",
      `the schedule does not extend the one in hand: ${state.stages === 0 ? "its header" : `stage ${state.stages - 1}`} has hash ${hash}, expected ${state.hash}; it belongs to another run or was changed`,
    );
}

/** The names of the domains that the stages in force closed because they had given all their rows. */
export function exhaustedDomains({ stages }: Schedule): string[] {
  return [...new Set(stagesInForce(stages).flatMap(({ stage }) => exhaustedBy(stage.cause)))];
}

/** Where the requested stage ends, Infinity for a run without an end. Throws ERR_SCHEDULE when it does not follow the last stage. */
function untilOf(
  schedule: Schedule,
  { fromBatch, untilBatch, revises }: Pick<StageRequest, "fromBatch" | "untilBatch" | "revises">,
): number {
  const { header, stages } = schedule;
  const { batch, final } = decidedEnd(schedule);
  const refuse = (problem: string) =>
    new HeadraceError("ERR_SCHEDULE", `a stage from batch ${fromBatch} ${problem}`);
  const last = final ? batch - 1 : batch;
  if (revises !== undefined && !(Number.isSafeInteger(fromBatch) && fromBatch >= 0 && fromBatch <= last))
    throw refuse(`revises nothing: the schedule decides ${batch} batches; begin it inside them`);
  if (revises === undefined && final)
    throw refuse(`cannot be appended: the schedule is decided to the end of the run, batch ${batch}`);
  if (revises === undefined && fromBatch !== batch)
    throw refuse(
      stages.length === 0
        ? "is the first; it begins at batch 0"
        : `does not follow stage ${stages.length - 1}; the next stage begins at batch ${batch}`,
    );
  const until = untilBatch ?? header.batches ?? Number.POSITIVE_INFINITY;
  if (until <= fromBatch) throw refuse(`until batch ${until} is empty; it governs at least one batch`);
  if (until > (header.batches ?? until))
    throw refuse(`until batch ${until} passes the end of the run, batch ${header.batches}; end it there`);
  return until;
}

/** Cause and measurement of a stage: the request's where it begins, the exhaustion after a split. */
function originOf(request: StageRequest, from: number, gone: readonly DomainName[]) {
  if (from !== request.fromBatch) return { cause: { kind: "exhausted", domains: gone } };
  const { cause, measuredAt, lag } = request;
  return {
    cause: gone.length === 0 ? cause : { ...cause, exhausted: gone },
    ...(measuredAt === undefined ? {} : { measuredAt }),
    ...(lag === undefined ? {} : { lag }),
    ...changeOf(request),
  };
}

/** What the stage at the request's first batch says about a change; nothing for a stage that only goes on. */
function changeOf({ revises, skipped }: StageRequest): Pick<WeightStage, "revises" | "skipped"> {
  return { ...(revises === undefined ? {} : { revises }), ...(skipped === undefined ? {} : { skipped }) };
}

function passedOver({ served, deficits }: MixtureState, skipped: readonly number[] = []): MixtureState {
  return { served: served.map((rows, i) => rows + (skipped[i] ?? 0)), deficits };
}

function exhausted(names: readonly string[], batch: number, tokens: number): HeadraceError {
  return new HeadraceError(
    "ERR_EXHAUSTED",
    `${names.join(" and ")} would run out of rows in batch ${batch} (at ${tokens} tokens); lower the weight, end the run before that batch, or choose exhaustion repeat, redistribute or stop`,
  );
}
