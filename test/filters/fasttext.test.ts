import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type OwnDocument, openOwnFilter, ownScore, parseOwnSpec, SCORE_UNIT } from "../../filters/index.ts";
import { featuresOf } from "../../filters/own/fasttext/features.ts";
import { readFastText } from "../../filters/own/fasttext/model-file.ts";
import { predictor } from "../../filters/own/fasttext/predict.ts";
import { ROOT, temporaryFolder } from "../support.ts";

const FOLDER = join(ROOT, "fixtures/own/fasttext");
const oracle = JSON.parse(readFileSync(join(FOLDER, "answers.json"), "utf8")) as {
  readonly texts: readonly string[];
  readonly answers: Readonly<Record<string, readonly Readonly<Record<string, number>>[]>>;
};
const root = temporaryFolder();

function document(text: string): OwnDocument {
  return { text, url: null, source: "a.jsonl", line: 1, domain: "c4", tokens: Uint16Array.of() };
}

for (const [name, answers] of Object.entries(oracle.answers))
  test(`${name}: every probability that fastText reports is met to 1e-5`, async () => {
    const model = await readFastText(join(FOLDER, name));
    const features = featuresOf(model);
    let compared = 0;
    for (const [l, label] of model.dictionary.labels.entries()) {
      const predict = predictor(model, l);
      for (const [t, text] of oracle.texts.entries()) {
        const expected = answers[t]![label.replace("__label__", "")];
        if (expected === undefined) continue;
        const found = predict(features(Buffer.from(text)))!;
        assert.ok(
          Math.abs(found - expected) < 1e-5,
          `${label} of ${JSON.stringify(text)}: ${found}, not ${expected}`,
        );
        compared++;
      }
    }
    assert.ok(compared > oracle.texts.length, `${compared} compared`);
  });

test("a model is a filter of one label, whose scores are the probabilities on the grid of scores", async () => {
  const path = join(FOLDER, "softmax.bin");
  const filter = await openOwnFilter(parseOwnSpec(`book=${path}:low,label=RedPajamaBook`));
  const values = await filter.values(oracle.texts.map(document));
  for (const [t, value] of values.entries()) {
    const expected = oracle.answers["softmax.bin"]![t]!["RedPajamaBook"]!;
    assert.ok(Math.abs((ownScore(filter, value) as number) / SCORE_UNIT - expected) < 2e-5);
  }
  assert.deepEqual([filter.dropWhen, filter.cut], ["low", 0.5]);
  const other = await openOwnFilter(parseOwnSpec(`book=${path}:low,label=__label__RedPajamaC4`));
  assert.notEqual(filter.sha256, other.sha256);
});

test("a text that is read as one line has the features of that line, whatever breaks it", async () => {
  const features = featuresOf(await readFastText(join(FOLDER, "subwords.bin")));
  const rows = (text: string) => [...features(Buffer.from(text))];
  assert.deepEqual(rows("the whale\nand the\r\n\r\nsea\n"), rows("the whale and the sea"));
  assert.notDeepEqual(rows("the whale"), rows("whale the"));
  assert.deepEqual(rows("the </s> whale"), rows("the"));
});

test("what is no model that classifies is refused by name, and a label that it does not have", async () => {
  for (const [spec, code, message] of [
    [
      `f=${join(FOLDER, "vectors.bin")}:high,label=x`,
      "ERR_FILTER",
      /is a skipgram model: it has word vectors and no labels/,
    ],
    [`f=${join(FOLDER, "softmax.bin")}:high`, "ERR_ARGUMENT", /give label=, one of .*RedPajamaC4/],
    [
      `f=${join(FOLDER, "softmax.bin")}:high,label=spam`,
      "ERR_ARGUMENT",
      /has label=spam, which .* does not know; it has/,
    ],
    [`f=${join(FOLDER, "labels.ftz")}:high,label=spam`, "ERR_ARGUMENT", / and 290 more/],
    [
      `f=${join(FOLDER, "softmax.bin")},label=RedPajamaC4`,
      "ERR_ARGUMENT",
      /does not say whether high or low/,
    ],
    [
      `f=fasttext:${join(FOLDER, "make.py")}:high,label=x`,
      "ERR_FILTER",
      /is no fastText model: it does not begin with/,
    ],
    [`f=${join(FOLDER, "none.bin")}:high,label=x`, "ERR_INPUT", /none\.bin cannot be read \(ENOENT/],
  ] as const)
    await assert.rejects(async () => openOwnFilter(parseOwnSpec(spec)), { code, message }, spec);
});

test("a model cut at any byte, or with bytes after its end, is one clear error; a damaged one never more than an error", async () => {
  for (const name of ["subwords.bin", "pruned.ftz"]) {
    const bytes = readFileSync(join(FOLDER, name));
    mkdirSync(join(root, name));
    const open = (label: string, content: Uint8Array) => {
      const path = join(root, name, label);
      writeFileSync(path, content);
      return readFastText(path);
    };
    for (let cut = 0; cut < bytes.length; cut += 1 + Math.floor(bytes.length / 97))
      await assert.rejects(open(`${cut}`, bytes.subarray(0, cut)), {
        code: "ERR_FILTER",
        message: cut < 8 ? /is no fastText model/ : /it is cut or damaged|says that it/,
      });
    await assert.rejects(open("more", Buffer.concat([bytes, Buffer.alloc(3)])), {
      code: "ERR_FILTER",
      message: /output matrix has 3 bytes after its end; copy the file again/,
    });
    for (let at = 8; at < bytes.length; at += 41) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0xff;
      try {
        const model = await open("damaged", damaged);
        predictor(model, 0)(featuresOf(model)(Buffer.from("the whale and the sea")));
      } catch (error) {
        assert.equal((error as { readonly code?: string }).code, "ERR_FILTER", `${name} ${at}: ${error}`);
      }
    }
  }
});
