import assert from "node:assert/strict";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type OwnDocument, openOwnFilter, ownScore, parseOwnSpec } from "../../filters/index.ts";
import { EMBEDDINGS, LABELS, LAYER, OFFSETS, SIZE, VOCABULARY } from "../../fixtures/own/onnx/weights.ts";
import { build } from "../../pipeline/index.ts";
import { tree, writeCorpus } from "../pipeline/corpus.ts";
import { optionalPackage, ROOT, temporaryFolder } from "../support.ts";

const MODEL = join(ROOT, "fixtures/own/onnx/model");
const root = temporaryFolder();
const skip = optionalPackage("@huggingface/transformers");

const TEXTS = [
  "buy now, the price is free",
  "The mill wheel",
  "water",
  "",
  "unknown words here . . .",
  Array.from({ length: 300 }, (_, i) => VOCABULARY[4 + (i % 18)]).join(" "),
  "river ".repeat(40),
];

function document(text: string): OwnDocument {
  return { text, url: null, source: "a.jsonl", line: 1, domain: "c4", tokens: Uint16Array.of() };
}

/** What the model must say, computed from its weights: of [CLS], up to 62 words and [SEP]. */
function expected(text: string, label: number): number {
  const words = text.toLowerCase().match(/[a-z]+|[.,]/g) ?? [];
  const ids = ["[CLS]", ...words.slice(0, 62), "[SEP]"].map((word) => Math.max(1, VOCABULARY.indexOf(word)));
  const mean = Array.from(
    { length: SIZE },
    (_, i) => ids.reduce((sum, id) => sum + EMBEDDINGS[id]![i]!, 0) / ids.length,
  );
  const logits = LABELS.map((_, l) =>
    mean.reduce((sum, value, i) => sum + value * LAYER[i]![l]!, OFFSETS[l]!),
  );
  const exps = logits.map(Math.exp);
  return exps[label]! / (exps[0]! + exps[1]!);
}

test("the probability of a label is what the weights give, of short, long and empty texts", {
  skip,
}, async () => {
  const filter = await openOwnFilter(parseOwnSpec(`loud=onnx:${MODEL}:high,label=loud`));
  const values = (await filter.values(TEXTS.map(document))) as readonly number[];
  for (const [i, text] of TEXTS.entries())
    assert.ok(Math.abs(values[i]! - expected(text, 1)) < 1e-6, `${text.slice(0, 20)}: ${values[i]}`);
  assert.equal(filter.cut, 0.5);
});

test("a score is the same alone and beside any others, in any order", { skip }, async () => {
  const filter = await openOwnFilter(parseOwnSpec(`loud=onnx:${MODEL}:high,label=loud`));
  const scores = async (texts: readonly string[]) =>
    (await filter.values(texts.map(document))).map((value) => ownScore(filter, value));
  const many = Array.from({ length: 5 }, () => TEXTS).flat();
  const together = await scores(many);
  for (const [i, text] of TEXTS.entries()) assert.deepEqual(await scores([text]), [together[i]]);
  assert.deepEqual((await scores(many.toReversed())).toReversed(), together);
});

test("only a band of a cheap filter's scores reaches the model, and a build has the same bytes from two workers", {
  skip,
}, async () => {
  const corpus = join(root, "in");
  writeCorpus(corpus, 1, 60);
  const options = {
    inputs: [corpus],
    filters: [],
    ownFilters: ["short=length:words:low", `loud=onnx:${MODEL}:high,label=loud,band=short:0.05..0.1`],
    drop: "loud=1:flagged",
  };
  const one = await build({ ...options, out: join(root, "one"), workers: 1 });
  assert.ok(one.dropped["loud"]! > 0 && one.quarantined === 0);
  await build({ ...options, out: join(root, "two"), workers: 2 });
  assert.deepEqual(tree(join(root, "two")), tree(join(root, "one")));
});

test("what is missing or cannot be run is one line with the way out; what decides a score is its identity", {
  skip,
}, async () => {
  const copy = (name: string) => {
    cpSync(MODEL, join(root, name), { recursive: true });
    return join(root, name);
  };
  const bare = copy("bare");
  rmSync(join(bare, "onnx/model.onnx"));
  const broken = copy("broken");
  writeFileSync(join(broken, "onnx/model.onnx"), "no graph");
  mkdirSync(join(root, "empty"));
  for (const [spec, code, message] of [
    [`o=onnx:${MODEL}:high`, "ERR_ARGUMENT", /give label=, one of plain, loud/],
    [
      `o=onnx:${MODEL}:high,label=x`,
      "ERR_ARGUMENT",
      /has label=x, which .* does not know; it has plain, loud/,
    ],
    [`o=onnx:${MODEL},label=loud`, "ERR_ARGUMENT", /does not say whether high or low/],
    [`o=onnx:${MODEL}:high,label=loud,tokens=65`, "ERR_ARGUMENT", /has tokens=65; the model takes up to 64/],
    [`o=onnx:${MODEL}:high,label=loud,dtype=q8`, "ERR_INPUT", /has no onnx\/model_quantized\.onnx/],
    [
      `o=onnx:${bare}:high,label=loud`,
      "ERR_INPUT",
      /has no onnx\/model\.onnx; give a folder as "optimum-cli/,
    ],
    [`o=onnx:${join(root, "empty")}:high,label=loud`, "ERR_INPUT", /has no config\.json/],
    [`o=onnx:${broken}:high,label=loud`, "ERR_FILTER", /is no classifier that transformers\.js can run/],
  ] as const)
    await assert.rejects(async () => openOwnFilter(parseOwnSpec(spec)), { code, message }, spec);
  const hash = async (folder: string, more = "") =>
    (await openOwnFilter(parseOwnSpec(`o=onnx:${folder}:high,label=loud${more}`))).sha256;
  const changed = copy("changed");
  writeFileSync(
    join(changed, "tokenizer_config.json"),
    '{"tokenizer_class":"BertTokenizer","model_max_length":64}',
  );
  const hashes = [await hash(MODEL), await hash(MODEL, ",tokens=32"), await hash(changed)];
  assert.equal(new Set(hashes).size, 3);
  assert.equal(await hash(copy("same")), hashes[0]);
});
