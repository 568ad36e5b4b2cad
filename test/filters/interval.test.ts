import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { wilson } from "../../filters/index.ts";
import { effectiveSize } from "../../filters/interval.ts";

const oracle = JSON.parse(
  readFileSync(new URL("../../fixtures/filters/oracle.json", import.meta.url), "utf8"),
);

for (const { k, n, from, to } of oracle.wilson)
  test(`the 99 % interval of ${k} in ${n} is scipy ${oracle.oracle.scipy}'s`, () => {
    const interval = wilson(k / n, n);
    assert.ok(Math.abs(interval.from - from) < 1e-12, `from ${interval.from}, scipy ${from}`);
    assert.ok(Math.abs(interval.to - to) < 1e-12, `to ${interval.to}, scipy ${to}`);
  });

test("nothing is known of a share that was seen in no document, everything of one seen in all", () => {
  assert.deepEqual(wilson(0.3, 0), { rate: 0.3, from: 0, to: 1 });
  assert.deepEqual(wilson(0.3, Number.POSITIVE_INFINITY), { rate: 0.3, from: 0.3, to: 0.3 });
});

test("documents of one length are worth as many as they are, whatever the length", () => {
  const size = effectiveSize({ weight: 3 * 7, squares: 3 * 49 }, { weight: 9 * 7, squares: 9 * 49 });
  assert.ok(Math.abs(size - 12) < 1e-9);
});

test("one long document makes a token share as uncertain as four documents would", () => {
  const size = effectiveSize({ weight: 1000, squares: 1000 ** 2 }, { weight: 1000, squares: 1000 });
  assert.ok(Math.abs(size - 4 / 1.001) < 1e-9, `${size}`);
});

test("shares of 0 and 1 fall back on the weights' own effective number", () => {
  assert.equal(effectiveSize({ weight: 0, squares: 0 }, { weight: 20, squares: 100 }), 4);
  assert.equal(effectiveSize({ weight: 0, squares: 0 }, { weight: 0, squares: 0 }), 0);
});
