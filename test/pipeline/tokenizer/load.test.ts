import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LLAMA2_SHA256, loadTokenizer } from "../../../pipeline/tokenizer/index.ts";
import { parseSentencePieceModel } from "../../../pipeline/tokenizer/sentencepiece-model.ts";
import { parseTokenizerJson } from "../../../pipeline/tokenizer/tokenizer-json.ts";
import { fingerprint, SPACE_MARK } from "../../../pipeline/tokenizer/vocabulary.ts";
import { shared, temporaryFolder } from "../../support.ts";
import { modelOf } from "./model.ts";
import { tokenizerJson } from "./tokenizer-json.ts";

const PIECES = [
  [`${SPACE_MARK}a`, -1],
  ["ab", -2],
  [SPACE_MARK, -3],
  ["a", -4],
  ["b", -5],
] as const;

test("llama-2 is LLaMA's vocabulary: 32,000 pieces, ids in 16 bits, BOS 1 and EOS 2", async () => {
  const tokenizer = await loadTokenizer("llama-2");
  const { name, sha256, vocabularySize, tokenType, bos, eos } = tokenizer;
  assert.deepEqual(
    { name, sha256, vocabularySize, tokenType, bos, eos },
    { name: "llama-2", sha256: LLAMA2_SHA256, vocabularySize: 32_000, tokenType: "uint16", bos: 1, eos: 2 },
  );
  assert.deepEqual([...tokenizer.encode("Hello  world")], [15043, 29871, 3186]);
});

test("all three forms of LLaMA-2's vocabulary have one fingerprint", { skip: shared.missing }, async () => {
  for (const file of ["tokenizer.model", "tokenizer.json"]) {
    const tokenizer = await loadTokenizer(join(shared.sample, file));
    assert.equal(tokenizer.sha256, LLAMA2_SHA256, file);
    assert.equal(tokenizer.name, file);
  }
});

test("a model and the tokenizer.json made of it have one fingerprint, and another order of merges has another", () => {
  const model = parseSentencePieceModel(modelOf(PIECES), "model");
  const json = parseTokenizerJson(tokenizerJson(PIECES), "json");
  assert.equal(fingerprint(json), fingerprint(model));
  assert.deepEqual(json.ranks, model.ranks);
  const swapped = PIECES.map(([piece, score]) => [piece, piece === "ab" ? -0.5 : score] as const);
  assert.notEqual(fingerprint(parseSentencePieceModel(modelOf(swapped), "model")), fingerprint(model));
});

test("scores that keep the order of merges keep the fingerprint", () => {
  const stretched = PIECES.map(([piece, score]) => [piece, 7 * score - 1] as const);
  assert.equal(
    fingerprint(parseSentencePieceModel(modelOf(stretched), "model")),
    fingerprint(parseSentencePieceModel(modelOf(PIECES), "model")),
  );
});

const runsOf = (...lengths: readonly number[]) =>
  lengths.map((length) => [SPACE_MARK.repeat(length), -1e9] as const);

test("runs of spaces share a rank in both forms, in either order that converters list them", () => {
  const pieces = [["ab", -1], ["a", -2], ["b", -3], ...runsOf(2, 4, 8, 3, 5, 6, 7, 1)] as const;
  const model = parseSentencePieceModel(modelOf(pieces), "model");
  assert.deepEqual(
    runsOf(2, 3, 4, 5, 6, 7, 8).map(([run]) => model.ranks[model.ids.get(run)!]),
    [1, 1, 1, 1, 1, 1, 1],
  );
  for (const order of ["by id", "longest left first"] as const)
    assert.equal(
      fingerprint(parseTokenizerJson(tokenizerJson(pieces, { order }), "json")),
      fingerprint(model),
      order,
    );
});

test("runs of spaces that the listed merges put together otherwise than ties would keep the listed order", () => {
  const pieces = [["ab", -1], ["a", -2], ["b", -3], ...runsOf(1, 2, 3, 4, 5, 6)] as const;
  const { ranks, ids } = parseTokenizerJson(tokenizerJson(pieces, { order: "by id" }), "json");
  assert.deepEqual(
    runsOf(2, 3, 4, 5, 6).map(([run]) => ranks[ids.get(run)!]),
    [1, 2, 3, 4, 5],
  );
});

test("a model that this engine cannot encode exactly is refused by name, with the way out", () => {
  const refusals: readonly (readonly [Uint8Array, RegExp])[] = [
    [
      modelOf(PIECES, { trainer: { 3: 1 } }),
      /^m is a unigram model, which is not supported; use --tokenizer-engine transformers/,
    ],
    [modelOf(PIECES, { trainer: { 3: 3 } }), /^m is a word model/],
    [modelOf(PIECES, { trainer: { 24: 1 } }), /treat_whitespace_as_suffix/],
    [modelOf(PIECES, { trainer: { 35: 0 } }), /^m has byte pieces without byte_fallback/],
    [
      modelOf(PIECES, { normalizer: { 2: "rules" } }),
      /^m has a precompiled_charsmap of 5 bytes with 0 bytes of rules, which is damaged/,
    ],
    [
      Buffer.concat([modelOf(PIECES), Buffer.from([0x2a, 3, 0x12, 1, 0x61])]),
      /^m changes text when it decodes \(denormalizer_spec\)/,
    ],
    [modelOf(PIECES, { normalizer: { 5: 0 } }), /escape_whitespaces is off/],
    [modelOf([...PIECES, ["zz", 0, 5]]), /^m has unused piece "zz"/],
    [modelOf(PIECES, { withoutBytes: true }), /or byte_fallback without byte pieces/],
    [
      modelOf([...PIECES, ["<0x00>", 0, 6]], { withoutBytes: true }),
      /^m has no byte piece <0x01> beside others/,
    ],
    [modelOf([...PIECES, ["bc", -6]]), /^m has pieces with "c", which is no piece itself/],
    [modelOf([...PIECES, ["a", -6]]), /^m has piece "a" twice \(ids 262 and 264\)/],
    [modelOf([...PIECES, ["<unk2>", 0, 2]]), /^m has 2 unknown pieces; exactly one is supported; use/],
    [modelOf([["a", 0]]), /^m has no piece for a space/],
    [new Uint8Array(), /^m is no SentencePiece model: it holds no pieces/],
    [Buffer.from("not a model"), /^m is no SentencePiece model: /],
    [modelOf(PIECES).subarray(0, 3_000), /^m is no SentencePiece model: a field of \d+ bytes passes the end/],
  ];
  for (const [bytes, message] of refusals)
    assert.throws(
      () => parseSentencePieceModel(bytes, "m"),
      { code: "ERR_TOKENIZER", message },
      String(message),
    );
});

test("a tokenizer.json that this engine cannot encode exactly is refused by name, with the way out", () => {
  const base = JSON.parse(tokenizerJson(PIECES));
  const refusals: readonly (readonly [object, RegExp])[] = [
    [
      { model: { ...base.model, type: "Unigram" } },
      /^j has a Unigram model, which is not supported; use --tokenizer-engine transformers/,
    ],
    [{ model: { ...base.model, byte_fallback: false } }, /^j has no byte fallback/],
    [{ model: { ...base.model, ignore_merges: true } }, /^j has ignore_merges/],
    [{ model: { ...base.model, dropout: 0.1 } }, /^j has dropout/],
    [{ model: { ...base.model, unk_token: null }, added_tokens: [] }, /^j has 0 unknown pieces/],
    [{ normalizer: null }, /^j has normaliser null/],
    [{ normalizer: { type: "NFC" } }, /^j has normaliser {"type":"NFC"}/],
    [{ pre_tokenizer: { type: "ByteLevel" } }, /^j has pre-tokenizer {"type":"ByteLevel"}/],
    [
      { added_tokens: [...base.added_tokens, { id: 264, content: "<x>" }] },
      /^j has the added token "<x>" that is not special/,
    ],
    [
      { added_tokens: [...base.added_tokens, { id: 266, content: "<x>", special: true }] },
      /^j has no piece of id 264 below its largest, 266/,
    ],
    [
      { model: { ...base.model, merges: base.model.merges.slice(1) } },
      /can be made in 1 ways and 0 are listed, so its merges are not SentencePiece's/,
    ],
    [
      { model: { ...base.model, merges: [...base.model.merges, "b b"] } },
      /^j: merge \["b","b"\] uses or makes a piece that is not in the vocabulary/,
    ],
    [{ model: { ...base.model, merges: [...base.model.merges, base.model.merges[0]] } }, /is listed twice/],
  ];
  for (const [change, message] of refusals)
    assert.throws(
      () => parseTokenizerJson(JSON.stringify({ ...base, ...change }), "j"),
      { code: "ERR_TOKENIZER", message },
      String(message),
    );
  assert.throws(() => parseTokenizerJson("{", "j"), { code: "ERR_PARSE", message: /^j is not JSON/ });
  const merges = [["a"]];
  assert.throws(
    () => parseTokenizerJson(JSON.stringify({ ...base, model: { ...base.model, merges } }), "j"),
    {
      code: "ERR_PARSE",
      message: 'j.model.merges[0] is ["a"]; expected a pair of pieces',
    },
  );
});

test("merges whose results interleave are refused, since SentencePiece orders by the result", () => {
  const letters = [["a", -9], ["b", -9], ...runsOf(1)] as const;
  const pairs = [
    ["aa", -1],
    ["ab", -2],
    ["ba", -3],
  ] as const;
  const refusals = [
    [[...pairs, ["aab", -4], ["baa", -5], ...letters], ["aa b", "ba a"], '"aab" and "baa"'],
    [[["aab", 2], ["baa", 1], ...pairs, ...letters], ["aa b", "ba a"], '"aab" and "baa"'],
    [
      [...pairs, ["aab", -4], ...letters, ...runsOf(2, 3)],
      ["aa b", "\u2581\u2581 \u2581"],
      '"aab" and "\u2581\u2581\u2581"',
    ],
  ] as const;
  for (const [pieces, [before, moved], names] of refusals) {
    const json = JSON.parse(tokenizerJson(pieces, { order: "longest left first" }));
    const merges: string[] = json.model.merges.filter((merge: string) => merge !== moved);
    merges.splice(merges.indexOf(before) + 1, 0, moved);
    json.model.merges = merges;
    assert.throws(() => parseTokenizerJson(JSON.stringify(json), "j"), {
      code: "ERR_TOKENIZER",
      message: `j: the merges of ${names} interleave, so its merges are not SentencePiece's; use --tokenizer-engine transformers (exact for other tokenizers, far slower)`,
    });
  }
});

test("a special token that is not matched plainly is refused only when special tokens are to be parsed", () => {
  const base = JSON.parse(tokenizerJson(PIECES));
  const added = base.added_tokens.map((token: object, i: number) => ({ ...token, normalized: i === 1 }));
  const text = JSON.stringify({ ...base, added_tokens: added });
  parseTokenizerJson(text, "j");
  assert.throws(() => parseTokenizerJson(text, "j", "parse"), {
    code: "ERR_TOKENIZER",
    message: /^j has the special token "<s>" that is not matched plainly/,
  });
});

test("merges may be strings or pairs, and a file is known by its content or its name", async () => {
  const folder = temporaryFolder();
  const json = JSON.parse(tokenizerJson(PIECES));
  const pairs = json.model.merges.map((merge: string) => merge.split(" "));
  writeFileSync(
    join(folder, "pairs.json"),
    JSON.stringify({ ...json, model: { ...json.model, merges: pairs } }),
  );
  writeFileSync(join(folder, "any-name"), modelOf(PIECES));
  const a = await loadTokenizer(join(folder, "pairs.json"));
  const b = await loadTokenizer(join(folder, "any-name"));
  assert.equal(a.sha256, b.sha256);
  assert.deepEqual(a.encode("ab ba"), b.encode("ab ba"));
});

test("a tokenizer that is not there is named, with what may be given", async () => {
  await assert.rejects(loadTokenizer("llama-3"), {
    code: "ERR_INPUT",
    message:
      'tokenizer "llama-3" is neither "llama-2" nor a file that can be read; name a tokenizer.model or tokenizer.json',
  });
});

test("a model without a dummy prefix puts no space in front", () => {
  const vocabulary = parseSentencePieceModel(modelOf(PIECES, { normalizer: { 3: 0 } }), "m");
  assert.equal(vocabulary.dummyPrefix, false);
  assert.equal(parseSentencePieceModel(modelOf(PIECES), "m").dummyPrefix, true);
});

test("the file of the fixtures' oracle is the model whose fingerprint is committed", {
  skip: shared.missing,
}, () => {
  const bytes = readFileSync(join(shared.sample, "tokenizer.model"));
  assert.equal(fingerprint(parseSentencePieceModel(bytes, "tokenizer.model")), LLAMA2_SHA256);
});
