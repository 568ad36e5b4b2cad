import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { keyOf, offsetOf } from "../../core/random.ts";
import { createSchedule, openPlan, permutation, rankPositions } from "../../samplers/index.ts";
import { makeHeader, makeSchedule } from "./making.ts";

const header = makeHeader([403, 83, 20], { seed: 9, batches: 60 });
const schedule = makeSchedule(header, [20, [0.5, 0.3, 0.2]], [50, [0.25, 0.25, 0.5]]);

describe("openPlan", () => {
  test("lays a batch out as docs/format.md says, row by row", () => {
    const plan = openPlan(schedule);
    for (const k of [0, 19, 20, 49]) {
      const served = plan.served(k);
      const slots = [...plan.counts(k)].flatMap((count, domain) =>
        Array.from({ length: count }, (_, j) => ({ domain, j })),
      );
      const order = permutation(8, keyOf("batch", 9, k));
      const expected = Array.from({ length: 8 }, (_, position) => {
        const { domain, j } = slots[order.at(position)]!;
        const { name, tokens } = header.domains[domain]!;
        const perEpoch = Math.floor(tokens / 4);
        const ordinal = served[domain]! + j;
        const epoch = Math.floor(ordinal / perEpoch);
        const key = keyOf("order", 9, name, epoch);
        const row = permutation(perEpoch, key).at(ordinal % perEpoch);
        return { domain, epoch, row, start: (offsetOf(key, tokens) + row * 4) % tokens };
      });
      const { batch, stage, domains, epochs, rows, starts } = plan.batch(k);
      assert.deepEqual({ batch, stage }, { batch: k, stage: k < 20 ? 0 : 1 });
      assert.deepEqual(
        Array.from({ length: 8 }, (_, p) => ({
          domain: domains[p],
          epoch: epochs[p],
          row: rows[p],
          start: starts[p],
        })),
        expected,
      );
    }
  });
  test("says how many rows each domain has before and in a batch", () => {
    const plan = openPlan(schedule);
    assert.deepEqual([...plan.served(0)], [0, 0, 0]);
    assert.deepEqual([...plan.counts(0)], [4, 2, 2]);
    assert.deepEqual([...plan.served(20)], [80, 48, 32]);
    assert.deepEqual([...plan.served(50)], [140, 108, 152]);
  });
  test("gives the rows at some positions, in the order of asking", () => {
    const plan = openPlan(schedule);
    const whole = plan.batch(31);
    const positions = Uint32Array.of(7, 0, 3, 3);
    const part = plan.batch(31, positions);
    for (const list of ["domains", "epochs", "rows", "starts"] as const)
      assert.deepEqual(
        [...part[list]],
        [...positions].map((position) => whole[list][position]),
      );
  });
  test("refuses a batch that is not decided, says how far the schedule goes, and knows whether that is the end", () => {
    const plan = openPlan(schedule);
    assert.deepEqual(plan.end(), { batch: 50, final: false });
    for (const ask of [
      () => plan.batch(50),
      () => plan.counts(50),
      () => plan.stageOf(50),
      () => plan.served(51),
    ])
      assert.throws(ask, {
        code: "ERR_UNDECIDED",
        message: /is not decided yet; the schedule decides 50 batches: append a stage$/,
      });
    assert.throws(() => openPlan(createSchedule(header)).batch(0), { code: "ERR_UNDECIDED" });
    const whole = openPlan(makeSchedule(header, [null, [0.5, 0.3, 0.2]]));
    assert.throws(() => whole.batch(60), {
      code: "ERR_UNDECIDED",
      message: "batch 60 is past the end of the run, which has 60 batches",
    });
  });
  test("refuses what is no batch number", () => {
    for (const k of [-1, 0.5, Number.NaN, 2 ** 53])
      assert.throws(() => openPlan(schedule).batch(k), {
        code: "ERR_ARGUMENT",
        message: /^batch .* does not exist/,
      });
  });
});

describe("rankPositions", () => {
  test("gives each rank its micro-batches, step after step", () => {
    const share = { world: 2, microBatch: 2, accumulation: 3 };
    assert.deepEqual([...rankPositions({ ...share, rank: 0 }, 12)], [0, 1, 4, 5, 8, 9]);
    assert.deepEqual([...rankPositions({ ...share, rank: 1 }, 12)], [2, 3, 6, 7, 10, 11]);
  });
  test("refuses shares that do not make the batch, and lists the divisors", () => {
    assert.throws(() => rankPositions({ world: 5, rank: 0, microBatch: 2, accumulation: 1 }, 12), {
      code: "ERR_WORLD",
      message:
        "world 5 x micro-batch 2 x accumulation 1 is not the batch of 12 rows; divisors of 12: 1 2 3 4 6 12",
    });
    assert.throws(() => rankPositions({ world: 0, rank: 0, microBatch: 2, accumulation: 1 }, 12), {
      code: "ERR_WORLD",
    });
    assert.throws(() => rankPositions({ world: 1.5, rank: 0, microBatch: 8, accumulation: 1 }, 12), {
      code: "ERR_WORLD",
    });
  });
  test("refuses a rank outside the world", () => {
    assert.throws(() => rankPositions({ world: 3, rank: 3, microBatch: 2, accumulation: 2 }, 12), {
      code: "ERR_WORLD",
      message: "rank 3 is not in a world of 3; ranks are 0 to 2",
    });
  });
});
