/**
 * The mixture's promise: bounds that hold whatever the weights do, that no rule can better, and the false claims that look like them.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { allocate, integerWeights, mixtureCursor, PARTS, settle } from "../../samplers/index.ts";

const harmonic = (count: number) =>
  Array.from({ length: count }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b, 0);
const behindBound = (count: number) => (harmonic(count) - 1) * PARTS;
const aheadBound = (count: number) => (1 - 1 / count) * PARTS;
/** Bounds are compared in units of 2^-24 row, where they are no integers. */
const SLACK = 1e-6;

function toParts(values: readonly number[]): number[] {
  const sum = values.reduce((total, value) => total + value, 0);
  return integerWeights(values.map((value) => value / sum));
}

/** Weights of every kind: even, steep, nearly 0, a single part. */
const positive = (count: number) =>
  fc
    .array(
      fc.oneof(
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.double({ min: 1e-6, max: 1e-3, noNaN: true }),
        fc.constant(1),
        fc.constant(1e-7),
      ),
      { minLength: count, maxLength: count },
    )
    .map((values) => toParts(values).map((part) => Math.max(part, 1)))
    .map((parts) => {
      const largest = parts.indexOf(Math.max(...parts));
      const excess = parts.reduce((sum, part) => sum + part, 0) - PARTS;
      return parts.map((part, i) => (i === largest ? part - excess : part));
    });

/** Stages of weights, each in force for some batches. */
const histories = fc
  .record({
    count: fc.integer({ min: 2, max: 24 }),
    batchRows: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 4000 })),
  })
  .chain(({ count, batchRows }) =>
    fc.record({
      count: fc.constant(count),
      batchRows: fc.constant(batchRows),
      stages: fc.array(fc.record({ weights: positive(count), batches: fc.integer({ min: 1, max: 40 }) }), {
        minLength: 1,
        maxLength: 12,
      }),
    }),
  );

/** Histories in which domains drop to 0 and come back, beside weights of every kind. */
const withZeros = histories.chain((history) =>
  fc
    .array(fc.array(fc.boolean(), { minLength: history.count, maxLength: history.count }), {
      minLength: history.stages.length,
      maxLength: history.stages.length,
    })
    .map((dropped) => ({
      ...history,
      stages: history.stages.map(({ weights, batches }, stage) => {
        const kept = weights.map((part, i) => (i !== stage % history.count && dropped[stage]![i] ? 0 : part));
        const gap = PARTS - kept.reduce((sum, part) => sum + part, 0);
        return { batches, weights: kept.map((part, i) => (i === stage % history.count ? part + gap : part)) };
      }),
    })),
);

/** Calls `see` after each batch with the weights in force and the deficits, target minus rows given, counted here. */
function run(
  history: {
    count: number;
    batchRows: number;
    stages: readonly { weights: readonly number[]; batches: number }[];
  },
  see: (weights: readonly number[], deficits: readonly number[], rows: Float64Array) => void,
): void {
  const { count, batchRows, stages } = history;
  let carried = new Float64Array(count);
  const target = new Array<number>(count).fill(0);
  const given = new Array<number>(count).fill(0);
  const rows = new Float64Array(count);
  for (const { weights, batches } of stages) {
    const settled = settle(carried, weights);
    for (let i = 0; i < count; i++) target[i]! += settled[i]! - carried[i]!;
    carried = Float64Array.from(settled);
    for (let batch = 0; batch < batches; batch++) {
      allocate(carried, weights, batchRows, rows);
      for (let i = 0; i < count; i++) {
        target[i]! += weights[i]! * batchRows;
        given[i]! += rows[i]!;
      }
      see(
        weights,
        target.map((units, i) => units - given[i]! * PARTS),
        rows,
      );
    }
    assert.deepEqual(
      [...carried],
      target.map((units, i) => units - given[i]! * PARTS),
    );
  }
}

describe("after every batch, whatever the weights did", () => {
  test("a batch hands out exactly its rows, none of them negative", () => {
    fc.assert(
      fc.property(histories, (history) =>
        run(history, (_, __, rows) => {
          assert.equal(
            rows.reduce((sum, row) => sum + row, 0),
            history.batchRows,
          );
          assert.ok(rows.every((row) => row >= 0 && Number.isInteger(row)));
        }),
      ),
    );
  });
  test("no domain is more than 1 - 1/K rows ahead nor more than H_K - 1 rows behind", () => {
    fc.assert(
      fc.property(histories, (history) =>
        run(history, (_, deficits) => {
          assert.ok(Math.max(...deficits) <= behindBound(history.count) + SLACK);
          assert.ok(-Math.min(...deficits) <= aheadBound(history.count) + SLACK);
        }),
      ),
      { numRuns: 400 },
    );
  });
  test("every domain is within 1 - 1/K rows when every weight is at least a row a batch", () => {
    let seen = 0;
    fc.assert(
      fc.property(histories, (history) =>
        run(history, (weights, deficits) => {
          if (weights.some((weight) => weight * history.batchRows < PARTS)) return;
          seen++;
          for (const deficit of deficits) assert.ok(Math.abs(deficit) <= aheadBound(history.count) + SLACK);
        }),
      ),
      { numRuns: 400, seed: 1 },
    );
    assert.ok(seen > 1000, `${seen} batches had such weights`);
  });
  test("every domain is within one row when all weights but one are", () => {
    let seen = 0;
    fc.assert(
      fc.property(histories, (history) =>
        run(history, (weights, deficits) => {
          if (weights.filter((weight) => weight * history.batchRows < PARTS).length !== 1) return;
          seen++;
          for (const deficit of deficits) assert.ok(Math.abs(deficit) < PARTS);
        }),
      ),
      { numRuns: 400, seed: 2 },
    );
    assert.ok(seen > 1000, `${seen} batches had such weights`);
  });
});

/** The deficits after an adversary's batches, each of which takes the domain that is least behind out of play, until `stop` are left. */
function drivenBehind(count: number, batchRows: number, stop: number) {
  const deficits = new Float64Array(count);
  const rows = new Float64Array(count);
  let playing = Array.from({ length: count }, (_, i) => i);
  while (playing.length > stop) {
    // Whole rows to the first in play, and 1/u row to each: in units, a multiple of the batch for each.
    const share = Math.floor(PARTS / playing.length / batchRows);
    const weights = new Array<number>(count).fill(0);
    for (const i of playing) weights[i] = share;
    weights[playing[0]!]! += PARTS - share * playing.length;
    allocate(deficits, weights, batchRows, rows);
    const first = Math.min(...playing.map((i) => deficits[i]!));
    const out = playing.find((i) => deficits[i] === first);
    playing = playing.filter((i) => i !== out);
  }
  return { deficits, playing };
}

describe("no rule can promise less", () => {
  for (const [count, batchRows] of [
    [7, 1],
    [7, 64],
    [7, 3584],
    [22, 256],
    [100, 3584],
  ] as const)
    test(`an adversary drives one of ${count} domains to H_K - 1 behind with ${batchRows} rows a batch`, () => {
      const { deficits, playing } = drivenBehind(count, batchRows, 1);
      const behind = deficits[playing[0]!]!;
      // What weights in parts of 2^24 cannot say: less than a batch of units a step.
      const unsaid = count * batchRows;
      assert.ok(behind <= behindBound(count) + SLACK);
      assert.ok(behind >= behindBound(count) - unsaid, `${behind / PARTS} of ${behindBound(count) / PARTS}`);
    });
});

describe("within one row of its exact share at every row is not true", () => {
  /** Most that a domain is behind after a number of single rows. */
  function behindAt(weights: readonly number[], row: number): number {
    const deficits = new Float64Array(weights.length);
    const rows = new Float64Array(weights.length);
    for (let n = 0; n < row; n++) allocate(deficits, toParts(weights), 1, rows);
    return Math.max(...deficits) / PARTS;
  }
  // With exact thousandths and ties to the first it is 1.202 at row 422; in parts of 2^24 the equal weights differ by a part.
  test("five constant weights leave a domain 1.153 rows behind at row 483", () => {
    assert.equal(behindAt([1, 1, 16, 491, 491], 483).toFixed(3), "1.153");
  });
  test("seven constant weights leave a domain 1.387 rows behind at row 423", () => {
    assert.equal(behindAt([1, 1, 4, 4, 52, 469, 469], 423).toFixed(3), "1.387");
  });
  for (const [count, rest, expected] of [
    [5, 2, 16 / 15],
    [7, 4, 26 / 21],
  ] as const)
    test(`uniform for ${count}m + ${rest} rows, then a third to each of the three least served: ${expected.toFixed(3)} behind of ${count}`, () => {
      const deficits = new Float64Array(count);
      const rows = new Float64Array(count);
      const uniform = toParts(new Array<number>(count).fill(1));
      for (let n = 0; n < 10 * count + rest; n++) allocate(deficits, uniform, 1, rows);
      const waiting = [...deficits.keys()].sort((a, b) => deficits[b]! - deficits[a]!).slice(0, 3);
      const thirds = toParts(uniform.map((_, i) => (waiting.includes(i) ? 1 : 0)));
      for (let n = 0; n < 2; n++) allocate(deficits, thirds, 1, rows);
      assert.ok(Math.abs(Math.max(...deficits) / PARTS - expected) < 1e-5);
    });
  test("at batch ends of the published size the same weights stay within a row", () => {
    for (const weights of [
      [1, 1, 16, 491, 491],
      [1, 1, 4, 4, 52, 469, 469],
    ]) {
      const cursor = mixtureCursor(
        {
          fromBatch: 0,
          weights: toParts(weights),
          served: weights.map(() => 0),
          carry: weights.map(() => 0),
        },
        3584,
      );
      for (let batch = 1; batch <= 2000; batch++)
        for (const deficit of cursor.before(batch).deficits) assert.ok(Math.abs(deficit) < PARTS);
    }
  });
});

describe("the rule", () => {
  const batches = fc.integer({ min: 2, max: 24 }).chain((count) =>
    fc.record({
      weights: positive(count),
      batchRows: fc.integer({ min: 1, max: 300 }),
      before: fc.array(fc.record({ weights: positive(count), batchRows: fc.integer({ min: 1, max: 300 }) }), {
        maxLength: 6,
      }),
    }),
  );
  test("gives what one row at a time to the largest deficit gives", () => {
    fc.assert(
      fc.property(batches, ({ weights, batchRows, before }) => {
        const deficits = new Float64Array(weights.length);
        const rows = new Float64Array(weights.length);
        for (const earlier of before) allocate(deficits, earlier.weights, earlier.batchRows, rows);
        const slow = deficits.map((deficit, i) => deficit + weights[i]! * batchRows);
        const given = new Float64Array(weights.length);
        for (let row = 0; row < batchRows; row++) {
          const best = slow.indexOf(Math.max(...slow));
          given[best]!++;
          slow[best]! -= PARTS;
        }
        allocate(deficits, weights, batchRows, rows);
        assert.deepEqual([...rows], [...given]);
        assert.deepEqual([...deficits], [...slow]);
      }),
      { numRuns: 1000 },
    );
  });
  test("is the largest-remainder rounding of the cumulative target when every weight is a row a batch or 0", () => {
    fc.assert(
      fc.property(
        histories,
        fc.nat(200),
        fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
        (history, batches, dropped) => {
          const { count, batchRows, stages } = history;
          let deficits = new Float64Array(count);
          const rows = new Float64Array(count);
          for (const stage of stages) allocate(deficits, stage.weights, batchRows, rows);
          const weights = toParts(stages[0]!.weights.map((part, i) => (i > 0 && dropped[i] ? 0 : part)));
          const carry = settle(deficits, weights);
          const cursor = mixtureCursor(
            { fromBatch: 3, weights, served: new Array<number>(count).fill(0), carry },
            batchRows,
          );
          fc.pre(cursor.closedForm);
          deficits = Float64Array.from(carry);
          const served = new Float64Array(count);
          for (let batch = 0; batch < batches; batch++) {
            allocate(deficits, weights, batchRows, rows);
            for (let i = 0; i < count; i++) served[i]! += rows[i]!;
          }
          const state = cursor.before(3 + batches);
          assert.deepEqual([...state.served], [...served]);
          assert.deepEqual([...state.deficits], [...deficits]);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("domains whose weight drops to 0", () => {
  test("are settled unit by unit: to the lowest what they were owed, from the highest what they had too much", () => {
    const cases = fc.integer({ min: 2, max: 8 }).chain((count) =>
      fc.record({
        owed: fc.array(fc.integer({ min: -15, max: 15 }), { minLength: count - 1, maxLength: count - 1 }),
        weights: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: count, maxLength: count }),
      }),
    );
    fc.assert(
      fc.property(cases, ({ owed, weights }) => {
        const deficits = [...owed, 0 - owed.reduce((sum, units) => sum + units, 0)];
        const expected = deficits.map((units, i) => (weights[i] === 0 ? 0 : units));
        let residual = deficits.reduce((sum, units, i) => (weights[i] === 0 ? sum + units : sum), 0);
        const open = [...weights.keys()].filter((i) => weights[i] !== 0);
        for (; open.length > 0 && residual !== 0; residual -= Math.sign(residual)) {
          const up = residual > 0;
          const next = open.reduce((a, b) =>
            (up ? expected[b]! < expected[a]! : expected[b]! > expected[a]!) ? b : a,
          );
          expected[next]! += up ? 1 : -1;
        }
        assert.deepEqual(
          settle(deficits, weights),
          expected.map((units) => units + 0),
        );
      }),
      { numRuns: 2000 },
    );
  });
  const dropping = fc.integer({ min: 2, max: 12 }).chain((count) =>
    fc.record({
      count: fc.constant(count),
      batchRows: fc.integer({ min: 2 * count, max: 600 }),
      stages: fc.array(
        fc.record({
          weights: fc
            .array(
              fc.oneof(fc.constant(0), fc.double({ min: 0.2, max: 1, noNaN: true }), fc.constant(1e-6)),
              {
                minLength: count,
                maxLength: count,
              },
            )
            .filter((values) => values.some((value) => value > 0.1))
            .map(toParts),
          batches: fc.integer({ min: 1, max: 6 }),
        }),
        { minLength: 2, maxLength: 12 },
      ),
    }),
  );
  test("are never served, and owe and are owed nothing", () => {
    fc.assert(
      fc.property(dropping, (history) =>
        run(history, (weights, deficits, rows) => {
          weights.forEach((weight, i) => {
            if (weight === 0) assert.deepEqual([rows[i], deficits[i]], [0, 0]);
          });
          assert.equal(
            deficits.reduce((sum, deficit) => sum + deficit, 0),
            0,
          );
        }),
      ),
      { numRuns: 500 },
    );
  });
  test("leave both bounds as they are, whatever the others' weights", () => {
    fc.assert(
      fc.property(withZeros, (history) =>
        run(history, (_, deficits) => {
          assert.ok(Math.max(...deficits) <= behindBound(history.count) + SLACK);
          assert.ok(-Math.min(...deficits) <= aheadBound(history.count) + SLACK);
        }),
      ),
      { numRuns: 1000 },
    );
  });
  for (const stop of [2, 3, 4, 8])
    test(`leave the bound to the domain that inherits all of the weight of ${stop - 1} that an adversary drove behind`, () => {
      for (const count of [7, 22])
        for (const batchRows of [1, 3584]) {
          if (stop >= count) continue;
          const { deficits, playing } = drivenBehind(count, batchRows, stop);
          const weights = new Array<number>(count).fill(1);
          for (const i of playing) weights[i] = 0;
          weights[playing[0]!] = PARTS - weights.reduce((sum, part) => sum + part, 0);
          const settled = Float64Array.from(settle(deficits, weights));
          allocate(settled, weights, batchRows, new Float64Array(count));
          assert.ok(Math.max(...settled) <= behindBound(count) + SLACK);
        }
    });
  test("leave the others within one row when those have at least a row a batch each", () => {
    let seen = 0;
    fc.assert(
      fc.property(dropping, (history) =>
        run(history, (weights, deficits) => {
          if (weights.some((weight) => weight > 0 && weight * history.batchRows < PARTS)) return;
          seen++;
          for (const deficit of deficits) assert.ok(Math.abs(deficit) < PARTS);
        }),
      ),
      { numRuns: 500, seed: 3 },
    );
    assert.ok(seen > 1000, `${seen} batches had such weights`);
  });
});
