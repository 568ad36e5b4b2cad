import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, chainHash, hashOf, sha256 } from "../../core/hash.ts";

test("canonical JSON is RFC 8785's own example", () => {
  // RFC 8785, 3.2.2 and 3.2.3.
  const value = JSON.parse(String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`);
  assert.equal(
    canonicalJson(value),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test("the order of fields does not matter, that of lists does, and absent is undefined", () => {
  assert.equal(hashOf({ b: 1, a: [1, 2], c: undefined }), hashOf({ a: [1, 2], b: 1 }));
  assert.notEqual(hashOf([1, 2]), hashOf([2, 1]));
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value))),
    ),
  );
});

test("a number that JSON cannot hold is refused", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => canonicalJson({ value }), TypeError);
});

test("a chain hash covers the link before and the value", () => {
  assert.equal(chainHash("ab", { x: 1 }), sha256('ab\n{"x":1}'));
});
