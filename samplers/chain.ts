/**
 * How one stage follows from the others: where it begins, the rows and deficits that it starts from, and its link in the hash chain.
 * The check of a stage from outside names it, what it holds and what was expected; losses behind the weights are not recomputed.
 */
import { HeadraceError } from "../core/errors.ts";
import { chainHash, hashOf } from "../core/hash.ts";
import { rowLimits } from "./exhaustion.ts";
import { requireRows, type ScheduleHeader } from "./header.ts";
import { type MixtureState, mixtureCursor, PARTS, settle } from "./mixture.ts";
import {
  batchRowsOf,
  cutBefore,
  type Schedule,
  type StageCause,
  tokensBefore,
  type WeightStage,
  withdrawnBy,
  withdrawnDomains,
} from "./stage.ts";

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

/** The state where a list of stages ends, before any settling; rows passed over by what comes next are not in it. */
export function stateAtEnd({ header, stages }: Schedule): MixtureState {
  const last = stages.at(-1);
  if (last === undefined)
    return {
      served: new Float64Array(header.domains.length),
      deficits: new Float64Array(header.domains.length),
    };
  return mixtureCursor(last, batchRowsOf(header, last)).before(last.untilBatch ?? last.fromBatch);
}

/** The hash of the last of `stages`, or of the header. */
export function chainEnd(header: ScheduleHeader, stages: readonly WeightStage[]): string {
  return stages.at(-1)?.hash ?? hashOf(header);
}

/** A stage with its link in the chain, to be appended to `stages`. */
export function sealed(
  header: ScheduleHeader,
  stages: readonly WeightStage[],
  stage: Omit<WeightStage, "hash">,
): WeightStage {
  return { ...stage, hash: chainHash(chainEnd(header, stages), stage) };
}

/** Checks stage `index` of a schedule against those before it. Throws ERR_SCHEDULE and, for a weighted domain without rows, ERR_DOMAIN. */
export function checkStage(schedule: Schedule, index: number, at: string): void {
  const stage = schedule.stages[index]!;
  const before = { header: schedule.header, stages: schedule.stages.slice(0, index) };
  const subject = `${at} stage ${index} (from batch ${stage.fromBatch})`;
  if (stage.revises === undefined) checkPlace(schedule, index, subject);
  else checkRevision(before, stage, subject);
  checkEnd(before, stage, subject);
  checkWeights(before, stage, subject);
  checkHash(before, stage, subject);
  checkState(stage.revises === undefined ? before : cutBefore(before, stage.fromBatch), stage, subject);
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
}

/** A stage that revises begins inside what is decided, or where it ends. */
function checkRevision(before: Schedule, stage: WeightStage, subject: string): void {
  const { batch, final } = decidedEnd(before);
  if (stage.fromBatch > batch || (final && stage.fromBatch === batch))
    fail(subject, `revises the plan from there; the stages before it decide ${batch} batches`);
}

function checkEnd({ header }: Schedule, stage: WeightStage, subject: string): void {
  const until = stage.untilBatch ?? header.batches ?? Number.POSITIVE_INFINITY;
  if (until <= stage.fromBatch && stage.cause.kind !== "stop")
    fail(subject, `ends at batch ${until}, before it begins`);
  if (until > (header.batches ?? until))
    fail(subject, `ends at batch ${until}; the run ends at ${header.batches}`);
}

function checkWeights({ header, stages }: Schedule, stage: WeightStage, subject: string): void {
  const count = header.domains.length;
  for (const field of ["weights", "served", "carry", "skipped"] as const) {
    const length = stage[field]?.length ?? count;
    if (length !== count)
      fail(subject, `lists ${length} ${field}, expected one for each of ${count} domains`);
  }
  const sum = stage.weights.reduce((total, weight) => total + weight, 0);
  const expected = stage.cause.kind === "stop" ? 0 : PARTS;
  if (sum !== expected)
    fail(subject, `has weights that sum to ${sum}, expected ${expected}: a weight was changed`);
  if (stage.cause.kind === "stop" && stage.untilBatch !== null)
    fail(subject, `stops the run and ends at batch ${stage.untilBatch}, expected null`);
  requireRows(header, stage.weights);
  const earlier =
    stage.revises === undefined ? stages : cutBefore({ header, stages }, stage.fromBatch).stages;
  const withdrawn = [...withdrawnDomains(earlier), ...withdrawnBy(stage)];
  const returned = header.domains.find(({ name }, i) => stage.weights[i]! > 0 && withdrawn.includes(name));
  if (returned) fail(subject, `gives weight to domain "${returned.name}", which was withdrawn`);
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
  const fromTokens = tokensBefore(header, before.stages.at(-1), stage.fromBatch);
  if (stage.fromTokens !== fromTokens)
    fail(subject, `has fromTokens ${stage.fromTokens}, expected ${fromTokens}`);
  const { served, deficits } = stateAtEnd(before);
  const passed = stage.skipped;
  same(
    subject,
    "served",
    stage.served,
    Array.from(served, (rows, i) => rows + (passed?.[i] ?? 0)),
    header,
  );
  same(subject, "carry", stage.carry, settle(deficits, stage.weights), header);

  const until = stage.untilBatch ?? header.batches;
  if (until === null || stage.cause.kind === "stop") return;
  const given = mixtureCursor(stage, batchRowsOf(header, stage)).before(until).served;
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
