import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bpeTokenizer } from "../../pipeline/tokenizer/index.ts";
import { llama2Vocabulary } from "../../pipeline/tokenizer/llama2.ts";
import { joinable, seamsOf } from "../../pipeline/tokenizer/seams.ts";
import { parseSentencePieceModel } from "../../pipeline/tokenizer/sentencepiece-model.ts";
import { SPACE_MARK, type Vocabulary } from "../../pipeline/tokenizer/vocabulary.ts";
import { ENCODERS } from "../pipeline/tokenizer/encoders.ts";
import { modelOf } from "../pipeline/tokenizer/model.ts";
import { referenceIds } from "../pipeline/tokenizer/reference.ts";

const llama = await llama2Vocabulary();
const seams = seamsOf(llama);
const tokenizer = bpeTokenizer("llama-2", llama);
const encoders = ENCODERS.map((encoder) => bpeTokenizer(encoder, llama, { encoder }));

/** Text that looks like text, text from few letters, and text from all of Unicode. */
const texts = fc.oneof(
  fc.string({
    unit: fc.constantFrom(...llama.ids.keys()).map((piece) => piece.replaceAll(SPACE_MARK, " ")),
    maxLength: 40,
  }),
  fc.string({ unit: fc.constantFrom(..." \n\tetaoinshrdlu.,-=_01<>/s"), maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom(" ", SPACE_MARK, "a", "\u00e9", "\u0430", "\u4e00", "\u{1f600}", "\0"),
    maxLength: 80,
  }),
  fc.string({ unit: "binary", maxLength: 40 }),
);

test("LLaMA-2's ids are those of the quadratic definition", () => {
  fc.assert(
    fc.property(texts, (text) => {
      const ids = referenceIds(llama, text);
      for (const encoder of encoders) assert.deepEqual([...encoder.encode(text)], ids, encoder.name);
    }),
    { numRuns: 1_500 },
  );
});

test("a cache that is cold, warm or of four entries gives the same ids", () => {
  for (const encoder of ENCODERS) {
    const warm = bpeTokenizer("warm", llama, { encoder });
    const tiny = bpeTokenizer("tiny", llama, { cacheEntries: 4, encoder });
    const cold = fc.sample(texts, 300);
    const expected = cold.map((text) => [...warm.encode(text)]);
    for (const [i, text] of cold.entries()) {
      assert.deepEqual([...warm.encode(text)], expected[i]);
      assert.deepEqual([...tiny.encode(text)], expected[i]);
    }
  }
});

test("where two code points are not joinable, the ids of the parts follow each other", () => {
  let cuts = 0;
  fc.assert(
    fc.property(texts, texts, (left, right) => {
      const a = [...left].at(-1);
      const b = [...right][0];
      if (a === undefined || b === undefined || joinable(seams, a.codePointAt(0)!, b.codePointAt(0)!)) return;
      cuts++;
      // Without a prefix the right part is encoded as it stands inside a text.
      const inside = bpeInside.encode(right);
      assert.deepEqual([...tokenizer.encode(left + right)], [...tokenizer.encode(left), ...inside]);
    }),
    { numRuns: 1_500 },
  );
  assert.ok(cuts > 300, `only ${cuts} seams were met`);
});

const bpeInside = bpeTokenizer("inside", { ...llama, dummyPrefix: false });

test("every pair of code points that some piece holds is joinable, and LLaMA-2 has 3,279 of them", () => {
  const pairs = new Set<string>();
  for (const piece of llama.ids.keys()) {
    const characters = [...piece];
    for (let i = 0; i + 1 < characters.length; i++) pairs.add(characters[i]! + characters[i + 1]!);
  }
  for (const pair of pairs) {
    const [left, right] = [...pair].map((character) => character.codePointAt(0)!);
    assert.ok(joinable(seams, left!, right!), pair);
  }
  assert.equal(pairs.size, 3_279);
  let printable = 0;
  for (let left = 0x21; left < 0x7f; left++)
    for (let right = 0x21; right < 0x7f; right++) if (joinable(seams, left, right)) printable++;
  assert.equal(printable, 1_813);
});

test("decoding gives the text back, but for U+2581, which is read as a space", () => {
  fc.assert(
    fc.property(texts, (text) => {
      assert.equal(tokenizer.decode(tokenizer.encode(text)), text.toWellFormed().replaceAll(SPACE_MARK, " "));
    }),
    { numRuns: 1_500 },
  );
});

test("no text gives a control id", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("<s>", "</s>", "<unk>", "<", "s", ">", " ", "/"), maxLength: 20 }),
      (text) => {
        assert.ok(tokenizer.encode(text).every((id) => id > 2));
      },
    ),
  );
});

/** Vocabularies of a few letters with any pieces and scores, equal scores among them. */
const vocabularies: fc.Arbitrary<Vocabulary> = fc
  .record({
    pieces: fc.uniqueArray(
      fc.tuple(
        fc.string({
          unit: fc.constantFrom(..."aaaaabbbbb", SPACE_MARK, "\u00e9", "\u{1f600}"),
          minLength: 2,
          maxLength: 6,
        }),
        fc.integer({ min: -16, max: 0 }),
      ),
      { selector: ([piece]) => piece, minLength: 10, maxLength: 40 },
    ),
    dummyPrefix: fc.integer({ min: 0, max: 1 }),
  })
  .map(({ pieces, dummyPrefix }) => {
    const singles = [SPACE_MARK, "a", "b", "\u00e9", "\u{1f600}"].map((piece) => [piece, -9] as const);
    return parseSentencePieceModel(modelOf([...singles, ...pieces], { normalizer: { 3: dummyPrefix } }), "m");
  });
const letters = fc.oneof(
  fc.string({
    unit: fc.constantFrom(" ", SPACE_MARK, "a", "b", "\u00e9", "\u{1f600}", "c", "\n"),
    maxLength: 150,
  }),
  fc.string({ unit: fc.constantFrom("a", "b"), minLength: 60, maxLength: 200 }),
  fc.string({ unit: fc.constantFrom("a", "a", "b", " "), minLength: 60, maxLength: 200 }),
);

test("any vocabulary's ids are those of the quadratic definition, also beyond the length where the heap takes over", () => {
  fc.assert(
    fc.property(vocabularies, fc.array(letters, { minLength: 5, maxLength: 5 }), (vocabulary, several) => {
      const any = ENCODERS.map((encoder) => bpeTokenizer(encoder, vocabulary, { cacheEntries: 64, encoder }));
      const ids = several.map((text) => referenceIds(vocabulary, text));
      for (const [i, text] of [...several, ...several].entries())
        for (const { name, encode } of any)
          assert.deepEqual([...encode(text)], ids[i % several.length], `${JSON.stringify(text)} (${name})`);
    }),
    { numRuns: 300 },
  );
});
