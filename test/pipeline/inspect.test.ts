import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
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
  const documents = await inspect({ dir: out, filter: "ads", nearThreshold: true, documents: 3 }, tokenizer);
  assert.deepEqual(
    documents.map(({ split }) => split),
    ["train", "train", "train", "dropped", "dropped", "dropped"],
  );
  for (const { score, threshold, split, text, line } of documents) {
    assert.equal(split === "dropped", score >= threshold!);
    assert.equal(text, texts[line - 1]);
  }
  const all = await inspect({ dir: out, filter: "ads", nearThreshold: false, documents: 100 }, tokenizer);
  const below = all.filter(({ split }) => split === "train").map(({ score }) => score);
  assert.deepEqual(
    documents.slice(0, 3).map(({ score }) => score),
    below.slice(-3),
  );
});

test("the scores of `score` are those of the shards", async () => {
  const { folder, out, tokenizer } = await built();
  const inspected = await inspect(
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
