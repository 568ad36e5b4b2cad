import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  areaUnderRoc,
  averagePrecision,
  cutQuality,
  flagsByDomain,
  pairedRanking,
  rankingOf,
} from "../../filters/index.ts";
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

test("two scores are compared on the same resamples: against itself no difference, and the other way round the opposite", () => {
  const positive = Array.from({ length: 300 }, (_, i) => i % 3 === 0);
  const noise = (seed: number) => (i: number) => (Math.imul(i * 7919 + seed, 2654435761) >>> 0) / 2 ** 32;
  const scores = (signal: number, seed: number) =>
    positive.map((is, i) => (is ? signal : 0) + noise(seed)(i + 1));
  const [good, poor] = [scores(0.5, 1), scores(0.1, 2)];
  const itself = pairedRanking(good, good, positive);
  assert.deepEqual(itself, { difference: 0, from: 0, to: 0, p: 1 });
  const better = pairedRanking(good, poor, positive);
  assert.equal(better.difference, areaUnderRoc(good, positive) - areaUnderRoc(poor, positive));
  assert.ok(better.from > 0 && better.from < better.difference && better.difference < better.to);
  assert.equal(better.p, 1 / 2000);
  const worse = pairedRanking(poor, good, positive);
  assert.deepEqual([worse.difference, worse.p], [-better.difference, better.p]);
  assert.ok(Math.abs(worse.to + better.from) < 0.003 && worse.to < 0);
});

test("the interval of a ranking and of a comparison are of the same draws", () => {
  const positive = Array.from({ length: 200 }, (_, i) => i % 4 === 0);
  const scores = positive.map((is, i) => (is ? 0.3 : 0) + ((i * 37) % 101) / 101);
  const still = positive.map(() => 0);
  const { aucFrom, aucTo } = rankingOf(scores, positive);
  const { from, to } = pairedRanking(scores, still, positive);
  assert.deepEqual([from, to], [aucFrom - 0.5, aucTo - 0.5]);
});
