/** Schedules for tests: small, with every field in one place. */
import { domainName, domainWeights } from "../../core/domain.ts";
import {
  appendStage,
  createSchedule,
  type Schedule,
  type ScheduleHeader,
  uniformWeights,
} from "../../samplers/index.ts";

/** A header over domains d0, d1, … of the given tokens: rows of 4 tokens, 8 rows a batch, no end, unlimited repeats. */
export function makeHeader(tokens: readonly number[], changes: Partial<ScheduleHeader> = {}): ScheduleHeader {
  const domains = tokens.map((count, i) => ({ name: domainName(`d${i}`), tokens: count }));
  return {
    format: "headrace-schedule/1",
    algorithm: 1,
    seed: 0,
    rowTokens: 4,
    lookahead: 0,
    batchRows: 8,
    batches: null,
    order: "global",
    packing: "concat",
    exhaustion: { policy: "repeat", epochs: null },
    domains,
    shards: "f".repeat(64),
    policy: { kind: "static", name: "uniform", weights: uniformWeights(domains.map(({ name }) => name)) },
    ...changes,
  };
}

/** Weights of d0, d1, … */
export function weigh(...weights: readonly number[]) {
  return domainWeights(Object.fromEntries(weights.map((weight, i) => [`d${i}`, weight])));
}

/** A schedule of stages [until, weights], one after the other. */
export function makeSchedule(
  header: ScheduleHeader,
  ...stages: readonly (readonly [until: number | null, weights: readonly number[]])[]
): Schedule {
  let schedule = createSchedule(header);
  let fromBatch = 0;
  for (const [untilBatch, weights] of stages) {
    schedule = appendStage(schedule, {
      fromBatch,
      untilBatch,
      weights: weigh(...weights),
      cause: { kind: "initial" },
    });
    fromBatch = untilBatch ?? 0;
  }
  return schedule;
}
