import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type DomainWeights, domainName, domainWeights, SLIMPAJAMA_DOMAINS } from "../../core/domain.ts";
import {
  banditRule,
  clampRule,
  doremiRule,
  LLAMA_WEIGHTS,
  type Measured,
  odmRule,
  simulate,
  velocituneRule,
} from "../../samplers/index.ts";

// In the order cc c4 github wiki book arxiv stack, LLaMA's weights; the references are LLM-Shearing's targets for 1.3B.
const ORDER = ["commoncrawl", "c4", "github", "wikipedia", "book", "arxiv", "stackexchange"].map(domainName);
const by = (values: readonly number[]) => Object.fromEntries(ORDER.map((name, i) => [name, values[i]!]));
const LOSSES = by([2.05, 2.45, 0.95, 1.8, 2.3, 1.55, 1.78]);
const REFERENCE = by([1.9643, 2.1251, 0.7459, 1.759, 2.1393, 1.4449, 1.6117]);
const FIRST = by([2.3, 2.6, 1.2, 1.75, 2.5, 1.7, 1.9]);
const published = { eta: 1, smoothing: 1e-4 };

function assertClose(seen: DomainWeights, expected: readonly number[], within = 1e-11): void {
  for (const [i, name] of ORDER.entries())
    assert.ok(Math.abs(seen[name]! - expected[i]!) < within, `${name}: ${seen[name]} against ${expected[i]}`);
}

describe("rules of other papers", () => {
  test("bandit is LLM-Shearing's own code (b87218b, run in float32 with torch 2.13.0)", () => {
    assertClose(
      banditRule(LLAMA_WEIGHTS, LOSSES, REFERENCE, published),
      [0.219846431, 0.166027027, 0.13247213, 0.112538034, 0.126846405, 0.117611365, 0.124658609],
      1e-7,
    );
  });
  test("doremi is its update in logarithms (numpy 2.4.6), and clamp without smoothing", () => {
    assertClose(
      doremiRule(LLAMA_WEIGHTS, LOSSES, REFERENCE, published),
      [
        0.638081817283, 0.181468200477, 0.048256232313, 0.040996120068, 0.046207314933, 0.024289169799,
        0.020701145128,
      ],
    );
    const clamped = clampRule(LLAMA_WEIGHTS, LOSSES, REFERENCE);
    assertClose(
      doremiRule(LLAMA_WEIGHTS, LOSSES, REFERENCE, { eta: 1, smoothing: 0 }),
      ORDER.map((name) => clamped[name]!),
    );
  });
  test("velocitune moves by the part of the way that is left, and not for a domain that began at its target (numpy 2.4.6)", () => {
    assertClose(
      velocituneRule(LLAMA_WEIGHTS, LOSSES, REFERENCE, FIRST, { eta: 1 }),
      [
        0.60838430293, 0.209143561329, 0.049618539746, 0.031655252096, 0.049423532283, 0.026552202711,
        0.025222608905,
      ],
    );
    // At the first update every domain has its whole way before it, so nothing moves.
    const above = by(ORDER.map((name) => Math.max(LOSSES[name]!, REFERENCE[name]! + 0.1)));
    assertClose(
      velocituneRule(LLAMA_WEIGHTS, above, REFERENCE, above, { eta: 1 }),
      ORDER.map((name) => LLAMA_WEIGHTS[name]!),
    );
  });
  test("odm gives the weights of its authors' Exp3WeightUpdater (edbfdad) for the paper's rewards over 25 updates", () => {
    const measured: Measured[] = [];
    let weights = domainWeights(by(ORDER.map((name) => LLAMA_WEIGHTS[name]!)), ORDER);
    const expected = new Map([
      [1, new Array<number>(7).fill(1 / 7)],
      [
        14,
        [
          0.142852042501, 0.14362785759, 0.141805600639, 0.142697688424, 0.143584119785, 0.142484029635,
          0.142948661427,
        ],
      ],
      [
        25,
        [
          0.147652346545, 0.157433650225, 0.125868777336, 0.14107853833, 0.152463296459, 0.135391519891,
          0.140111871215,
        ],
      ],
    ]);
    for (let update = 1; update <= 25; update++) {
      const losses = by(ORDER.map((name, i) => LOSSES[name]! - (0.01 * update * (i + 1)) / 7));
      measured.push({ weights, losses });
      weights = odmRule(measured);
      if (expected.has(update)) assertClose(weights, expected.get(update)!);
    }
  });
  test("a missing loss is refused by each, a domain that was not drawn keeps its reward", () => {
    const { [ORDER[2]!]: _, ...six } = LOSSES;
    for (const act of [
      () => doremiRule(LLAMA_WEIGHTS, six, REFERENCE, published),
      () => banditRule(LLAMA_WEIGHTS, six, REFERENCE, published),
      () => velocituneRule(LLAMA_WEIGHTS, LOSSES, REFERENCE, six, published),
      () => odmRule([{ weights: LLAMA_WEIGHTS, losses: six }]),
    ])
      assert.throws(act, { code: "ERR_LOSS", message: /for domain "github" is missing/ });
    const weights = domainWeights(by([0.5, 0.5, 0, 0, 0, 0, 0]), ORDER);
    assert.ok(Number.isFinite(odmRule([{ weights, losses: LOSSES }])[ORDER[2]!]!));
  });
  for (const rule of ["doremi", "bandit", "velocitune", "odm"] as const)
    test(`a 200 B-token run by ${rule} is a schedule of 81 stages`, () => {
      const domains = SLIMPAJAMA_DOMAINS.map((name) => ({ name, tokens: 90e9 }));
      const { schedule } = simulate({
        domains,
        policy: "dynamic-llama",
        tokens: 200e9,
        policyOptions: { rule },
      });
      assert.equal(schedule.stages.length, 81);
      assert.equal(schedule.header.policy.kind === "loss-driven" && schedule.header.policy.rule, rule);
    });
});
