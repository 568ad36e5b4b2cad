import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluateFilter } from "../../filters/index.ts";

const DOCUMENTS = [
  { domain: "c4", grade: 3 },
  { domain: "c4", grade: 0 },
  { domain: "c4", grade: 2 },
  { domain: "book", grade: 1 },
];

test("a filter of the high kind is judged by what lies at or above the cut, in all and by domain", () => {
  const { all, domains } = evaluateFilter(DOCUMENTS, Int32Array.of(200, 150, 100, -50), [2, 3], "high", 150);
  assert.deepEqual(all.cut, {
    truePositives: 1,
    falsePositives: 1,
    falseNegatives: 1,
    trueNegatives: 1,
    precision: 0.5,
    recall: 0.5,
  });
  assert.equal(all.ranking?.auc, 0.75);
  assert.equal(domains["c4"]?.ranking?.auc, 0.5);
  assert.equal(domains["book"]?.ranking, null);
});

test("further cuts have their own confusion, over all documents, in the order given", () => {
  const scores = Int32Array.of(200, 150, 100, -50);
  const { cuts, all } = evaluateFilter(DOCUMENTS, scores, [2, 3], "high", 150, [300, -100]);
  assert.deepEqual(cuts[0], { threshold: 150, cut: all.cut });
  assert.deepEqual(
    cuts.map(({ threshold, cut }) => [threshold, cut.truePositives, cut.falsePositives, cut.recall]),
    [
      [150, 1, 1, 0.5],
      [300, 0, 0, 0],
      [-100, 2, 2, 1],
    ],
  );
});

test("a filter of the low kind is judged by what lies below the cut, and ranked from below", () => {
  const { all } = evaluateFilter(DOCUMENTS, Int32Array.of(-3, 5, 1, 9), [2, 3], "low", 1);
  assert.equal(all.ranking?.auc, 1);
  assert.deepEqual([all.cut.truePositives, all.cut.falseNegatives], [1, 1]);
});

test("reliability sets the stated probability beside what is so, a tenth at a time", () => {
  const { reliability } = evaluateFilter(
    DOCUMENTS,
    Int32Array.of(65_536 * 20, 0, 0, -65_536 * 20),
    [2, 3],
    "high",
    0,
  );
  assert.deepEqual(
    reliability.map(({ from, documents, observed }) => [from, documents, observed]),
    [
      [0, 1, 0],
      [0.5, 2, 0.5],
      [0.9, 1, 1],
    ],
  );
  assert.equal(reliability[1]?.stated, 0.5);
});
