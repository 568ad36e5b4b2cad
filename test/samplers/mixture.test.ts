import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  allocate,
  integerWeights,
  LLAMA_WEIGHTS,
  mixtureCursor,
  PARTS,
  SHEARED_WEIGHTS,
  settle,
} from "../../samplers/index.ts";

const SHEARED = [6056575, 8254389, 134218, 520094, 1526727, 117441, 167772];
const LLAMA = [11240735, 2516582, 754975, 754975, 754975, 419430, 335544];

function firstBatches(weights: readonly number[], batchRows: number, count: number): number[][] {
  const deficits = new Float64Array(weights.length);
  const rows = new Float64Array(weights.length);
  return Array.from({ length: count }, () => {
    allocate(deficits, weights, batchRows, rows);
    return [...rows];
  });
}

/** A stage from batch 0 with nothing served. */
function fresh(weights: readonly number[], fromBatch = 0) {
  const nothing = weights.map(() => 0);
  return { fromBatch, weights, served: nothing, carry: nothing };
}

describe("weights in parts of 2^24", () => {
  test("are rounded, the remainder to the largest", () => {
    assert.deepEqual(integerWeights(Object.values(SHEARED_WEIGHTS)), SHEARED);
    assert.deepEqual(integerWeights(Object.values(LLAMA_WEIGHTS)), LLAMA);
    assert.deepEqual(integerWeights([1 / 3, 1 / 3, 1 / 3]), [5592406, 5592405, 5592405]);
  });
  test("keep a weight of 0 at 0, and round one below half a part to 0", () => {
    assert.deepEqual(integerWeights([0.5, 0.5, 0]), [PARTS / 2, PARTS / 2, 0]);
    assert.deepEqual(integerWeights([1e-9, 1 - 1e-9]), [0, PARTS]);
  });
});

describe("the committed integer vectors", () => {
  test("Sheared, 3,584 rows a batch", () => {
    assert.deepEqual(firstBatches(SHEARED, 3584, 3), [
      [1294, 1763, 29, 111, 326, 25, 36],
      [1294, 1764, 28, 111, 326, 25, 36],
      [1294, 1763, 29, 111, 326, 25, 36],
    ]);
  });
  test("LLaMA, 3,584 rows a batch", () => {
    assert.deepEqual(firstBatches(LLAMA, 3584, 3), [
      [2401, 538, 161, 161, 161, 90, 72],
      [2402, 537, 162, 162, 161, 89, 71],
      [2401, 538, 161, 161, 162, 89, 72],
    ]);
  });
  test("Sheared, 64 rows a batch", () => {
    assert.deepEqual(firstBatches(SHEARED, 64, 2), [
      [23, 31, 1, 2, 6, 0, 1],
      [23, 32, 0, 2, 6, 1, 0],
    ]);
  });
});

describe("settle", () => {
  const third = Math.floor(PARTS / 3);
  const weights = [0, third, third, third];

  test("lifts the lowest with what a domain at 0 was owed", () => {
    assert.deepEqual(settle([9, -6, -3, 0], weights), [0, 0, 0, 0]);
    assert.deepEqual(settle([5, -8, 1, 2], weights), [0, -3, 1, 2]);
    assert.deepEqual(settle([11, -8, -4, 1], weights), [0, 0, -1, 1]);
  });
  test("lowers the highest by what a domain at 0 had too much", () => {
    assert.deepEqual(settle([-5, 8, -1, -2], weights), [0, 3, -1, -2]);
    assert.deepEqual(settle([-11, 8, 4, -1], weights), [0, 0, 1, -1]);
  });
  test("changes nothing when every domain has weight, and empties a stage without weights", () => {
    assert.deepEqual(settle([7, -3, -4], [1, 1, PARTS - 2]), [7, -3, -4]);
    assert.deepEqual(settle([5, -5], [0, 0]), [0, 0]);
  });
});

describe("mixtureCursor", () => {
  test("has a closed form when every weight is 0 or a row a batch", () => {
    assert.equal(mixtureCursor(fresh(SHEARED), 3584).closedForm, true);
    assert.equal(mixtureCursor(fresh(SHEARED), 143).closedForm, true);
    assert.equal(mixtureCursor(fresh(SHEARED), 142).closedForm, false);
    assert.equal(mixtureCursor(fresh([PARTS, 0]), 1).closedForm, true);
  });
  for (const [name, batchRows] of [
    ["by its closed form", 3584],
    ["by its checkpoints", 64],
  ] as const)
    test(`finds any state ${name}, in any order of asking`, () => {
      const rows = new Float64Array(7);
      const deficits = new Float64Array(7);
      const served = new Float64Array(7);
      const walked: { served: number[]; deficits: number[] }[] = [];
      for (let batch = 0; batch <= 5000; batch++) {
        walked.push({ served: [...served], deficits: [...deficits] });
        allocate(deficits, SHEARED, batchRows, rows);
        for (let i = 0; i < 7; i++) served[i]! += rows[i]!;
      }
      const cursor = mixtureCursor(fresh(SHEARED, 100), batchRows);
      for (const k of [5000, 0, 1, 1023, 1024, 1025, 4999, 2048, 2047, 3, 5000, 4096]) {
        const state = cursor.before(100 + k);
        assert.deepEqual({ served: [...state.served], deficits: [...state.deficits] }, walked[k]);
      }
    });
  test("is exact far past 2^53 parts: after 2^24 batches every domain has exactly its weight", () => {
    const { served, deficits } = mixtureCursor(fresh(SHEARED), 3584).before(PARTS);
    assert.deepEqual(
      [...served],
      SHEARED.map((weight) => weight * 3584),
    );
    assert.deepEqual(
      [...deficits],
      SHEARED.map(() => 0),
    );
  });
  test("does not hand out its own memory", () => {
    const cursor = mixtureCursor(fresh(SHEARED), 64);
    cursor.before(10).served.fill(0);
    assert.equal(
      cursor.before(10).served.reduce((sum, rows) => sum + rows, 0),
      640,
    );
    cursor.before(0).deficits.fill(1);
    assert.deepEqual([...cursor.before(0).deficits], [0, 0, 0, 0, 0, 0, 0]);
  });
});
