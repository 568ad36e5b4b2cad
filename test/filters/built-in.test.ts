/** The committed models against their recipe and data. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  collectLabelled,
  formatModel,
  piecesOf,
  RECIPES,
  readLabels,
  trainFilter,
} from "../../filters/index.ts";
import { loadTokenizer, planInputs, readSource } from "../../pipeline/index.ts";
import { ROOT, shared } from "../support.ts";

for (const name of ["ads", "fluency"])
  test(`${name}.json is what its recipe makes of the shared labels, byte for byte`, {
    skip: shared.missing,
  }, async () => {
    const recipe = RECIPES[name]!;
    const tokenizer = await loadTokenizer(join(shared.sample, "tokenizer.model"));
    const labels = readLabels(join(shared.labels, "ads-fluency.tsv"), name);
    const { files } = await planInputs([join(shared.sample, "by-domain")]);
    async function* corpus() {
      for (const file of files) for await (const chunk of readSource(file)) yield* chunk.documents;
    }
    const encode = (text: string) => tokenizer.encode(text);
    const { documents } = await collectLabelled(labels, corpus(), encode, recipe.assumed);
    const model = trainFilter({
      recipe,
      documents,
      pieces: piecesOf((ids) => tokenizer.decode(ids), tokenizer.vocabularySize, encode("a")[0]!),
      tokenizer: tokenizer.sha256,
      labels: labels.sha256,
    });
    const committed = readFileSync(join(ROOT, "filters/models", `${name}.json`), "utf8");
    assert.ok(
      formatModel(model) === committed,
      `${name}.json differs; train it again and say what it changes`,
    );
  });
