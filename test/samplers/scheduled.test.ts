import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { domainName } from "../../core/domain.ts";
import {
  beginSchedule,
  decidedEnd,
  PARTS,
  parsePolicy,
  parseSchedule,
  resolvePolicy,
  type ScheduledPolicy,
  simulate,
  stretchesOf,
  temperatureWeights,
  unimaxWeights,
} from "../../samplers/index.ts";
import { makeHeader } from "./making.ts";

const batchTokens = 32;
const domains = ["d0", "d1"];
const options = { batchTokens, batches: 1000, everyTokens: 10 * batchTokens };
const resolve = (policy: object, more: object = {}) =>
  resolvePolicy(JSON.stringify(policy), domains, { ...options, ...more }) as ScheduledPolicy;
const a = { d0: 0.75, d1: 0.25 };
const b = { d0: 0.25, d1: 0.75 };

describe("weights at points of a run", () => {
  test("steps hold until the next point; places are tokens or per cent, in any order", () => {
    const policy = resolve({ steps: { "90%": b, 0: a, "6400": b } });
    assert.deepEqual(
      policy.points.map(({ fromBatch, fromTokens }) => [fromBatch, fromTokens]),
      [
        [0, 0],
        [200, 6400],
        [900, 28800],
      ],
    );
    assert.deepEqual(
      stretchesOf(policy, 1000).map(({ fromBatch, untilBatch, weights }) => [
        fromBatch,
        untilBatch,
        weights["d0" as never],
      ]),
      [
        [0, 200, 0.75],
        [200, 900, 0.25],
        [900, null, 0.25],
      ],
    );
    assert.deepEqual(
      stretchesOf(policy, 150).map(({ fromBatch, untilBatch }) => [fromBatch, untilBatch]),
      [[0, null]],
    );
  });
  test("a line has the weights of each step's middle and ends at the last point", () => {
    const policy = resolve({ linear: { 0: a, "10%": b } }, { everyTokens: 4 * batchTokens });
    const stretches = stretchesOf(policy, 1000);
    assert.equal(stretches.length, 26);
    assert.deepEqual(stretches.at(-1), {
      fromBatch: 100,
      untilBatch: null,
      weights: policy.points[1]!.weights,
    });
    for (const { fromBatch, untilBatch, weights } of stretches.slice(0, -1)) {
      assert.equal(untilBatch, fromBatch + 4);
      assert.ok(
        Math.abs((weights["d0" as never] as number) - (0.75 - 0.5 * ((fromBatch + 2) / 100))) < 1e-12,
      );
    }
  });
  test("stretches follow on each other from batch 0 to the end, whatever the points", () => {
    const places = fc.uniqueArray(fc.integer({ min: 1, max: 2000 }), { maxLength: 6 });
    fc.assert(
      fc.property(
        places,
        fc.constantFrom("steps", "linear"),
        fc.integer({ min: 1, max: 300 }),
        fc.option(fc.integer({ min: 1, max: 1500 })),
        (at, name, every, batches) => {
          const points = Object.fromEntries(
            [0, ...at].map((batch, i) => [String(batch * batchTokens), i % 2 ? a : b]),
          );
          const stretches = stretchesOf(
            resolve({ [name]: points }, { everyTokens: every * batchTokens }),
            batches,
          );
          let from = 0;
          for (const [i, { fromBatch, untilBatch }] of stretches.entries()) {
            assert.equal(fromBatch, from);
            assert.equal(untilBatch === null, i === stretches.length - 1);
            if (untilBatch !== null)
              assert.ok(untilBatch > fromBatch && untilBatch < (batches ?? Number.POSITIVE_INFINITY));
            from = untilBatch ?? from;
          }
        },
      ),
    );
  });
  test("a run that begins with them is decided to its end, and its file reads back", () => {
    const policy = resolve({ linear: { 0: a, "50%": b } });
    const header = makeHeader([40_000, 40_000], { batches: 1000, policy });
    const schedule = beginSchedule(header);
    assert.deepEqual(decidedEnd(schedule), { batch: 1000, final: true });
    assert.deepEqual(
      schedule.stages.map(({ cause }) => cause.kind),
      ["initial", ...new Array(50).fill("scheduled")],
    );
    assert.equal(schedule.stages.at(-1)!.weights[0], PARTS / 4);
    assert.deepEqual(parseSchedule(JSON.parse(JSON.stringify(schedule))), schedule);
    assert.deepEqual(parsePolicy(JSON.parse(JSON.stringify(policy)), "policy"), policy);
  });
  test("a domain that runs dry on the way is closed for the stages after", () => {
    const { schedule, domains: supply } = simulate({
      domains: [
        { name: domainName("d0"), tokens: 4000 },
        { name: domainName("d1"), tokens: 40_000 },
      ],
      policy: JSON.stringify({ steps: { 0: a, "90%": a } }),
      tokens: 16_000,
      rowTokens: 4,
      batchRows: 8,
      exhaustion: { policy: "redistribute", epochs: null },
    });
    assert.ok(supply[0]!.rows > 1000 - 8 && supply[0]!.rows <= 1000);
    assert.deepEqual(schedule.stages.at(-1)!.weights, [0, PARTS]);
    assert.ok(decidedEnd(schedule).final);
  });
  for (const [what, policy, error] of [
    [
      "no point at 0",
      { steps: { "10%": a } },
      { code: "ERR_ARGUMENT", message: /first point at 10%; give weights for 0/ },
    ],
    [
      "two points in a batch",
      { steps: { 0: a, 31: b } },
      { code: "ERR_ARGUMENT", message: /points at 0 and 31, both in batch 0/ },
    ],
    [
      "a place that is none",
      { linear: { 0: a, soon: b } },
      { code: "ERR_ARGUMENT", message: /is at "soon"; write tokens/ },
    ],
    [
      "a missing domain",
      { steps: { 0: { d0: 1 } } },
      { code: "ERR_WEIGHTS", message: /point at 0 has no weight for domain "d1"/ },
    ],
    ["weights that do not sum to 1", { steps: { 0: { d0: 1, d1: 1 } } }, { code: "ERR_WEIGHTS" }],
  ] as const)
    test(`refuses ${what}`, () => assert.throws(() => resolve(policy), error));
  test("refuses a per cent of a run without an end", () => {
    const { batches: _, ...open } = options;
    assert.throws(() => resolvePolicy(JSON.stringify({ steps: { 0: a, "90%": b } }), domains, open), {
      code: "ERR_ARGUMENT",
      message: /at 90% of a run without an end/,
    });
  });
});

describe("weights that follow the supply", () => {
  const supply = [100, 10_000, 0, 900].map((tokens, i) => ({ name: domainName(`d${i}`), tokens }));
  const values = (weights: object) => Object.values(weights) as number[];
  const close = (seen: readonly number[], expected: readonly number[]) =>
    assert.ok(
      seen.every((value, i) => Math.abs(value - expected[i]!) < 1e-12),
      `${seen} against ${expected}`,
    );

  test("temperature 1 is the corpus, 2 its square roots", () => {
    close(values(temperatureWeights(supply, 1)), [100 / 11_000, 10_000 / 11_000, 0, 900 / 11_000]);
    close(values(temperatureWeights(supply, 2)), [10 / 140, 100 / 140, 0, 30 / 140]);
    assert.throws(() => temperatureWeights(supply, 0.5), { code: "ERR_ARGUMENT" });
  });
  test("UniMax gives small domains their cap and shares the rest evenly", () => {
    close(values(unimaxWeights(supply, 2, 4000)), [200 / 4000, 2000 / 4000, 0, 1800 / 4000]);
    close(values(unimaxWeights(supply, 1, 1e6)), [100 / 11_000, 10_000 / 11_000, 0, 900 / 11_000]);
    assert.throws(() => unimaxWeights(supply, 0, 4000), { code: "ERR_ARGUMENT" });
  });
  test("UniMax is the one level to which every domain is filled (water-filling)", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 1e7 }),
        (counts, epochs, tokens) => {
          const weights = values(
            unimaxWeights(
              counts.map((count, i) => ({ name: domainName(`d${i}`), tokens: count })),
              epochs,
              tokens,
            ),
          );
          let [low, high] = [0, tokens];
          const filled = (level: number) =>
            counts.reduce((sum, count) => sum + Math.min(level, count * epochs), 0);
          for (let i = 0; i < 200; i++) {
            const level = (low + high) / 2;
            if (filled(level) < tokens) low = level;
            else high = level;
          }
          const total = filled(high);
          for (const [i, count] of counts.entries())
            assert.ok(Math.abs(weights[i]! - Math.min(high, count * epochs) / total) < 1e-9);
        },
      ),
    );
  });
  test("have names, and say what they miss", () => {
    const of = (name: string) => resolvePolicy(name, ["d0", "d1"], { ...options, supply });
    assert.deepEqual(of("proportional").kind === "static" && of("proportional").name, "proportional");
    const { batches: _, ...open } = { ...options, supply };
    assert.throws(() => resolvePolicy("unimax=4", ["d0"], open), { message: /needs the length of the run/ });
    assert.throws(() => resolvePolicy("temperature=3", ["d0"], options), { message: /none are given/ });
    assert.throws(() => of("temperature=x"), { code: "ERR_ARGUMENT", message: /the temperature is NaN/ });
    assert.throws(() => of("unimax"), { code: "ERR_ARGUMENT", message: /no policy is called "unimax"/ });
  });
});
