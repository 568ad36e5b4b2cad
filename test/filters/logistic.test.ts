import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fitLogistic, type SparseRows } from "../../filters/logistic.ts";

const { oracle, logistic } = JSON.parse(
  readFileSync(new URL("../../fixtures/filters/oracle.json", import.meta.url), "utf8"),
);

function sparse(rows: readonly (readonly number[])[]): SparseRows {
  const entries = rows.map((row) =>
    row.flatMap((value, column) => (value === 0 ? [] : [[column, value] as const])),
  );
  const starts = [0];
  for (const row of entries) starts.push(starts.at(-1)! + row.length);
  return {
    columns: rows[0]!.length,
    starts: Int32Array.from(starts),
    indices: Int32Array.from(entries.flat(), ([column]) => column),
    values: Float64Array.from(entries.flat(), ([, value]) => value),
  };
}

for (const [i, { rows, targets, strength, weights, bias }] of logistic.entries())
  test(`case ${i}: weights and bias are those of scikit-learn ${oracle["scikit-learn"]}`, () => {
    const every = Array.from(rows, (_, r) => r as number);
    const fit = fitLogistic(sparse(rows), every, targets, strength);
    const scale = Math.max(...weights.map(Math.abs));
    for (const [j, weight] of weights.entries())
      assert.ok(
        Math.abs(fit.weights[j]! - weight) < 1e-3 * scale,
        `weight ${j}: ${fit.weights[j]}, oracle ${weight}`,
      );
    assert.ok(Math.abs(fit.bias - bias) < 1e-3 * scale, `bias ${fit.bias}, oracle ${bias}`);
  });

test("rows that are left out have no say, and the same rows give the same bits", () => {
  const [{ rows, targets, strength }] = logistic;
  const some = [0, 2, 4, 5, 6, 9, 11, 13, 20, 21, 22, 30];
  const part = fitLogistic(sparse(rows), some, targets, strength);
  const alone = fitLogistic(
    sparse(some.map((i) => rows[i])),
    some.map((_, i) => i),
    some.map((i) => targets[i]),
    strength,
  );
  assert.deepEqual(part, alone);
});

test("where it starts matters only beyond the fourth digit", () => {
  const [{ rows, targets, strength }] = logistic;
  const every = Array.from(rows, (_, r) => r as number);
  const near = fitLogistic(sparse(rows), every, targets, strength / 3);
  const cold = fitLogistic(sparse(rows), every, targets, strength);
  const warm = fitLogistic(sparse(rows), every, targets, strength, near);
  for (const [j, weight] of cold.weights.entries()) assert.ok(Math.abs(weight - warm.weights[j]!) < 1e-3);
});
