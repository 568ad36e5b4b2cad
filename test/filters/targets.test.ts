import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTargets, targetText } from "../../filters/index.ts";

test("targets keep their order, rate and unit", () => {
  assert.deepEqual(parseTargets("ads=0.5:documents, fluency=0.15:flagged,x_1=1:tokens"), [
    { filter: "ads", rate: 0.5, unit: "documents" },
    { filter: "fluency", rate: 0.15, unit: "flagged" },
    { filter: "x_1", rate: 1, unit: "tokens" },
  ]);
});

test("a rate can be a share of what the earlier filters were given, and a target is written as it is read", () => {
  const text = "ads=0.5:documents,fluency=0.15:tokens:input";
  const targets = parseTargets(text);
  assert.deepEqual(targets[1], { filter: "fluency", rate: 0.15, unit: "tokens", of: "input" });
  assert.equal(targets.map(targetText).join(","), text);
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  [
    "ads=0.5",
    /target "ads=0.5" does not say what 0.5 is a share of; write ads=0.5:documents .*ads=0.5:flagged/,
  ],
  [
    "ads=0.5:bytes",
    /target "ads=0.5:bytes" has the unit "bytes"; units are documents, flagged, tokens, each with :input behind it/,
  ],
  ["ads=0.5:input", /has the unit "input"; units are documents/],
  ["ads=0.5:documents:all", /has the unit "documents:all"; units are documents/],
  ["ads=1.5:documents", /has the rate "1.5"; rates are from 0 to 1/],
  ["ads=-0.1:documents", /has the rate "-0.1"; rates are from 0 to 1/],
  ["ads=:documents", /has the rate ""; rates are from 0 to 1/],
  ["ads=half:documents", /has the rate "half"; rates are from 0 to 1/],
  ["ads", /target "ads" has another form; write FILTER=RATE:UNIT/],
  ["", /target "" has another form/],
  ["ads=0.5:documents,ads=0.1:tokens", /target for "ads" is given twice/],
];

for (const [text, message] of REFUSED)
  test(`the target ${JSON.stringify(text)} is refused with the way out`, () => {
    assert.throws(() => parseTargets(text), { code: "ERR_ARGUMENT", message });
  });
