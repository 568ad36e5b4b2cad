import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bpeTokenizer, loadTokenizer, tokenBuffer } from "../../../pipeline/tokenizer/index.ts";
import { parseTokenizerJson } from "../../../pipeline/tokenizer/tokenizer-json.ts";
import { SPACE_MARK } from "../../../pipeline/tokenizer/vocabulary.ts";
import { optionalPackage, temporaryFolder } from "../../support.ts";
import { formFile } from "./byte-level-forms.ts";
import { tokenizerJson } from "./tokenizer-json.ts";

const missing = optionalPackage("@huggingface/transformers");

const PIECES = [
  [`${SPACE_MARK}a`, -1],
  ["ab", -2],
  ["<s", -3],
  [SPACE_MARK, -4],
  ...["a", "b", "<", "s", ">"].map((piece) => [piece, -5] as const),
] as const;
const TEXTS = ["", "a", " ab ab", "ba\nb", "<s> a<s>b</s>", "\u00e9\u{1f600}", "\ud800"];

test("the transformers engine gives the built-in engine's ids behind the same interface", {
  skip: missing,
}, async () => {
  const folder = join(temporaryFolder(), "tiny");
  mkdirSync(folder);
  const json = tokenizerJson(PIECES);
  writeFileSync(join(folder, "tokenizer.json"), json);
  for (const specialTokens of ["spell", "parse"] as const) {
    const builtIn = bpeTokenizer("tiny", parseTokenizerJson(json, "tiny"), { specialTokens });
    const tokenizer = await loadTokenizer(folder, { engine: "transformers", specialTokens });
    const { name, sha256, vocabularySize, tokenType, bos, eos } = tokenizer;
    assert.deepEqual(
      { name, sha256, vocabularySize, tokenType, bos, eos },
      {
        name: "tiny (transformers)",
        sha256: builtIn.sha256,
        vocabularySize: builtIn.vocabularySize,
        tokenType: "uint16",
        bos: 1,
        eos: 2,
      },
    );
    for (const text of TEXTS) {
      assert.deepEqual(tokenizer.encode(text), builtIn.encode(text), JSON.stringify(text));
      const buffer = tokenBuffer(tokenizer, 0);
      const count = tokenizer.encodeInto(text, buffer, 2);
      assert.deepEqual(buffer.ids.slice(2, 2 + count), builtIn.encode(text));
    }
    assert.equal(tokenizer.decode(tokenizer.encode(" ab ab")), " ab ab");
    assert.equal(tokenizer.decode([]), "");
    assert.equal(tokenizer.loneSurrogates, 2);
  }
});

test("a tokenizer that only the transformers engine knows is named by the hash of its file", {
  skip: missing,
}, async () => {
  const folder = temporaryFolder();
  const json = JSON.parse(tokenizerJson(PIECES));
  const other = {
    ...json,
    normalizer: { type: "Sequence", normalizers: [{ type: "Lowercase" }, ...json.normalizer.normalizers] },
  };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(other));
  writeFileSync(join(folder, "same.json"), JSON.stringify(other, null, 2));
  const tokenizer = await loadTokenizer(folder, { engine: "transformers" });
  assert.deepEqual([...tokenizer.encode("AB ab")], [259, 264, 259, 264]);
  assert.match(tokenizer.sha256, /^[0-9a-f]{64}$/);
  assert.equal(
    (await loadTokenizer(join(folder, "same.json"), { engine: "transformers" })).sha256,
    tokenizer.sha256,
  );
  await assert.rejects(loadTokenizer(join(folder, "tokenizer.json")), {
    code: "ERR_TOKENIZER",
    message: /has normaliser .*; use --tokenizer-engine transformers/,
  });
});

test("what the library refuses is an error that names the file", { skip: missing }, async () => {
  const folder = temporaryFolder();
  const json = JSON.parse(tokenizerJson(PIECES));
  delete json.decoder;
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(json));
  await assert.rejects(loadTokenizer(folder, { engine: "transformers" }), {
    code: "ERR_TOKENIZER",
    message: /^transformers\.js cannot use .*tokenizer\.json: /,
  });
});

test("the transformers engine asks for a tokenizer.json and never for the network", async () => {
  await assert.rejects(loadTokenizer("meta-llama/Llama-2-7b", { engine: "transformers" }), {
    code: "ERR_INPUT",
    message:
      /Llama-2-7b cannot be read; --tokenizer-engine transformers takes a tokenizer.json or its folder$/,
  });
});

test("the transformers engine names a byte-level vocabulary as the built-in engine does, and gives its ids", {
  skip: missing,
}, async () => {
  for (const form of ["gpt-2", "llama-3"]) {
    const builtIn = await loadTokenizer(formFile(form));
    const tokenizer = await loadTokenizer(formFile(form), { engine: "transformers" });
    const of = ({ sha256, vocabularySize, tokenType, bos, eos }: typeof tokenizer) => [
      sha256,
      vocabularySize,
      tokenType,
      bos,
      eos,
    ];
    assert.deepEqual(of(tokenizer), of(builtIn));
    for (const text of [
      "",
      "The mill wheel's 1234 turns,\n\n  we'll see",
      "caf\u00e9 \u4e2d\u6587 \u{1f600}",
    ])
      assert.deepEqual(tokenizer.encode(text), builtIn.encode(text), text);
  }
});
