import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { areaUnderRoc, averagePrecision, cutQuality, flagsByDomain, rankingOf } from "../../filters/index.ts";
import { python } from "../support.ts";

const { oracle, ranking } = JSON.parse(
  readFileSync(new URL("../../fixtures/filters/oracle.json", import.meta.url), "utf8"),
);

for (const [i, { scores, positive, auc, averagePrecision: precision }] of ranking.entries())
  test(`case ${i}: AUC and average precision are those of scikit-learn ${oracle["scikit-learn"]}, ties and all`, () => {
    assert.ok(Math.abs(areaUnderRoc(scores, positive) - auc) < 1e-12);
    assert.ok(Math.abs(averagePrecision(scores, positive) - precision) < 1e-12);
  });

const sklearn = python("sklearn");

test("the scikit-learn that is installed here agrees on scores made on the spot", {
  skip: sklearn.missing,
}, () => {
  const scores = Array.from({ length: 300 }, (_, i) => (i * 7919) % 101);
  const positive = scores.map((score, i) => (score + ((i * 31) % 97)) % 5 === 0);
  const script =
    "import json,sys; from sklearn.metrics import roc_auc_score as a, average_precision_score as p; d=json.load(sys.stdin); print(json.dumps([a(d[1],d[0]), p(d[1],d[0])]))";
  const run = spawnSync(sklearn.command, ["-c", script], {
    input: JSON.stringify([scores, positive.map(Number)]),
  });
  const [auc, precision] = JSON.parse(run.stdout.toString());
  assert.ok(Math.abs(areaUnderRoc(scores, positive) - auc) < 1e-12);
  assert.ok(Math.abs(averagePrecision(scores, positive) - precision) < 1e-12);
});

test("a perfect order has area 1, its reverse 0, all ties one half", () => {
  const labels = [false, false, true, true];
  assert.equal(areaUnderRoc([1, 2, 3, 4], labels), 1);
  assert.equal(areaUnderRoc([4, 3, 2, 1], labels), 0);
  assert.equal(areaUnderRoc([5, 5, 5, 5], labels), 0.5);
});

test("the interval holds the area, narrows with the documents, and is the same each time", () => {
  const make = (n: number) => ({
    scores: Array.from({ length: n }, (_, i) => (i * 7919) % 101),
    labels: Array.from({ length: n }, (_, i) => ((i * 7919) % 101) + ((i * 104_729) % 83) > 100),
  });
  const [few, many] = [make(60), make(600)].map(({ scores, labels }) => rankingOf(scores, labels, 300));
  for (const { auc, aucFrom, aucTo } of [few!, many!]) assert.ok(aucFrom < auc && auc < aucTo);
  assert.ok(few!.aucTo - few!.aucFrom > 2 * (many!.aucTo - many!.aucFrom));
  const { scores, labels } = make(60);
  assert.deepEqual(rankingOf(scores, labels, 300), few);
});

test("a cut is told as precision, recall and the four counts", () => {
  const quality = cutQuality([true, true, true, false, false], [true, true, false, true, false]);
  assert.deepEqual(quality, {
    truePositives: 2,
    falsePositives: 1,
    falseNegatives: 1,
    trueNegatives: 1,
    precision: 2 / 3,
    recall: 2 / 3,
  });
});

test("false alarms are counted a domain; a domain of positives alone has no rate", () => {
  const flags = flagsByDomain(["b", "a", "b", "b"], [true, true, true, false], [false, true, true, false]);
  assert.deepEqual(flags, {
    a: { documents: 1, positives: 1, flagged: 1, falseAlarms: 0, falseAlarmRate: null },
    b: { documents: 3, positives: 1, flagged: 2, falseAlarms: 1, falseAlarmRate: 0.5 },
  });
});
