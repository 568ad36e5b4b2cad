import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { build, loadTokenizer } from "../../../pipeline/index.ts";
import { openStream, readManifest } from "../../../shards/index.ts";
import { temporaryFolder } from "../../support.ts";
import { lineOf, SET_NAMES, textOf, tree, writeFile } from "../corpus.ts";
import { formFile } from "./byte-level-forms.ts";

test("a build with a byte-level tokenizer has its ids, its name and no filters, whatever the workers, and counts lost bytes", async () => {
  const folder = temporaryFolder();
  const texts = Array.from({ length: 30 }, (_, i) => `${textOf(i, 40)} ${i} \u{10ffff}<|im_end|>`);
  for (const part of [0, 1])
    writeFile(
      join(folder, `in/${part}.jsonl`),
      texts
        .slice(15 * part, 15 * part + 15)
        .map((text) => lineOf(text, SET_NAMES[1]))
        .join(""),
    );
  const options = {
    inputs: [join(folder, "in")],
    tokenizer: formFile("smollm-2"),
    bos: false,
    eos: true,
    validationTokens: 0,
  };
  const report = await build({ ...options, out: join(folder, "out"), workers: 1 });
  await build({ ...options, out: join(folder, "two"), workers: 2 });
  assert.deepEqual(tree(join(folder, "two")), tree(join(folder, "out")));
  assert.deepEqual([report.kept, report.dropped, report.lostBytes], [30, {}, 30]);

  const tokenizer = await loadTokenizer(formFile("smollm-2"));
  const manifest = await readManifest(join(folder, "out"));
  const { sha256, vocabularySize, eos } = tokenizer;
  assert.deepEqual(manifest.tokenizer, {
    name: "smollm-2.json",
    sha256,
    vocabularySize,
    bos: null,
    eos,
    addBos: false,
    addEos: true,
  });
  const stream = openStream(join(folder, "out"), manifest, "train", "c4");
  const ids = new Uint16Array(stream.tokens);
  stream.read(0, ids);
  stream.close();
  assert.deepEqual(
    [...ids],
    texts.flatMap((text) => [...tokenizer.encode(text), eos]),
  );
});

test("a vocabulary without a BOS id is said to have none before anything is built", async () => {
  const folder = temporaryFolder();
  writeFile(join(folder, "in/a.jsonl"), lineOf("a text", SET_NAMES[1]));
  const options = { inputs: [join(folder, "in")], out: join(folder, "out"), tokenizer: formFile("qwen-2") };
  await assert.rejects(build(options), {
    code: "ERR_ARGUMENT",
    message:
      "tokenizer qwen-2.json has no BOS id; give --no-bos, and --eos so that documents still have an end",
  });
  await assert.rejects(build({ ...options, bos: false, filters: ["ads"] }), {
    code: "ERR_FILTER",
    message: /ads/,
  });
});
