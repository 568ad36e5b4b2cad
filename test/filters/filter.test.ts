import assert from "node:assert/strict";
import { test } from "node:test";
import { domainName } from "../../core/domain.ts";
import { type CascadeStep, judge } from "../../filters/index.ts";

const C4 = domainName("c4");
const CC = domainName("commoncrawl");
const GITHUB = domainName("github");

const CASCADE: readonly CascadeStep[] = [
  { filter: "ads", dropWhen: "high", column: 1, thresholds: new Map([[C4, 65_536]]) },
  {
    filter: "fluency",
    dropWhen: "low",
    column: 0,
    thresholds: new Map([
      [C4, -32_768],
      [CC, 0],
    ]),
  },
];

test("a filter of the high kind drops the threshold itself, one of the low kind keeps it", () => {
  assert.equal(judge([0, 65_536], C4, CASCADE).kind, "drop");
  assert.equal(judge([0, 65_535], C4, CASCADE).kind, "keep");
  assert.equal(judge([-32_768, 0], C4, CASCADE).kind, "keep");
  assert.equal(judge([-32_769, 0], C4, CASCADE).kind, "drop");
});

test("the first filter in order that drops a document is the one that is named", () => {
  assert.deepEqual(judge([-100_000, 81_920], C4, CASCADE), {
    kind: "drop",
    filter: "ads",
    score: 81_920,
    threshold: 65_536,
    reason: "ads 1.2500 >= 1.0000",
  });
});

test("a verdict says in one line which score was on which side", () => {
  const verdict = judge([-49_152, 0], C4, CASCADE);
  assert.equal(verdict.kind === "drop" && verdict.reason, "fluency -0.7500 < -0.5000");
});

test("a domain without a threshold passes the filter that it has none for, and no other", () => {
  assert.deepEqual(judge([-1, 200_000], CC, CASCADE), {
    kind: "drop",
    filter: "fluency",
    score: -1,
    threshold: 0,
    reason: "fluency -0.0000 < 0.0000",
  });
  assert.equal(judge([-900_000, 900_000], GITHUB, CASCADE).kind, "keep");
});

test("an empty cascade keeps everything", () => {
  assert.deepEqual(judge([1, 2], C4, []), { kind: "keep" });
});
