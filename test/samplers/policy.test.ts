import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  type DomainLosses,
  type DomainName,
  type DomainWeights,
  domainWeights,
  SLIMPAJAMA_DOMAINS,
} from "../../core/domain.ts";
import {
  clampRule,
  LLAMA_2_7B_REFERENCE,
  LLAMA_WEIGHTS,
  lossDriven,
  parsePolicy,
  resolvePolicy,
  SHEARED_1300M_REFERENCE,
  SHEARED_2700M_REFERENCE,
  SHEARED_WEIGHTS,
  SHEARING_CONTINUED_START,
  SHEARING_PRUNING_START,
  softmaxRule,
  uniformWeights,
  updateWeights,
} from "../../samplers/index.ts";

const REFERENCE = LLAMA_2_7B_REFERENCE.losses;
const UNIFORM = uniformWeights(SLIMPAJAMA_DOMAINS);
/** LLM-Shearing's set order: cc github book stackexchange wiki arxiv c4-rp. */
const SHEARING_ORDER = ["commoncrawl", "github", "book", "stackexchange", "wikipedia", "arxiv", "c4"];
const batchTokens = 3584 * 4096;

function byName(values: readonly number[], names: readonly string[] = SLIMPAJAMA_DOMAINS): DomainLosses {
  return Object.fromEntries(names.map((name, i) => [name, values[i]!]));
}

/** The figures are printed to 12 digits. */
function assertClose(actual: DomainWeights, expected: DomainLosses, tolerance = 1e-11): void {
  for (const name of Object.keys(actual) as DomainName[])
    assert.ok(
      Math.abs(actual[name]! - expected[name]!) <= tolerance,
      `${name} is ${actual[name]}, expected ${expected[name]}`,
    );
}

describe("the published rules give the published numbers", () => {
  const t1 = byName([1.728, 2.117, 0.705, 1.572, 2.071, 1.287, 1.491]);
  const t2 = byName([2.05, 2.45, 0.95, 1.8, 2.3, 1.55, 1.78]);

  test("softmax from LLaMA's weights (T1)", () => {
    const expected = [
      0.668747965381, 0.150602478271, 0.043612126682, 0.042559060516, 0.0501237068, 0.025214532935,
      0.019140129414,
    ];
    assertClose(softmaxRule(LLAMA_WEIGHTS, t1, REFERENCE), byName(expected));
  });
  test("clamp from LLaMA's weights (T1)", () => {
    const expected = [
      0.668203876468, 0.1504688893, 0.043563300647, 0.043278874092, 0.050069721977, 0.025180282365,
      0.019235055152,
    ];
    assertClose(clampRule(LLAMA_WEIGHTS, t1, REFERENCE), byName(expected));
  });
  test("softmax from uniform weights, three updates in a row (T2, T2b, T2c)", () => {
    const first = softmaxRule(UNIFORM, t2, REFERENCE);
    assertClose(
      first,
      byName([
        0.149844227722, 0.152383461661, 0.134672239822, 0.129204688409, 0.152327541886, 0.142660955161,
        0.13890688534,
      ]),
    );
    const second = softmaxRule(first, byName([1.95, 2.32, 0.84, 1.7, 2.2, 1.43, 1.66]), REFERENCE);
    assertClose(
      second,
      byName([
        0.158451624285, 0.159024502165, 0.12671704111, 0.11780944244, 0.163746843334, 0.140780938282,
        0.133469608384,
      ]),
    );
    const third = softmaxRule(second, byName([1.9, 2.26, 0.79, 1.66, 2.15, 1.38, 1.61]), REFERENCE);
    assertClose(
      third,
      byName([
        0.167087934372, 0.163847531114, 0.118901935167, 0.108199011239, 0.175532943587, 0.138540591304,
        0.127890053218,
      ]),
    );
  });
  test("clamp from uniform weights (T2)", () => {
    const expected = [
      0.1498449265, 0.152384414388, 0.13467142125, 0.129203323027, 0.152328489021, 0.14266093554,
      0.138906490275,
    ];
    assertClose(clampRule(UNIFORM, t2, REFERENCE), byName(expected));
  });
  test("softmax from LLM-Shearing's pruning start with its 1.3B targets (T3)", () => {
    assertClose(
      softmaxRule(
        SHEARING_PRUNING_START,
        byName([2.4, 1.05, 2.62, 2.05, 2.3, 1.8, 2.75], SHEARING_ORDER),
        SHEARED_1300M_REFERENCE.losses,
      ),
      byName(
        [
          0.649880791246, 0.038279901893, 0.045671048625, 0.019463788905, 0.048508851358, 0.022385276787,
          0.175810341185,
        ],
        SHEARING_ORDER,
      ),
    );
  });
  test("softmax from LLM-Shearing's continued start with its 2.7B targets (T4)", () => {
    assertClose(
      softmaxRule(
        SHEARING_CONTINUED_START,
        byName([1.9105, 0.7012, 2.0444, 1.5401, 1.6022, 1.3391, 2.1007], SHEARING_ORDER),
        SHEARED_2700M_REFERENCE.losses,
      ),
      byName(
        [
          0.215565884185, 0.000205832699, 0.075695399119, 0.006094340777, 0.008844496275, 0.000943901197,
          0.69265014575,
        ],
        SHEARING_ORDER,
      ),
    );
  });
  test("softmax lifts a weight of 0 to c / n (T5)", () => {
    const start = domainWeights({ ...LLAMA_WEIGHTS, github: 0, commoncrawl: 0.715 }, SLIMPAJAMA_DOMAINS);
    const expected = [
      0.712724104568, 0.150404378517, 0.000014285714, 0.042503092586, 0.050057787529, 0.025181381845,
      0.019114969241,
    ];
    assertClose(softmaxRule(start, t1, REFERENCE), byName(expected));
  });
  test("clamp leaves a weight of 0 at 0", () => {
    const start = domainWeights({ ...LLAMA_WEIGHTS, github: 0, commoncrawl: 0.715 }, SLIMPAJAMA_DOMAINS);
    assert.equal(clampRule(start, t1, REFERENCE)["github" as DomainName], 0);
  });
  test("below every reference clamp changes nothing and softmax only smooths (T6)", () => {
    const losses = byName(SLIMPAJAMA_DOMAINS.map((name) => REFERENCE[name]! - 0.1));
    assertClose(clampRule(SHEARED_WEIGHTS, losses, REFERENCE), SHEARED_WEIGHTS, 1e-15);
    const expected = [
      0.360978185714, 0.491965085714, 0.008013485714, 0.031011185714, 0.091005185714, 0.007013585714,
      0.010013285714,
    ];
    assertClose(softmaxRule(SHEARED_WEIGHTS, losses, REFERENCE), byName(expected));
  });
  test("a lasting gap on one domain collapses the mix in 80 updates (T7)", () => {
    const drift = (start: DomainWeights, domain: string, gap: number) => {
      const losses = byName(SLIMPAJAMA_DOMAINS.map((name) => REFERENCE[name]! + (name === domain ? gap : 0)));
      let weights = start;
      for (let update = 0; update < 80; update++) weights = softmaxRule(weights, losses, REFERENCE);
      return weights;
    };
    const uniform = drift(UNIFORM, "commoncrawl", 0.1);
    assertClose(uniform, byName([0.997084765837, ...Array.from({ length: 6 }, () => 0.000485872361)]));
    assert.ok(
      Math.abs(drift(LLAMA_WEIGHTS, "github", 0.5)["github" as DomainName]! - 0.999782162448) < 1e-11,
    );
  });
});

describe("the rules' invariances", () => {
  const shares = fc
    .array(fc.double({ min: 1e-6, max: 1, noNaN: true }), { minLength: 7, maxLength: 7 })
    .map((values) => {
      const sum = values.reduce((total, value) => total + value, 0);
      return domainWeights(byName(values.map((value) => value / sum)), SLIMPAJAMA_DOMAINS);
    });
  const losses = fc
    .array(fc.double({ min: 0.1, max: 5, noNaN: true }), { minLength: 7, maxLength: 7 })
    .map((values) => byName(values));

  test("softmax does not see a constant added to every loss", () => {
    fc.assert(
      fc.property(shares, losses, fc.double({ min: -3, max: 3, noNaN: true }), (weights, seen, shift) => {
        const moved = byName(SLIMPAJAMA_DOMAINS.map((name) => seen[name]! + shift));
        assertClose(softmaxRule(weights, moved, REFERENCE), softmaxRule(weights, seen, REFERENCE), 1e-12);
      }),
    );
  });
  test("clamp does not either while no domain is below its reference", () => {
    fc.assert(
      fc.property(shares, losses, fc.double({ min: 0, max: 3, noNaN: true }), (weights, above, shift) => {
        const seen = byName(SLIMPAJAMA_DOMAINS.map((name) => REFERENCE[name]! + above[name]!));
        const moved = byName(SLIMPAJAMA_DOMAINS.map((name) => seen[name]! + shift));
        assertClose(clampRule(weights, moved, REFERENCE), clampRule(weights, seen, REFERENCE), 1e-12);
      }),
    );
  });
  test("without smoothing the two rules are one while no domain is below its reference", () => {
    fc.assert(
      fc.property(shares, losses, (weights, above) => {
        const seen = byName(SLIMPAJAMA_DOMAINS.map((name) => REFERENCE[name]! + above[name]!));
        assertClose(
          softmaxRule(weights, seen, REFERENCE, { eta: 1, smoothing: 0 }),
          clampRule(weights, seen, REFERENCE),
          1e-12,
        );
      }),
    );
  });
  test("another order of domains gives the same weights in that order", () => {
    fc.assert(
      fc.property(
        shares,
        losses,
        fc.shuffledSubarray([...SLIMPAJAMA_DOMAINS], { minLength: 7 }),
        (weights, seen, order) => {
          const reordered = domainWeights(
            Object.fromEntries(order.map((name) => [name, weights[name]!])),
            order,
          );
          for (const rule of [softmaxRule, clampRule]) {
            const result = rule(reordered, seen, REFERENCE);
            assert.deepEqual(Object.keys(result), order);
            assertClose(result, rule(weights, seen, REFERENCE), 1e-12);
          }
        },
      ),
    );
  });
  test("softmax keeps every weight at c / n or more", () => {
    fc.assert(
      fc.property(shares, losses, (weights, seen) => {
        for (const weight of Object.values(softmaxRule(weights, seen, REFERENCE)))
          assert.ok(weight >= 1e-4 / 7 - 1e-18, `${weight}`);
      }),
    );
  });
});

describe("losses that no rule takes", () => {
  const losses = byName([2, 2, 2, 2, 2, 2, 2]);
  for (const rule of [softmaxRule, clampRule]) {
    test(`${rule.name} refuses a NaN and names the domain`, () => {
      assert.throws(() => rule(LLAMA_WEIGHTS, { ...losses, ...byName([Number.NaN], ["book"]) }, REFERENCE), {
        code: "ERR_LOSS",
        message: 'loss for domain "book" is NaN; every weighted domain needs a finite one',
      });
    });
    test(`${rule.name} refuses a missing domain and names it`, () => {
      const { ["arxiv" as DomainName]: _, ...six } = losses;
      assert.throws(() => rule(LLAMA_WEIGHTS, six, REFERENCE), {
        code: "ERR_LOSS",
        message: 'loss for domain "arxiv" is missing; every weighted domain needs a finite one',
      });
      assert.throws(() => rule(LLAMA_WEIGHTS, losses, six), {
        code: "ERR_LOSS",
        message: /^reference loss for domain "arxiv"/,
      });
    });
    test(`${rule.name} ignores losses of other sets`, () => {
      assert.deepEqual(
        rule(LLAMA_WEIGHTS, { ...losses, ...byName([2.6], ["hellaswag"]) }, REFERENCE),
        rule(LLAMA_WEIGHTS, losses, REFERENCE),
      );
    });
  }
});

describe("resolvePolicy", () => {
  test("knows the published names", () => {
    const resolve = (name: string) => resolvePolicy(name, SLIMPAJAMA_DOMAINS, { batchTokens });
    assert.deepEqual(resolve("llama"), { kind: "static", name: "llama", weights: LLAMA_WEIGHTS });
    assert.deepEqual(resolve("sheared"), { kind: "static", name: "sheared", weights: SHEARED_WEIGHTS });
    assert.deepEqual(resolve("uniform"), { kind: "static", name: "uniform", weights: UNIFORM });
    assert.deepEqual(resolve("dynamic-llama"), {
      kind: "loss-driven",
      name: "dynamic-llama",
      rule: "softmax",
      eta: 1,
      smoothing: 1e-4,
      initial: LLAMA_WEIGHTS,
      reference: LLAMA_2_7B_REFERENCE,
      everyTokens: 2.5e9,
      everyBatches: 170,
      rails: { floorRows: 1, ceiling: 0.9, step: 2 },
    });
    assert.deepEqual(resolve("dynamic-uniform"), {
      ...resolve("dynamic-llama"),
      name: "dynamic-uniform",
      initial: UNIFORM,
    });
  });
  test("takes a JSON list in domain order and a JSON object by name", () => {
    const weights = domainWeights({ c4: 0.25, book: 0.75 });
    const expected = { kind: "static", name: "custom", weights };
    assert.deepEqual(resolvePolicy("[0.25, 0.75]", ["c4", "book"], { batchTokens }), expected);
    assert.deepEqual(resolvePolicy('{"book":0.75,"c4":0.25}', ["c4", "book"], { batchTokens }), expected);
  });
  test("drops the rails as published", () => {
    const policy = resolvePolicy("dynamic-uniform", SLIMPAJAMA_DOMAINS, { batchTokens, asPublished: true });
    assert.equal(policy.kind === "loss-driven" && policy.rails, null);
  });
  test("refuses a published domain that has no shards, and says what to do", () => {
    assert.throws(() => resolvePolicy("llama", ["c4", "book"], { batchTokens }), {
      code: "ERR_DOMAIN",
      message:
        "policy llama gives weight to commoncrawl, github, wikipedia, arxiv, stackexchange, which has no shards here; give weights for c4, book as a JSON list, or use uniform",
    });
  });
  test("refuses what is neither a name nor weights", () => {
    const resolve = (text: string) => () => resolvePolicy(text, ["c4", "book"], { batchTokens });
    assert.throws(resolve("shared"), {
      code: "ERR_ARGUMENT",
      message:
        'no policy is called "shared"; known: llama, sheared, uniform, proportional, temperature=T, unimax=N, dynamic-llama, dynamic-uniform, or a JSON list of 2 weights',
    });
    assert.throws(resolve("[1]"), { code: "ERR_WEIGHTS", message: /lists 1 weights for 2 domains/ });
    assert.throws(resolve("[0.5, 0.4]"), { code: "ERR_WEIGHTS", message: /sum to 0.9; they must sum to 1/ });
    assert.throws(resolve("[1.5, -0.5]"), { code: "ERR_WEIGHTS", message: /"book" is -0.5/ });
    assert.throws(resolve('["a", 1]'), { code: "ERR_WEIGHTS", message: /"c4" is a;/ });
    assert.throws(resolve('{"github": 1}'), { code: "ERR_DOMAIN", message: /"github"/ });
    assert.throws(resolve('"c4"'), { code: "ERR_PARSE" });
  });
  test("refuses an interval shorter than a batch", () => {
    assert.throws(
      () => resolvePolicy("dynamic-uniform", SLIMPAJAMA_DOMAINS, { batchTokens: 100, everyTokens: 99 }),
      {
        code: "ERR_ARGUMENT",
        message: "an update each 99 tokens is less than a batch of 100; ask for at least 100",
      },
    );
  });
  test("refuses a loss-driven policy without a reference for each domain", () => {
    assert.throws(() => resolvePolicy("dynamic-uniform", ["c4", "patents"], { batchTokens }), {
      code: "ERR_LOSS",
      message: /have none for domain "patents"; measure them on these shards with headrace reference$/,
    });
    assert.throws(() => resolvePolicy("dynamic-uniform", ["c4"], { batchTokens, reference: "llama-3" }), {
      code: "ERR_ARGUMENT",
      message: /^no reference losses are called "llama-3"; known: llama-2-7b, /,
    });
  });
  test("gives what parsePolicy reads back unchanged", () => {
    for (const name of ["sheared", "dynamic-llama"]) {
      const policy = resolvePolicy(name, SLIMPAJAMA_DOMAINS, { batchTokens });
      assert.deepEqual(parsePolicy(JSON.parse(JSON.stringify(policy)), "policy"), policy);
    }
  });
});

describe("updateWeights", () => {
  const domains = ["c4", "book", "arxiv"];
  const initial = domainWeights({ c4: 0.6, book: 0.4, arxiv: 0 });
  const reference = { source: "made up", losses: byName([2, 2, 2], domains) };
  const losses = byName([2.1, 2, 3], domains);

  test("keeps a withdrawn domain at 0 under the rails, and lists it", () => {
    const policy = lossDriven("custom", initial, domains, { batchTokens, reference });
    const { weights, rails } = updateWeights(policy, initial, losses, { batchRows: 64 });
    assert.equal(weights["arxiv" as DomainName], 0);
    assert.deepEqual(rails, [{ rail: "repeat", domain: "arxiv", from: 1e-4 / 3, to: 0 }]);
  });
  test("keeps an exhausted domain at 0 under the rails", () => {
    const policy = lossDriven("custom", initial, domains, { batchTokens, reference });
    const { weights } = updateWeights(policy, initial, losses, { batchRows: 64, exhausted: ["book"] });
    assert.deepEqual(weights, { c4: 1, book: 0, arxiv: 0 });
  });
  test("is the rule alone as published", () => {
    const policy = lossDriven("custom", initial, domains, { batchTokens, reference, asPublished: true });
    const { weights, asked, rails } = updateWeights(policy, initial, losses, {
      batchRows: 64,
      exhausted: ["book"],
    });
    assert.deepEqual(weights, softmaxRule(initial, losses, reference.losses));
    assert.deepEqual(asked, weights);
    assert.deepEqual(rails, []);
  });
});
