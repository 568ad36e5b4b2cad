/**
 * How one stage follows from the others: where it begins, the rows and deficits that it starts from, and its link in the hash chain.
 * The check of a stage from outside names it, what it holds and what was expected; losses behind the weights are not recomputed.
 */
import { HeadraceError } from "../core/errors.ts";
import { chainHash, hashOf } from "../core/hash.ts";
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
import { rowLimits } from "./exhaustion.ts";
import { requireRows, type ScheduleHeader } from "./header.ts";
import { type MixtureState, mixtureCursor, PARTS, settle } from "./mixture.ts";

/** Why a stage has its weights. `kind` is `initial`, `scheduled`, `loss`, `exhausted`, `stop` or what the client calls it. */
export interface StageCause {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** Weights in force for the batches [fromBatch, untilBatch), and the state that they start from. */
export interface WeightStage {
  readonly fromBatch: number;
  /** null: to the end of the run. */
  readonly untilBatch: number | null;
  /** fromBatch x rows x row tokens. */
  readonly fromTokens: number;
  /** Parts of 2^24 that sum to 2^24, in domain order; all 0 where the run stops. */
  readonly weights: readonly number[];
  /** Rows given before fromBatch. */
  readonly served: readonly number[];
  /** Deficits at fromBatch after settling, in 1/2^24 row. */
  readonly carry: readonly number[];
  readonly cause: StageCause;
  /** Batch at which the loss behind the weights was measured. */
  readonly measuredAt?: number;
  /** Batches between that and fromBatch. */
  readonly lag?: number;
  /** SHA-256 over the previous hash and this stage. */
  readonly hash: string;
}

/** A header and its stages, as in `schedule.json`. */
export interface Schedule {
  readonly header: ScheduleHeader;
  readonly stages: readonly WeightStage[];
}

/** First batch that no stage governs, Infinity for a run without an end; `final` when the run ends there. */
export function decidedEnd({ header, stages }: Schedule): {
  readonly batch: number;
  readonly final: boolean;
} {
  const last = stages.at(-1);
  if (last === undefined) return { batch: 0, final: header.batches === 0 };
  if (last.cause.kind === "stop") return { batch: last.fromBatch, final: true };
  if (last.untilBatch === null) return { batch: header.batches ?? Number.POSITIVE_INFINITY, final: true };
  return { batch: last.untilBatch, final: last.untilBatch === header.batches };
}

/** The domains that a cause says have given all their rows. */
export function exhaustedBy(cause: StageCause): readonly string[] {
  const names = cause["domains"] ?? cause["exhausted"];
  return Array.isArray(names) ? names.map(String) : [];
}

/** The state before batch `decidedEnd`, before any settling. */
export function stateAtEnd(schedule: Schedule): MixtureState {
  const { header, stages } = schedule;
  const last = stages.at(-1);
  if (last === undefined)
    return {
      served: new Float64Array(header.domains.length),
      deficits: new Float64Array(header.domains.length),
    };
  return mixtureCursor(last, header.batchRows).before(last.untilBatch ?? last.fromBatch);
}

/** The hash of the last of `stages`, or of the header. */
export function chainEnd(header: ScheduleHeader, stages: readonly WeightStage[]): string {
  return stages.at(-1)?.hash ?? hashOf(header);
}

/** A stage with its token position and its link in the chain. */
export function sealed(
  header: ScheduleHeader,
  stages: readonly WeightStage[],
  content: Omit<WeightStage, "hash" | "fromTokens">,
): WeightStage {
  const stage = { ...content, fromTokens: content.fromBatch * header.batchRows * header.rowTokens };
  return { ...stage, hash: chainHash(chainEnd(header, stages), stage) };
}

const parseCause: Parser<StageCause> = (value, at) => ({
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
    cause: parseCause,
    measuredAt: optional(integer(0)),
    lag: optional(integer(0)),
    hash: string,
  },
  { strict: true },
) as Parser<WeightStage>;

/** Checks stage `index` of a schedule against those before it. Throws ERR_SCHEDULE and, for a weighted domain without rows, ERR_DOMAIN. */
export function checkStage(schedule: Schedule, index: number, at: string): void {
  const stage = schedule.stages[index]!;
  const before = { header: schedule.header, stages: schedule.stages.slice(0, index) };
  const subject = `${at} stage ${index} (from batch ${stage.fromBatch})`;
  checkPlace(schedule, index, subject);
  checkWeights(before, stage, subject);
  checkHash(before, stage, subject);
  checkState(before, stage, subject);
}

function checkPlace({ header, stages }: Schedule, index: number, subject: string): void {
  const stage = stages[index]!;
  const { batch, final } = decidedEnd({ header, stages: stages.slice(0, index) });
  if (final) fail(subject, `follows stage ${index - 1}, which decides the run to its end at batch ${batch}`);
  if (stage.fromBatch !== batch) {
    const place = stages.findIndex(({ fromBatch }, other) => other > index && fromBatch === batch);
    const why = place < 0 ? "a stage is missing" : `stage ${place} begins there: the stages are out of order`;
    const where = index === 0 ? "at batch 0" : `where stage ${index - 1} ends, at batch ${batch}`;
    fail(subject, `does not begin ${where}; ${why}`);
  }
  const until = stage.untilBatch ?? header.batches ?? Number.POSITIVE_INFINITY;
  if (until <= stage.fromBatch && stage.cause.kind !== "stop")
    fail(subject, `ends at batch ${until}, before it begins`);
  if (until > (header.batches ?? until))
    fail(subject, `ends at batch ${until}; the run ends at ${header.batches}`);
}

function checkWeights({ header }: Schedule, stage: WeightStage, subject: string): void {
  const count = header.domains.length;
  for (const field of ["weights", "served", "carry"] as const)
    if (stage[field].length !== count)
      fail(subject, `lists ${stage[field].length} ${field}, expected one for each of ${count} domains`);
  const sum = stage.weights.reduce((total, weight) => total + weight, 0);
  const expected = stage.cause.kind === "stop" ? 0 : PARTS;
  if (sum !== expected)
    fail(subject, `has weights that sum to ${sum}, expected ${expected}: a weight was changed`);
  if (stage.cause.kind === "stop" && stage.untilBatch !== null)
    fail(subject, `stops the run and ends at batch ${stage.untilBatch}, expected null`);
  requireRows(header, stage.weights);
}

function checkHash({ header, stages }: Schedule, stage: WeightStage, subject: string): void {
  const { hash, ...content } = stage;
  const expected = chainHash(chainEnd(header, stages), content);
  if (hash !== expected)
    fail(
      subject,
      `has hash ${hash}, expected ${expected} from what it holds and what comes before it: it, the header or an earlier stage was changed after it was recorded`,
    );
}

function checkState(before: Schedule, stage: WeightStage, subject: string): void {
  const { header } = before;
  const fromTokens = stage.fromBatch * header.batchRows * header.rowTokens;
  if (stage.fromTokens !== fromTokens)
    fail(subject, `has fromTokens ${stage.fromTokens}, expected ${fromTokens}`);
  const { served, deficits } = stateAtEnd(before);
  same(subject, "served", stage.served, Array.from(served), header);
  same(subject, "carry", stage.carry, settle(deficits, stage.weights), header);

  const until = stage.untilBatch ?? header.batches;
  if (until === null || stage.cause.kind === "stop") return;
  const given = mixtureCursor(stage, header.batchRows).before(until).served;
  rowLimits(header.exhaustion, header.domains, header.rowTokens).forEach((limit, i) => {
    if (given[i]! > limit)
      fail(
        subject,
        `gives ${given[i]} rows of domain "${header.domains[i]!.name}" by batch ${until}, expected at most ${limit} under exhaustion ${header.exhaustion.policy}`,
      );
  });
}

function same(
  subject: string,
  field: string,
  seen: readonly number[],
  expected: readonly number[],
  { domains }: Schedule["header"],
): void {
  const i = seen.findIndex((value, index) => value !== expected[index]);
  if (i >= 0)
    fail(
      subject,
      `has ${field} ${seen[i]} for domain "${domains[i]!.name}", expected ${expected[i]} from the stages before it`,
    );
}

function fail(subject: string, problem: string): never {
  throw new HeadraceError("ERR_SCHEDULE", `${subject} ${problem}; restore the schedule that the run wrote`);
}
