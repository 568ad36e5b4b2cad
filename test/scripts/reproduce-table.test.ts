import assert from "node:assert/strict";
import { test } from "node:test";
import {
  configuration,
  difference,
  estimate,
  type Outcome,
  resultsPage,
  verdict,
} from "../../scripts/reproduce-table.ts";

const base = { method: "independent-random", scaled: true, policy: "sheared" };
const runs = (of: Partial<Outcome>, losses: readonly number[]): Outcome[] =>
  losses.map((loss, seed) => ({ ...base, ...of, seed, loss }));

test("an interval is Student's: 3 values with 4.303 standard errors (scipy.stats.t.interval agrees to 1e-3)", () => {
  const { mean, half } = estimate([1, 2, 4]);
  assert.ok(Math.abs(mean - 7 / 3) < 1e-12);
  // scipy 1.17: t.interval(0.95, 2, loc=7/3, scale=sem([1, 2, 4])) = (-1.4612, 6.1278)
  assert.ok(Math.abs(half - 3.7945) < 1e-3);
  assert.equal(estimate([5]).half, Number.POSITIVE_INFINITY);
});

test("a claim holds, fails or is open by the interval of differences paired by seed, not by the means", () => {
  const outcomes = [
    ...runs({}, [3.0, 3.5, 4.0]),
    ...runs({ scaled: false }, [3.1, 3.6, 4.11]),
    ...runs({ method: "sharing-inner" }, [2.9, 3.39, 3.9]),
    ...runs({ method: "sharing-inter" }, [2.5, 3.6, 4.3]),
  ];
  const against = (of: Partial<Outcome>) =>
    verdict(difference(outcomes, configuration(base), configuration({ ...base, ...of })));
  assert.equal(against({ scaled: false }), "held");
  assert.equal(against({ method: "sharing-inner" }), "did not hold");
  assert.equal(against({ method: "sharing-inter" }), "cannot be told here");
  assert.equal(against({ policy: "llama" }), "not run");
  const page = resultsPage(outcomes, "about");
  assert.match(page, /\| a scale of E\/k ends lower than none \| 0\.1033 ± 0\.0143 \| held \|/);
  assert.match(page, /\| independent-random, scaled, sheared \| 3 \| 3\.5000 ± 1\.2422 \|/);
});
