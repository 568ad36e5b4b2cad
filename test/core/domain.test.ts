import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { domainName, domainWeights, SLIMPAJAMA_DOMAINS } from "../../core/domain.ts";

test("names that could not be a folder, or that JavaScript would put out of order, are refused", () => {
  for (const name of ["c4", "common-crawl", "a.b_c", "2020-05", "x".repeat(64)])
    assert.equal(domainName(name), name);
  for (const name of ["", ".hidden", "..", "a/b", "C4", "2020", "x".repeat(65), "a b", "é"])
    assert.throws(() => domainName(name), {
      code: "ERR_DOMAIN",
      message: /is not 1 to 64 of a-z 0-9 _ - \. .*; rename it/,
    });
});

test("weights keep the order of the domains and are divided by their sum", () => {
  const weights = domainWeights({ b: 0.25, a: 0.75 }, ["a", "b", "c"]);
  assert.deepEqual(Object.entries(weights), [
    ["a", 0.75],
    ["b", 0.25],
    ["c", 0],
  ]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 7, maxLength: 7 }), (parts) => {
      const sum = parts.reduce((a, b) => a + b, 0);
      fc.pre(sum > 0);
      const given = Object.fromEntries(SLIMPAJAMA_DOMAINS.map((name, i) => [name, parts[i]! / sum]));
      const total = Object.values(domainWeights(given)).reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(total - 1) < 1e-12);
    }),
  );
});

test("weights that are negative, not finite, unknown or do not sum to 1 are refused with the value and the way out", () => {
  for (const [weights, code, message] of [
    [
      { github: -0.01, c4: 1.01 },
      "ERR_WEIGHTS",
      'domain weight for "github" is -0.01; weights are finite and >= 0',
    ],
    [{ github: Number.NaN }, "ERR_WEIGHTS", 'domain weight for "github" is NaN; weights are finite and >= 0'],
    [
      { github: 0.5, c4: 0.4 },
      "ERR_WEIGHTS",
      "domain weights sum to 0.9; they must sum to 1 (divide each by 0.9)",
    ],
    [{ wiki: 1 }, "ERR_DOMAIN", 'weight for "wiki", which is not a domain here; known: github, c4'],
  ] as const)
    assert.throws(() => domainWeights(weights, ["github", "c4"]), { code, message });
});
