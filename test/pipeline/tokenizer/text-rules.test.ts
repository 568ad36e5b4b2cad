import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bpeTokenizer } from "../../../pipeline/tokenizer/index.ts";
import { parseSentencePieceModel } from "../../../pipeline/tokenizer/sentencepiece-model.ts";
import { fingerprint } from "../../../pipeline/tokenizer/vocabulary.ts";
import { python, ROOT } from "../../support.ts";
import { ENCODERS } from "./encoders.ts";
import { modelOf } from "./model.ts";

interface Answers {
  readonly sentencepiece: string;
  readonly models: readonly {
    readonly setting: string;
    /** Base64. */
    readonly model: string;
    readonly texts: readonly string[];
    readonly ids: readonly (readonly number[])[];
    readonly decoded: readonly string[];
  }[];
}

const folder = join(ROOT, "fixtures/tokenizer");
const { command, missing } = python("sentencepiece");

function compare({ models }: Answers): void {
  for (const { setting, model, texts, ids, decoded } of models) {
    const vocabulary = parseSentencePieceModel(Buffer.from(model, "base64"), setting);
    for (const encoder of ENCODERS) {
      const tokenizer = bpeTokenizer("m", vocabulary, { encoder, cacheEntries: 256 });
      for (const [i, text] of texts.entries()) {
        const where = `${JSON.stringify(text)} with ${setting} (${encoder})`;
        const found = [...tokenizer.encode(text)];
        assert.deepEqual(found, ids[i], where);
        assert.equal(tokenizer.decode(found), decoded[i], where);
      }
    }
  }
}

test("models that change texts, keep user-defined pieces or lack bytes have sentencepiece's ids and texts", () => {
  const answers = JSON.parse(readFileSync(join(folder, "sentencepiece.json"), "utf8")) as Answers;
  assert.equal(answers.models.length, 10);
  compare(answers);
});

test("models trained now with sentencepiece's own rules have its ids and texts", { skip: missing }, () => {
  const run = spawnSync(command, [join(folder, "make-sentencepiece.py"), "--named"], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  assert.equal(run.status, 0, run.stderr);
  compare(JSON.parse(run.stdout) as Answers);
});

const PIECES = [
  ["\u2581", -1],
  ["a", -2],
  ["<m>", 0, 4],
] as const;

test("rules are in the fingerprint, special tokens are not parsed, lone surrogates are counted", () => {
  const plain = parseSentencePieceModel(modelOf(PIECES), "m");
  const trimmed = parseSentencePieceModel(modelOf(PIECES, { normalizer: { 4: 1 } }), "m");
  assert.notEqual(fingerprint(plain), fingerprint(trimmed));
  assert.throws(() => bpeTokenizer("m", plain, { specialTokens: "parse" }), {
    code: "ERR_TOKENIZER",
    message: /^m changes texts, has user-defined pieces or no byte fallback, and --special-tokens parse is/,
  });
  const tokenizer = bpeTokenizer("m", plain);
  assert.deepEqual(tokenizer.encode("a\ud800<m>a"), tokenizer.encode("a\ufffd<m>a"));
  assert.equal(tokenizer.loneSurrogates, 1);
});
