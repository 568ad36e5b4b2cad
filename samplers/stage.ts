/**
 * A stage of a schedule as it is recorded, and which stages are in force. Stages are only ever appended; one that `revises` begins inside what is
 * decided and governs from there on, so that the part of earlier stages from its first batch on is no longer in force. It stays on record.
 */
import {
  anything,
  array,
  integer,
  nullable,
  object,
  optional,
  type Parser,
  record,
  string,
} from "../core/parse.ts";
import type { ScheduleHeader } from "./header.ts";
import { PARTS } from "./mixture.ts";

/** Why a stage has its weights. `kind` is `initial`, `scheduled`, `loss`, `exhausted`, `stop`, `continued`, `asked` or what the client calls it. */
export interface StageCause {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** What a stage changes inside the decided part, for people and for checks: `kind` is `skip`, `batch`, `weights`, `withdraw`, `end` or `branch`. */
export interface Revision {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** Weights in force for the batches [fromBatch, untilBatch), and the state that they start from. */
export interface WeightStage {
  readonly fromBatch: number;
  /** null: to the end of the run. */
  readonly untilBatch: number | null;
  /** Tokens of the batches before fromBatch. */
  readonly fromTokens: number;
  /** Parts of 2^24 that sum to 2^24, in domain order; all 0 where the run stops. */
  readonly weights: readonly number[];
  /** Rows given or passed over before fromBatch. */
  readonly served: readonly number[];
  /** Deficits at fromBatch after settling, in 1/2^24 row. */
  readonly carry: readonly number[];
  readonly cause: StageCause;
  /** Batch at which the loss behind the weights was measured. */
  readonly measuredAt?: number;
  /** Batches between that and fromBatch. */
  readonly lag?: number;
  /** Present where the stage begins inside what the stages before it decide. */
  readonly revises?: Revision;
  /** Rows of a global batch; absent: the header's. */
  readonly batchRows?: number;
  /** Rows that each domain passes over between batch fromBatch - 1 and fromBatch: they count in `served` and are in no batch. */
  readonly skipped?: readonly number[];
  /** SHA-256 over the previous hash and this stage. */
  readonly hash: string;
}

/** A header and its stages, as in `schedule.json`. */
export interface Schedule {
  readonly header: ScheduleHeader;
  readonly stages: readonly WeightStage[];
}

/** A stage that governs batches: its place in the schedule, and the stage with `untilBatch` where a later one takes over. */
export interface StageInForce {
  readonly index: number;
  readonly stage: WeightStage;
}

/** The stages that govern a batch, in the order of batches, without gaps. Pure; O(stages). */
export function stagesInForce(stages: readonly WeightStage[]): readonly StageInForce[] {
  const found: StageInForce[] = [];
  for (const [index, stage] of stages.entries()) {
    if (stage.revises !== undefined) cut(found, stage.fromBatch);
    found.push({ index, stage });
  }
  return found;
}

/** The stages in force before batch `k` alone, as a schedule of their own: for what the batches before `k` came to, not for its hashes. */
export function cutBefore({ header, stages }: Schedule, k: number): Schedule {
  const found = [...stagesInForce(stages)];
  cut(found, k);
  return { header, stages: found.map(({ stage }) => stage) };
}

/** The domains that stages in force withdraw: no later stage gives them weight. */
export function withdrawnDomains(stages: readonly WeightStage[]): readonly string[] {
  return stagesInForce(stages).flatMap(({ stage }) => withdrawnBy(stage));
}

/** The domains that a stage withdraws. */
export function withdrawnBy({ revises }: Pick<WeightStage, "revises">): readonly string[] {
  const names = revises?.kind === "withdraw" ? revises["domains"] : [];
  return Array.isArray(names) ? names.map(String) : [];
}

/** Rows of a global batch under a stage. */
export function batchRowsOf(header: ScheduleHeader, stage: WeightStage | undefined): number {
  return stage?.batchRows ?? header.batchRows;
}

/** Tokens of the batches before `k`, of which `previous` governs the last; undefined where there is none. */
export function tokensBefore(header: ScheduleHeader, previous: WeightStage | undefined, k: number): number {
  if (previous === undefined) return k * header.batchRows * header.rowTokens;
  return previous.fromTokens + (k - previous.fromBatch) * batchRowsOf(header, previous) * header.rowTokens;
}

function cut(found: StageInForce[], k: number): void {
  while (found.length > 0 && found.at(-1)!.stage.fromBatch >= k) found.pop();
  const last = found.pop();
  if (last === undefined) return;
  const until = last.stage.untilBatch;
  found.push(until !== null && until <= k ? last : { ...last, stage: { ...last.stage, untilBatch: k } });
}

/** Parses a cause or a revision: an object with a `kind`. Throws ERR_PARSE. */
export const parseKind: Parser<StageCause> = (value, at) => ({
  ...record(anything)(value, at),
  ...object({ kind: string })(value, at),
});

/** Parses the shape of a stage. Throws ERR_PARSE. */
export const parseStage: Parser<WeightStage> = object(
  {
    fromBatch: integer(0),
    untilBatch: nullable(integer(0)),
    fromTokens: integer(0),
    weights: array(integer(0, PARTS)),
    served: array(integer(0)),
    carry: array(integer()),
    cause: parseKind,
    measuredAt: optional(integer(0)),
    lag: optional(integer(0)),
    revises: optional(parseKind),
    batchRows: optional(integer(1, 2 ** 20)),
    skipped: optional(array(integer(0))),
    hash: string,
  },
  { strict: true },
) as Parser<WeightStage>;
