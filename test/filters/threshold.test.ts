import assert from "node:assert/strict";
import { test } from "node:test";
import { drops, isFlagged, type Target } from "../../filters/index.ts";
import { chooseThreshold } from "../../filters/threshold.ts";

const TOKENS = [10, 20, 30, 40, 100];

function choose(scores: readonly number[], dropWhen: "high" | "low", rate: number, unit: Target["unit"]) {
  const all = scores.map((_, i) => i);
  const column = Int32Array.from(scores);
  const choice = chooseThreshold("c4", all, column, TOKENS, dropWhen, { rate, unit });
  return { ...choice, dropped: all.filter((i) => drops(dropWhen, column[i]!, choice.threshold)) };
}

test("documents: the share asked for is dropped from the side that the filter drops, the cut half way between two scores", () => {
  const high = choose([50, 10, 30, 20, 40], "high", 0.4, "documents");
  assert.deepEqual(high.dropped, [0, 4]);
  assert.equal(high.threshold, 35);
  assert.equal(high.rate, 0.4);
  const low = choose([50, 10, 30, 20, 40], "low", 0.4, "documents");
  assert.deepEqual(low.dropped, [1, 3]);
  assert.equal(low.threshold, 25);
});

test("tokens: long documents count for more", () => {
  const choice = choose([1, 2, 3, 4, 5], "high", 0.5, "tokens");
  assert.deepEqual(choice.dropped, [4]);
  assert.equal(choice.rate, 0.5);
  assert.deepEqual([choice.below, choice.above], [0.5, 0.5]);
});

test("flagged: the base is what the filter itself calls by its name, so nothing unflagged is dropped", () => {
  const choice = choose([-3, 5, 7, 0, 9], "high", 0.7, "flagged");
  assert.equal(choice.flagged, 3);
  assert.deepEqual(choice.dropped, [2, 4]);
  assert.equal(choice.rate, 2 / 3);
  assert.equal(choice.above, 1);
  assert.equal(choose([-3, 5, 7, 0, 9], "high", 1, "flagged").threshold, 1);
  assert.deepEqual(choose([-3, 5, -7, 0, 9], "low", 1, "flagged").dropped, [0, 2]);
  assert.deepEqual(choose([1, 2, 3, 4, 5], "low", 0.5, "flagged").dropped, []);
});

test("of scores that tie all are dropped or none, and the nearest reachable rates on both sides are told", () => {
  const choice = choose([7, 7, 7, 1, 9], "high", 0.5, "documents");
  assert.equal(choice.rate, 0.2);
  assert.deepEqual([choice.below, choice.above], [0.2, 0.8]);
});

test("of two rates equally near, the one that drops less is taken", () => {
  assert.deepEqual(choose([1, 2, 3, 4, 5], "high", 0.5, "documents").dropped, [3, 4]);
});

test("rate 0 drops nothing and rate 1 everything, whatever scores come later", () => {
  for (const dropWhen of ["high", "low"] as const)
    for (const score of [-(2 ** 24) + 1, 0, 2 ** 24 - 1]) {
      assert.equal(
        drops(dropWhen, score, choose([1, 2, 3, 4, 5], dropWhen, 0, "documents").threshold),
        false,
      );
      assert.equal(drops(dropWhen, score, choose([1, 2, 3, 4, 5], dropWhen, 1, "tokens").threshold), true);
    }
});

test("a document is flagged beyond even odds on the side that is dropped, never at them", () => {
  assert.deepEqual(
    [1, 0, -1].map((score) => isFlagged("high", score)),
    [true, false, false],
  );
  assert.deepEqual(
    [1, 0, -1].map((score) => isFlagged("low", score)),
    [false, false, true],
  );
});
