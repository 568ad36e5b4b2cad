import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bpeTokenizer,
  encodeDocument,
  encodeDocumentInto,
  loadTokenizer,
  tokenBuffer,
} from "../../../pipeline/tokenizer/index.ts";
import { parseSentencePieceModel } from "../../../pipeline/tokenizer/sentencepiece-model.ts";
import { SPACE_MARK } from "../../../pipeline/tokenizer/vocabulary.ts";
import { ENCODERS } from "./encoders.ts";
import { modelOf } from "./model.ts";

const tokenizer = await loadTokenizer("llama-2");

test("a document has BOS in front and no EOS unless asked otherwise", () => {
  const ids = [...tokenizer.encode("a text")];
  assert.deepEqual([...encodeDocument(tokenizer, "a text")], [1, ...ids]);
  assert.deepEqual([...encodeDocument(tokenizer, "a text", { bos: false, eos: true })], [...ids, 2]);
  assert.deepEqual([...encodeDocument(tokenizer, "", { eos: true })], [1, 2]);
  const buffer = tokenBuffer(tokenizer, 0);
  assert.equal(encodeDocumentInto(tokenizer, { text: "a text" }, { eos: true }, buffer, 0), ids.length + 2);
  assert.deepEqual([...buffer.ids.subarray(0, ids.length + 2)], [1, ...ids, 2]);
});

test("asking for a control id that the vocabulary lacks is an error", () => {
  const bare = { ...tokenizer, name: "bare", eos: null };
  assert.throws(() => encodeDocument(bare, "a", { eos: true }), {
    code: "ERR_ARGUMENT",
    message: "tokenizer bare has no EOS id; ask for documents without it",
  });
});

test("an id that is not in the vocabulary cannot be decoded", () => {
  assert.throws(() => tokenizer.decode([5, 32_000]), {
    code: "ERR_ARGUMENT",
    message:
      "token id 32000 is not in a vocabulary of 32000; ids come from the tokenizer that the shards name",
  });
});

for (const encoder of ENCODERS) {
  const tokenizer = await loadTokenizer("llama-2", { encoder });

  test(`ids are appended behind what the buffer holds, and the buffer grows to fit them (${encoder})`, () => {
    const buffer = tokenBuffer(tokenizer, 4);
    buffer.ids.set([7, 8, 9]);
    const first = tokenizer.encodeInto("Hello world, hello again", buffer, 3);
    const second = tokenizer.encodeInto("\u{1f600}".repeat(40), buffer, 3 + first);
    assert.ok(buffer.ids instanceof Uint16Array);
    assert.deepEqual(
      [...buffer.ids.subarray(0, 3 + first + second)],
      [7, 8, 9, ...tokenizer.encode("Hello world, hello again"), ...tokenizer.encode("\u{1f600}".repeat(40))],
    );
  });

  test(`a buffer that is just large enough, or too small by any number of ids, gets the same ids (${encoder})`, () => {
    const text = "    return the_value;\n\u043f\u0440\u0438\u0432\u0435\u0442 \u4f60\u597d";
    const ids = [...tokenizer.encode(text)];
    for (let capacity = 0; capacity <= ids.length + 3; capacity++) {
      const buffer = tokenBuffer(tokenizer, capacity);
      assert.equal(tokenizer.encodeInto(text, buffer, 0), ids.length);
      assert.deepEqual([...buffer.ids.subarray(0, ids.length)], ids);
    }
  });

  test(`ids that encode returned stay as they were when the tokenizer goes on (${encoder})`, () => {
    const ids = tokenizer.encode("one");
    const copy = [...ids];
    tokenizer.encode("another text altogether");
    assert.deepEqual([...ids], copy);
  });

  test(`lone surrogates become U+FFFD and are counted; pairs are left alone (${encoder})`, async () => {
    const fresh = await loadTokenizer("llama-2", { encoder });
    assert.equal(fresh.loneSurrogates, 0);
    assert.deepEqual(fresh.encode("a\ud800b\udc00\udc00"), fresh.encode("a\ufffdb\ufffd\ufffd"));
    assert.equal(fresh.loneSurrogates, 3);
    fresh.encode("\u{1f600} fine");
    assert.equal(fresh.loneSurrogates, 3);
  });

  test(`a vocabulary of more than 65,536 pieces has int32 ids, also from the cache (${encoder})`, () => {
    const words = Array.from(
      { length: 66_000 },
      (_, i) => [String.fromCodePoint(0x20000 + (i % 60_000)), i] as const,
    );
    const singles = words.slice(0, 60_000).map(([character]) => [character, 0] as const);
    const pairs = words.slice(60_000).map(([character]) => [`${character}\u{20001}`, -1] as const);
    const wide = bpeTokenizer(
      "wide",
      parseSentencePieceModel(modelOf([[SPACE_MARK, 0], ...singles, ...pairs]), "wide"),
      { encoder },
    );
    assert.equal(wide.tokenType, "int32");
    assert.equal(wide.vocabularySize, 259 + 1 + 60_000 + 6_000);
    const text = `${String.fromCodePoint(0x20000 + 5_999)}\u{20001}`;
    for (const _ of ["cold", "warm"]) {
      const ids = wide.encode(text);
      assert.ok(ids instanceof Int32Array);
      assert.deepEqual([...ids], [259, 259 + 60_000 + 6_000]);
      assert.equal(wide.decode(ids), text);
    }
  });
}
