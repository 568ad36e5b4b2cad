/**
 * Updates are the same in both implementations, and whatever losses come, the rails hold and the weights can be served.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type DomainName, domainName, domainWeights } from "../../core/domain.ts";
import {
  integerWeights,
  type LossDrivenPolicy,
  lossDriven,
  PARTS,
  RULES,
  updateWeights,
} from "../../samplers/index.ts";
import { python } from "../support.ts";
import { askTwin } from "./twin.ts";

/** A policy, weights that an update starts from, and losses. */
const updates = fc.integer({ min: 1, max: 9 }).chain((count) => {
  const names = Array.from({ length: count }, (_, i) => domainName(`d${i}`));
  const values = (value: fc.Arbitrary<number>) =>
    fc.array(value, { minLength: count, maxLength: count }).map((list) => list.slice());
  const weights = values(
    fc.oneof(fc.integer({ min: 0, max: 3 }), fc.double({ min: 1e-5, max: 1, noNaN: true })),
  )
    .filter((list) => list.some((value) => value > 0.01))
    .map((list) => {
      const sum = list.reduce((total, value) => total + value, 0);
      return domainWeights(Object.fromEntries(names.map((name, i) => [name, list[i]! / sum])));
    });
  const losses = values(fc.double({ min: 0, max: 12, noNaN: true })).map((list) =>
    Object.fromEntries(names.map((name, i) => [name, list[i]!])),
  );
  return fc.record({
    names: fc.constant(names),
    initial: weights,
    current: weights,
    losses,
    reference: losses,
    rule: fc.constantFrom(...RULES),
    eta: fc.constantFrom(1, 0.3, 10),
    asPublished: fc.boolean(),
    rails: fc.record({
      floorRows: fc.integer({ min: 0, max: 3 }),
      ceiling: fc.constantFrom(0.9, 0.5, 0.2, 1),
      step: fc.constantFrom(2, 1, 1.25),
    }),
    batchRows: fc.constantFrom(1, 8, 64, 3584),
    exhausted: fc.subarray(names),
  });
});
type Update = typeof updates extends fc.Arbitrary<infer T> ? T : never;

function policyOf({ names, initial, reference, rule, eta, asPublished, rails }: Update): LossDrivenPolicy {
  return lossDriven("custom", initial, names, {
    batchTokens: 1000,
    rule,
    eta,
    asPublished,
    rails,
    reference: { source: "made up", losses: reference },
  });
}

function updated(update: Update) {
  const { current, losses, batchRows, exhausted } = update;
  return updateWeights(policyOf(update), current, losses, { batchRows, exhausted });
}

test("every update gives weights that sum to 1, in domain order, and become parts of 2^24", () => {
  fc.assert(
    fc.property(updates, (update) => {
      const { weights, asked } = updated(update);
      for (const result of [weights, asked]) {
        assert.deepEqual(Object.keys(result), update.names);
        assert.ok(Math.abs(Object.values(result).reduce((sum, weight) => sum + weight, 0) - 1) < 1e-9);
        const parts = integerWeights(Object.values(result));
        assert.equal(
          parts.reduce((sum, part) => sum + part, 0),
          PARTS,
        );
        assert.ok(parts.every((part) => part >= 0));
      }
    }),
    { numRuns: 2000 },
  );
});

test("under the rails a withdrawn or exhausted domain stays at 0 while another has rows", () => {
  fc.assert(
    fc.property(updates, (update) => {
      if (update.asPublished) return;
      const { weights, rails } = updated(update);
      const closed = update.names.filter(
        (name) => update.initial[name] === 0 || update.exhausted.includes(name),
      );
      if (closed.length === update.names.length) return;
      for (const name of closed) assert.equal(weights[name], 0);
      assert.ok(rails.filter(({ rail }) => rail === "repeat").every(({ domain }) => closed.includes(domain)));
    }),
    { numRuns: 1000 },
  );
});

const { command, missing } = python("numpy");

/** Reads cases, prints what the twin makes of each: its update, and its rails on what was asked here. */
const TWIN = `
import json, sys
from headrace.policy import apply_rails, parse_policy, update_weights
for case in json.load(sys.stdin):
    policy = parse_policy(case["policy"], case["names"])
    update = update_weights(policy, case["current"], case["losses"], case["batchRows"], case["exhausted"])
    closed = {name for name in case["names"] if policy.initial[name] == 0} | set(case["exhausted"])
    rails = (case["asked"], []) if policy.rails is None else apply_rails(case["asked"], case["current"], policy.rails, case["batchRows"], closed)
    print(json.dumps({"asked": update.asked, "weights": update.weights, "railed": rails[0], "actions": rails[1]}))
`;

describe("the Python twin", { skip: missing }, () => {
  test("comes to the same weights to 1e-12, and from the same asked weights to the same bits and actions", () => {
    const cases = fc.sample(updates, { numRuns: 400, seed: 5 });
    const input = cases.map((update) => ({
      ...update,
      policy: policyOf(update),
      asked: updated(update).asked,
    }));
    const answers = askTwin(command, TWIN, input) as readonly Record<
      "asked" | "weights" | "railed" | "actions",
      Readonly<Record<string, number>>
    >[];
    assert.equal(answers.length, cases.length);
    cases.forEach((update, i) => {
      const ours = updated(update);
      const theirs = answers[i]!;
      for (const name of update.names as DomainName[])
        for (const [seen, expected] of [
          [theirs.asked[name], ours.asked[name]],
          [theirs.weights[name], ours.weights[name]],
        ])
          assert.ok(Math.abs(seen! - expected!) < 1e-12, `case ${i}, ${name}: ${seen}, here ${expected}`);
      assert.deepEqual(theirs.railed, ours.weights);
      assert.deepEqual(theirs.actions, ours.rails);
    });
  });
});
