import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readModel, writeModel } from "../../filters/index.ts";
import {
  build,
  curateSetup,
  inspect,
  loadTokenizer,
  planInputs,
  scoreDocuments,
} from "../../pipeline/index.ts";
import { temporaryFolder } from "../support.ts";
import { lineOf, textOf, writeFile } from "./corpus.ts";

const texts = Array.from({ length: 60 }, (_, i) => textOf(i, 25));

async function built() {
  const folder = temporaryFolder();
  writeFile(join(folder, "in/a.jsonl"), texts.map((text) => lineOf(text, "RedPajamaC4")).join(""));
  const out = join(folder, "out");
  await build({ inputs: [join(folder, "in")], out, drop: "ads=0.5:documents", validationTokens: 0 });
  return { folder, out, tokenizer: await loadTokenizer("llama-2") };
}

test("documents near the cut are the nearest on either side, kept below and dropped at or above it, with their own text", async () => {
  const { out, tokenizer } = await built();
  const { documents } = await inspect(
    { dir: out, filter: "ads", nearThreshold: true, documents: 3 },
    tokenizer,
  );
  assert.deepEqual(
    documents.map(({ split }) => split),
    ["train", "train", "train", "dropped", "dropped", "dropped"],
  );
  for (const { score, threshold, split, text, line } of documents) {
    assert.equal(split === "dropped", score >= threshold!);
    assert.equal(text, texts[line - 1]);
  }
  const { documents: all } = await inspect(
    { dir: out, filter: "ads", nearThreshold: false, documents: 100 },
    tokenizer,
  );
  const below = all.filter(({ split }) => split === "train").map(({ score }) => score);
  assert.deepEqual(
    documents.slice(0, 3).map(({ score }) => score),
    below.slice(-3),
  );
});

test("the scores of `score` are those of the shards", async () => {
  const { folder, out, tokenizer } = await built();
  const { documents: inspected } = await inspect(
    { dir: out, filter: "fluency", nearThreshold: false, documents: 100 },
    tokenizer,
  );
  const { files } = await planInputs([join(folder, "in")]);
  const scored = new Map<number, number | undefined>();
  for await (const line of scoreDocuments(files, {}, await curateSetup({})))
    if (line.kind === "scores") scored.set(line.line, line.scores["fluency"]);
  assert.equal(scored.size, 60);
  for (const { line, score } of inspected) assert.equal(score, scored.get(line));
});

test("a filter without scores, a build without a threshold and another tokenizer are refused by name", async () => {
  const { out, tokenizer } = await built();
  await assert.rejects(inspect({ dir: out, filter: "spam", nearThreshold: false, documents: 1 }, tokenizer), {
    code: "ERR_FILTER",
    message: `${out} has no scores of "spam"; it has ads, fluency`,
  });
  await assert.rejects(
    inspect({ dir: out, filter: "fluency", nearThreshold: true, documents: 1 }, tokenizer),
    { code: "ERR_CALIBRATION", message: /leave out --near-threshold/ },
  );
  await assert.rejects(
    inspect(
      { dir: out, filter: "ads", nearThreshold: false, documents: 1 },
      { ...tokenizer, sha256: "0".repeat(64) },
    ),
    { code: "ERR_TOKENIZER", message: /name it with --tokenizer/ },
  );
});

test("what weighed in sums to the stored score, marks stand where their ids are, and the runs are the beginning of the text", async () => {
  const { out, tokenizer } = await built();
  for (const filter of ["ads", "fluency"]) {
    const { documents, unexplained } = await inspect(
      { dir: out, filter, nearThreshold: false, documents: 100, characters: 40 },
      tokenizer,
    );
    assert.equal(unexplained, null);
    assert.equal(documents.length, 60);
    for (const { score, explanation, runs, text } of documents) {
      assert.equal(explanation!.score, score);
      assert.equal(
        explanation!.parts.reduce((sum, { weight }) => sum + weight, 0),
        score,
      );
      const shown = runs.map((run) => run.text).join("");
      assert.ok(text.startsWith(shown) && shown.length >= 39 && shown.length < 60, shown);
      for (const { text, weight } of runs) {
        const told = explanation!.parts.flatMap((part) =>
          part.kind === "token" && part.text.trim() === text.trim() ? [part.weight / part.times] : [],
        );
        if (weight !== 0) assert.ok(told.includes(weight), `${text} weighs ${weight}`);
      }
      assert.ok(runs.some(({ weight }) => weight !== 0));
    }
  }
});

test("bytes of one character are one stretch, controls are spelled out, and a megabyte on one line is told by its beginning", async () => {
  const folder = temporaryFolder();
  const wild = "x</script><b>\u0007\u202e\u{1f6b0}\u{10fffd} \u05e9\u05dc\u05d5\u05dd \ufffd";
  const long = `free ${"a".repeat(1_000_000)}`;
  writeFile(join(folder, "in/a.jsonl"), [wild, long].map((text) => lineOf(text, "RedPajamaC4")).join(""));
  const out = join(folder, "out");
  await build({ inputs: [join(folder, "in")], out, validationTokens: 0 });
  const { documents } = await inspect(
    { dir: out, filter: "ads", nearThreshold: false, documents: 2, characters: 100 },
    await loadTokenizer("llama-2"),
  );
  const [first, second] = [1, 2].map((line) => documents.find((one) => one.line === line)!);
  assert.equal(first!.text, wild);
  assert.equal(
    first!.runs.map(({ text }) => text).join(""),
    "x</script><b>\u2407\u27e8U+202E\u27e9\u{1f6b0}\u{10fffd} \u05e9\u05dc\u05d5\u05dd \ufffd",
  );
  assert.equal(second!.text, long);
  assert.ok(second!.runs.map(({ text }) => text).join("").length < 200);
  for (const { score, explanation } of documents) assert.equal(explanation!.score, score);
});

test("near a cut only documents that reach the filter count, and a drop by another filter is named", async () => {
  const folder = temporaryFolder();
  writeFile(join(folder, "in/a.jsonl"), texts.map((text) => lineOf(text, "RedPajamaC4")).join(""));
  const out = join(folder, "out");
  const drop = "ads=0.5:documents,fluency=0.5:documents";
  await build({ inputs: [join(folder, "in")], out, drop, validationTokens: 0 });
  const tokenizer = await loadTokenizer("llama-2");
  const find = async (filter: string, nearThreshold: boolean) =>
    (await inspect({ dir: out, filter, nearThreshold, documents: 100 }, tokenizer)).documents;
  const all = await find("fluency", false);
  assert.deepEqual(
    [null, "ads", "fluency"].map((name) => all.filter(({ droppedBy }) => droppedBy === name).length),
    [15, 30, 15],
  );
  const near = await find("fluency", true);
  assert.equal(near.length, 30);
  for (const { score, threshold, droppedBy } of near)
    assert.equal(droppedBy, score < threshold! ? "fluency" : null);
  assert.equal((await find("ads", true)).length, 60);
});

test("a model of one's own is given as a file, and another file than the build had is refused", async () => {
  const folder = temporaryFolder();
  writeFile(join(folder, "in/a.jsonl"), texts.map((text) => lineOf(text, "RedPajamaC4")).join(""));
  const { model } = readModel("ads");
  const [mine, other] = ["mine", "other"].map((name) => join(folder, `${name}.json`)) as [string, string];
  await writeModel(mine, { ...model, name: "promotion" });
  await writeModel(other, { ...model, name: "promotion", bias: 0 });
  const out = join(folder, "out");
  await build({ inputs: [join(folder, "in")], out, filters: [mine], validationTokens: 0 });
  const tokenizer = await loadTokenizer("llama-2");
  const find = (more: object) =>
    inspect({ dir: out, filter: "promotion", nearThreshold: false, documents: 3, ...more }, tokenizer);
  const unknown = await find({});
  assert.match(unknown.unexplained!, /"promotion" is not known: .* give its file with --model/);
  assert.ok(unknown.documents.every(({ explanation }) => explanation === null));
  const known = await find({ model: mine });
  assert.ok(known.documents.every(({ score, explanation }) => explanation?.score === score));
  await assert.rejects(find({ model: other }), {
    code: "ERR_FILTER",
    message:
      /other\.json is the model [0-9a-f]{12}, and the scores of "promotion" .* give the file that the build had/,
  });
  await assert.rejects(find({ domain: "c5" }), {
    code: "ERR_ARGUMENT",
    message: `${out} has no domain "c5"; it has c4`,
  });
});
