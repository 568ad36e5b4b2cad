import assert from "node:assert/strict";
import { test } from "node:test";
import { mix32 } from "../../core/random.ts";
import {
  BUILT_IN_FILTERS,
  type Contribution,
  EARLIER_MODELS,
  explainScore,
  type Filter,
  filterOf,
  formatModel,
  heaviest,
  loadFilter,
  RULE_SETS,
  readModel,
  SCORE_LIMIT,
  SCORE_UNIT,
} from "../../filters/index.ts";
import { loadTokenizer } from "../../pipeline/index.ts";
import { textOf } from "../pipeline/corpus.ts";

const LLAMA_2 = readModel("ads").tokenizer!;

function sumOf(contributions: readonly Contribution[]): number {
  return contributions.reduce((sum, { weight }) => sum + weight, 0);
}

for (const name of [...BUILT_IN_FILTERS, ...EARLIER_MODELS])
  test(`what ${name} says weighed in sums to its score, for any ids of any number, and each id is within a unit of its own quotient`, () => {
    const filter = readModel(name);
    const { tokenWeights, excerpt } = filter.model;
    for (let seed = 0; seed < 100; seed++) {
      const count = seed === 0 ? 0 : 1 + (mix32(seed) % 2000);
      const range = 1 + (mix32(seed ^ 0x5eed) % 32_000);
      const ids = Uint16Array.from({ length: count + 3 }, (_, i) => mix32(seed * 4099 + i) % range);
      const contributions = explainScore(filter, "", ids, count);
      assert.equal(sumOf(contributions), filter.score("", ids, count), `seed ${seed}`);
      for (const { weight } of contributions) assert.ok(Number.isInteger(weight));
      const tokens = contributions.filter((one) => one.kind === "token");
      assert.equal(
        tokens.reduce((sum, { times }) => sum + times, 0),
        Math.min(count, excerpt.head + excerpt.tail),
      );
      const level = (times: number) => (excerpt.level === "presence" ? 1 : Math.floor(Math.log2(times)) + 1);
      const norm = Math.floor(256 * Math.sqrt(tokens.reduce((sum, { times }) => sum + level(times) ** 2, 0)));
      for (const { id, times, weight } of tokens)
        assert.ok(Math.abs(weight - (256 * level(times) * tokenWeights[id]!) / norm) <= 1, `seed ${seed}`);
    }
  });

test("a score that the range of scores cuts off says how much was cut", () => {
  const { model } = readModel("ads");
  const filter = filterOf(
    formatModel({ ...model, bias: SCORE_LIMIT, tokenWeights: model.tokenWeights.map(() => SCORE_LIMIT) }),
    "far",
  );
  const contributions = explainScore(filter, "", Uint16Array.of(5, 6, 7), 3);
  assert.equal(sumOf(contributions), SCORE_LIMIT - 1);
  const limit = contributions.find(({ kind }) => kind === "limit");
  assert.ok(limit && limit.weight < -SCORE_LIMIT);
});

test("a rule set names the rules that are broken, with what was measured and the bound, a unit each", () => {
  const text = "{ lorem ipsum } ".repeat(40);
  for (const { name, rules } of RULE_SETS) {
    const filter = loadFilter(name, LLAMA_2);
    const contributions = explainScore(filter, text, new Uint16Array(), 0);
    assert.equal(sumOf(contributions), filter.score(text, new Uint16Array(), 0));
    for (const one of contributions) {
      assert.ok(one.kind === "rule" && rules.some((rule) => rule.name === one.name));
      assert.ok(one.brokenWhen === "above" ? one.value > one.bound : one.value < one.bound);
      assert.equal(one.weight, SCORE_UNIT);
    }
  }
  assert.ok(explainScore(loadFilter("c4-quality", LLAMA_2), text, new Uint16Array(), 0).length > 0);
});

test("a filter that does not say what weighed in is one part, its score", () => {
  const filter: Filter = { name: "x", sha256: "", dropWhen: "high", tokenizer: null, score: () => 77 };
  assert.deepEqual(explainScore(filter, "", new Uint16Array(), 0), [{ kind: "whole", weight: 77 }]);
});

test("the heaviest parts come first whatever their sign, and the ids that are left out are summed up", async () => {
  const filter = readModel("ads");
  const ids = (await loadTokenizer("llama-2")).encode(textOf(3, 200));
  const all = explainScore(filter, "", ids, ids.length);
  const told = heaviest(all, 5);
  assert.equal(sumOf(told), filter.score("", ids, ids.length));
  assert.equal(told.filter(({ kind }) => kind === "token").length, 5);
  const lightest = Math.min(
    ...told.filter(({ kind }) => kind === "token").map(({ weight }) => Math.abs(weight)),
  );
  const heavier = all.filter(({ kind, weight }) => kind === "token" && Math.abs(weight) > lightest);
  assert.ok(heavier.length < 5);
  for (const [i, { weight }] of told.entries())
    assert.ok(i === 0 || Math.abs(weight) <= Math.abs(told[i - 1]!.weight));
  assert.deepEqual(heaviest(all, 1e6).length, all.length);
});
