/**
 * Random runs for laws: small enough that epochs end and rows run out, and the schedules that they lead to.
 */
import fc from "fast-check";
import { domainName, domainWeights } from "../../core/domain.ts";
import {
  appendStage,
  createSchedule,
  decidedEnd,
  type Exhaustion,
  type Schedule,
} from "../../samplers/index.ts";
import { makeHeader } from "../samplers/making.ts";

/** Runs of one to five stages over two to six domains, small enough that epochs end and rows run out. */
export const runs = fc.integer({ min: 2, max: 6 }).chain((count) =>
  fc.record({
    seed: fc.nat(),
    batchRows: fc.integer({ min: 1, max: 40 }),
    tokens: fc.array(fc.integer({ min: 4, max: 1500 }), { minLength: count, maxLength: count }),
    policy: fc.constantFrom<Exhaustion["policy"]>("repeat", "redistribute", "stop"),
    epochs: fc.option(fc.integer({ min: 1, max: 3 }), { nil: null }),
    stages: fc.array(
      fc.record({
        batches: fc.integer({ min: 1, max: 12 }),
        weights: fc
          .array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 100 }), fc.constant(1)), {
            minLength: count,
            maxLength: count,
          })
          .filter((weights) => weights.some((weight) => weight > 0)),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  }),
);
/** One of `runs`. */
export type Run = typeof runs extends fc.Arbitrary<infer T> ? T : never;

/** The schedule after each of the run's stages; a run that stops takes no more. */
export function schedulesOf({ seed, batchRows, tokens, policy, epochs, stages }: Run): Schedule[] {
  const names = tokens.map((_, i) => domainName(`d${i}`));
  const schedules = [createSchedule(makeHeader(tokens, { seed, batchRows, exhaustion: { policy, epochs } }))];
  for (const { batches, weights } of stages) {
    const schedule = schedules.at(-1)!;
    const { batch: fromBatch, final } = decidedEnd(schedule);
    if (final) break;
    const sum = weights.reduce((total, weight) => total + weight, 0);
    schedules.push(
      appendStage(schedule, {
        fromBatch,
        untilBatch: fromBatch + batches,
        weights: domainWeights(Object.fromEntries(names.map((name, i) => [name, weights[i]! / sum]))),
        cause: { kind: "initial" },
      }),
    );
  }
  return schedules;
}
