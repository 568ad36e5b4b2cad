import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "../../core/hash.ts";
import {
  BUILT_IN_FILTERS,
  EARLIER_MODELS,
  filterOf,
  formatModel,
  loadFilter,
  parseModel,
  readModel,
} from "../../filters/index.ts";
import { ROOT } from "../support.ts";

const FOLDER = join(ROOT, "filters/models");
const LLAMA_2 = readModel("ads").tokenizer!;

for (const file of readdirSync(FOLDER)) {
  const text = readFileSync(join(FOLDER, file), "utf8");

  test(`${file} is small, says what it was trained on, and is written as formatModel writes it`, () => {
    assert.ok(statSync(join(FOLDER, file)).size < 500_000);
    const model = parseModel(text, file);
    assert.equal(formatModel(model), text);
    assert.equal(model.tokenWeights.length, 32_000);
    assert.ok(model.training.metrics.ranking.auc > 0.85 && model.training.metrics.ranking.documents === 1500);
  });

  test(`${file} loads by name for its tokenizer, with the hash of its bytes`, () => {
    const filter = loadFilter(file.replace(".json", ""), LLAMA_2);
    assert.equal(filter.sha256, sha256(text));
    assert.equal(filter.name, file.replace(/(-1)?\.json$/, ""));
    assert.equal(filter.dropWhen, filter.name === "ads" ? "high" : "low");
  });
}

test("every built-in filter has its model", () => {
  assert.deepEqual(
    readdirSync(FOLDER).sort(),
    [...BUILT_IN_FILTERS, ...EARLIER_MODELS].map((name) => `${name}.json`).sort(),
  );
});

test("weights for another tokenizer are refused, with the way out", () => {
  assert.throws(() => loadFilter("ads", "0".repeat(64)), {
    code: "ERR_FILTER",
    message:
      /filter "ads" has weights for the tokenizer [0-9a-f]{12}, the documents have 000000000000; train it/,
  });
});

test("a model that is not there is named, with what could be given", () => {
  assert.throws(() => loadFilter("spam", LLAMA_2), {
    code: "ERR_INPUT",
    message:
      /filter "spam" cannot be read \(ENOENT.*give ads, fluency, .*c4-quality.* or the path of a model file/,
  });
});

const TEXT = readFileSync(join(FOLDER, "ads.json"), "utf8");
const EARLIER = readFileSync(join(FOLDER, "ads-1.json"), "utf8");

function changed(change: (model: ReturnType<typeof JSON.parse>) => void, text = TEXT): string {
  const model = JSON.parse(text);
  change(model);
  return JSON.stringify(model);
}

const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  ["a cut file", TEXT.slice(0, 1000), /m.json is not JSON/],
  [
    "another format",
    changed((m) => (m["format"] = "headrace-filter/3")),
    /m.json.format is "headrace-filter\/3"/,
  ],
  ["an unknown field", changed((m) => (m["extra"] = 1)), /m.json.extra is 1; expected no such field/],
  [
    "a kind of feature from a later version",
    changed((m) => m["features"].push({ kind: "bigrams" })),
    /m.json.features\[\d+\] is of the kind "bigrams"; known: tokens, presence, measure, products; use the version/,
  ],
  [
    "a kind of feature that its format does not have",
    changed((m) => m["features"].push({ kind: "products" }), EARLIER),
    /m.json.features\[\d+\] is of the kind "products"; known: tokens, measure; use the version/,
  ],
  ["a field that its format does not have", changed((m) => (m["reads"] = {}), EARLIER), /m.json.reads is/],
  ["nothing about what it reads", changed((m) => delete m["reads"]), /m.json.reads is/],
  [
    "a value missing in products",
    changed((m) => m["features"].at(-1).tables[0].values.pop()),
    /has \d+ values for the \d+ edges of the;/,
  ],
  [
    "a value so large that products would not be exact",
    changed((m) => (m["features"].at(-1).tables[0].values[0] = 1024)),
    /tables\[0\].values\[0\] is 1024/,
  ],
  [
    "a pair too few",
    changed((m) => m["features"].at(-1).tables.pop()),
    /has 153 weights for the 136 pairs of its 17 measures/,
  ],
  [
    "products of so many measures that they would not be exact",
    changed((m) => {
      const products = m["features"].at(-1);
      products.tables = Array.from({ length: 23 }, () => products.tables[0]);
    }),
    /has products of 23 measures, more than 22/,
  ],
  [
    "two features of products",
    changed((m) => m["features"].push(m["features"].at(-1))),
    /has 2 features of products/,
  ],
  [
    "a table with a weight missing",
    changed((m) => m["features"][1].weights.pop(), EARLIER),
    /filter model m.json has \d+ weights for the \d+ edges of longestLine; restore it or train it again/,
  ],
  [
    "edges out of order",
    changed((m) => m["features"][1].edges.reverse(), EARLIER),
    /has edges of longestLine that do not ascend/,
  ],
  [
    "token weights for a smaller vocabulary",
    changed((m) => (m["features"][0].weights = Buffer.alloc(40).toString("base64"))),
    /has 10 token weights, 32000 classes and 32000 lengths of pieces/,
  ],
  [
    "token weights that are no 32-bit integers",
    changed((m) => (m["features"][0].weights = Buffer.alloc(41).toString("base64"))),
    /m.json.features\[0\].weights has 41 bytes/,
  ],
  ["no token weights", changed((m) => m["features"].shift()), /has 0 tables of token weights/],
  [
    "a bias that is no integer",
    changed((m) => (m["bias"] = 0.5)),
    /m.json.bias is 0.5; expected a whole number/,
  ],
  [
    "a piece of an unknown class",
    changed((m) => (m["pieces"].classes = Buffer.alloc(32_000, 99).toString("base64"))),
    /has a piece of an unknown class/,
  ],
];

for (const [what, text, message] of BROKEN)
  test(`a model file with ${what} is refused by name`, () => {
    assert.throws(() => filterOf(text, "m.json"), { message });
  });
