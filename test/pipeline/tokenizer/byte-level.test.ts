import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { byteLevelFingerprint } from "../../../pipeline/tokenizer/byte-level.ts";
import { parseByteLevelJson } from "../../../pipeline/tokenizer/byte-level-json.ts";
import { loadTokenizer } from "../../../pipeline/tokenizer/index.ts";
import { ROOT, temporaryFolder } from "../../support.ts";
import { digest, FORMS, formFile } from "./byte-level-forms.ts";

interface Answers {
  readonly tokenizers: string;
  readonly texts: readonly string[];
  readonly forms: Readonly<
    Record<
      string,
      {
        readonly ids: readonly (readonly number[])[];
        readonly parsed: Readonly<Record<string, readonly number[]>>;
        readonly long: readonly { readonly part: string; readonly times: number; readonly ids: string }[];
      }
    >
  >;
}

const answers = JSON.parse(
  readFileSync(join(ROOT, "fixtures/tokenizer/byte-level/answers/answers.json"), "utf8"),
) as Answers;
const { texts } = answers;

test("the oracle answered for every form, and parsing special tokens made a difference to each", () => {
  assert.deepEqual(Object.keys(answers.forms), FORMS);
  assert.ok(texts.length > 200);
  for (const [name, { parsed }] of Object.entries(answers.forms))
    assert.ok(Object.keys(parsed).length > 0, name);
});

for (const name of FORMS) {
  const form = answers.forms[name]!;

  test(`${name}: awkward texts have the ids of tokenizers, cold and warm, with a large cache and a tiny one`, async () => {
    for (const cacheEntries of [262_144, 4]) {
      const tokenizer = await loadTokenizer(formFile(name), { cacheEntries });
      for (const _ of ["cold", "warm"])
        for (const [i, text] of texts.entries())
          assert.deepEqual([...tokenizer.encode(text)], form.ids[i], JSON.stringify(text));
    }
  });

  test(`${name}: special tokens in a text become their ids where they are to be parsed`, async () => {
    const tokenizer = await loadTokenizer(formFile(name), { specialTokens: "parse" });
    for (const [i, text] of texts.entries())
      assert.deepEqual([...tokenizer.encode(text)], form.parsed[i] ?? form.ids[i], JSON.stringify(text));
  });

  test(`${name}: long texts of one part over and over have the ids of tokenizers`, async () => {
    const tokenizer = await loadTokenizer(formFile(name));
    for (const { part, times, ids } of form.long)
      assert.equal(digest([tokenizer.encode(part.repeat(times))]), ids, JSON.stringify(part));
  });

  test(`${name}: text never yields a special id unless asked, and decodes to itself`, async () => {
    const tokenizer = await loadTokenizer(formFile(name));
    const file = JSON.parse(readFileSync(formFile(name), "utf8"));
    const special = new Set<number>();
    for (const token of file.added_tokens) if (token.special) special.add(token.id);
    const contents = file.added_tokens.map(({ content }: { content: string }) => content);
    const unit = fc.oneof(
      fc.constantFrom(...contents, ..."<|>endofxt /im"),
      fc.string({ unit: "binary", maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 12 }), (parts) => {
        const text = parts.join("").toWellFormed();
        const ids = tokenizer.encode(text);
        assert.ok(ids.every((id) => !special.has(id)));
        if (name === "smollm-2" || name === "qwen-2") return;
        const prefixed = name === "gpt-2-prefix" && !text.startsWith(" ") && ids.length > 0;
        if (name === "gpt-2-prefix" && text.includes("<tool>")) return;
        assert.equal(tokenizer.decode(ids), prefixed ? ` ${text}` : text);
      }),
      { numRuns: 300 },
    );
  });
}

test("NFC is the one change that decoding shows", async () => {
  const tokenizer = await loadTokenizer(formFile("qwen-2"));
  assert.equal(tokenizer.decode(tokenizer.encode("cafe\u0301 \u212b")), "caf\u00e9 \u00c5");
  // Marks newer than Unicode 9 are no marks to the NFC of tokenizers: nothing is reordered across them.
  assert.equal(tokenizer.decode(tokenizer.encode("a\u1df6\u0334")), "a\u1df6\u0334");
  assert.equal("a\u1df6\u0334".normalize("NFC"), "a\u0334\u1df6");
});

test("bytes that the vocabulary lacks are left out, as tokenizers leaves them, and counted each time", async () => {
  const tokenizer = await loadTokenizer(formFile("smollm-2"));
  const before = tokenizer.lostBytes!;
  tokenizer.encode("a\u{10ffff}b");
  tokenizer.encode("a\u{10ffff}b");
  assert.equal(tokenizer.lostBytes! - before, 2);
  assert.equal(tokenizer.decode(tokenizer.encode("a\u{10ffff}b")), "a\ufffd\ufffd\ufffdb");
});

test("lone surrogates become U+FFFD and are counted", async () => {
  const tokenizer = await loadTokenizer(formFile("llama-3"));
  assert.deepEqual(tokenizer.encode("a\ud800b\udc00"), tokenizer.encode("a\ufffdb\ufffd"));
  assert.equal(tokenizer.loneSurrogates, 2);
});

test("BOS and EOS are those of tokenizer_config.json, else LLaMA's names, else none", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "tokenizer.json");
  copyFileSync(formFile("qwen-2"), file);
  const ids = (content: string): number =>
    JSON.parse(readFileSync(file, "utf8")).added_tokens.find(
      (token: { content: string }) => token.content === content,
    ).id;
  const plain = await loadTokenizer(file);
  assert.deepEqual([plain.bos, plain.eos], [null, ids("<|endoftext|>")]);
  const config = { bos_token: null, eos_token: { content: "<|im_end|>" } };
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  const named = await loadTokenizer(file);
  assert.deepEqual([named.bos, named.eos], [null, ids("<|im_end|>")]);
  assert.notEqual(named.sha256, plain.sha256);
  const llama = await loadTokenizer(formFile("llama-3"));
  assert.deepEqual([llama.bos, llama.eos], [1_200, 1_201]);
});

test("ids that pass 65,535 are int32, also from the cache", async () => {
  const base = baseOf("llama-3");
  const { model } = base;
  // Ids far apart: those of the vocabulary times 60, with holes between them.
  for (const piece of Object.keys(model.vocab)) model.vocab[piece] *= 60;
  base.added_tokens = [];
  const folder = temporaryFolder();
  const file = join(folder, "wide.json");
  writeFileSync(file, JSON.stringify(base));
  const wide = await loadTokenizer(file);
  const narrow = await loadTokenizer(formFile("llama-3"));
  assert.equal(wide.tokenType, "int32");
  assert.equal(wide.vocabularySize, 60 * 1_199 + 1);
  for (const text of ["the mill wheel", "the mill wheel", "internationalization of everything"]) {
    const ids = wide.encode(text);
    assert.ok(ids instanceof Int32Array);
    assert.deepEqual(
      [...ids],
      [...narrow.encode(text)].map((id) => 60 * id),
    );
    assert.equal(wide.decode(ids), text);
  }
  assert.throws(() => wide.decode([61]), {
    code: "ERR_ARGUMENT",
    message: /^token id 61 is not in a vocabulary/,
  });
});

test("the fingerprint is that of what decides ids: neither the decoder nor how cuts are written, but every token", () => {
  const of = (change: (file: ReturnType<typeof baseOf>) => void): string => {
    const file = baseOf("qwen-2");
    change(file);
    return byteLevelFingerprint(parseByteLevelJson(JSON.stringify(file), "j"));
  };
  const plain = of(() => {});
  assert.equal(
    of((file) => {
      file.decoder = null;
      file.post_processor = null;
      Object.assign(file.pre_tokenizer.pretokenizers[0], { behavior: "Removed", invert: true });
      file.normalizer = { type: "Sequence", normalizers: [file.normalizer] };
      file.model.merges = file.model.merges.map((pair: readonly string[]) => pair.join(" "));
    }),
    plain,
  );
  for (const change of [
    (file: ReturnType<typeof baseOf>) => file.model.merges.reverse(),
    (file: ReturnType<typeof baseOf>) => {
      file.normalizer = null;
    },
    (file: ReturnType<typeof baseOf>) => {
      file.added_tokens[3].special = true;
    },
    (file: ReturnType<typeof baseOf>) => {
      file.model.ignore_merges = true;
    },
    (file: ReturnType<typeof baseOf>) => {
      file.pre_tokenizer = { type: "ByteLevel", add_prefix_space: true };
    },
  ])
    assert.notEqual(of(change), plain, String(change));
});

test("a tokenizer.json of byte-level BPE that is not exact here is refused by name, with the way out", () => {
  const base = baseOf("qwen-2");
  const { model, added_tokens, pre_tokenizer } = base;
  const [split, byteLevel] = pre_tokenizer.pretokenizers;
  const sequence = (...pretokenizers: readonly object[]) => ({
    pre_tokenizer: { type: "Sequence", pretokenizers },
  });
  const added = (token: object) => ({
    added_tokens: [...added_tokens, { id: 1_207, content: "<new>", special: true, ...token }],
  });
  const refusals: readonly (readonly [object, RegExp])[] = [
    [
      { model: { ...model, type: "Unigram" } },
      /^j has a Unigram model, which is not supported; use --tokenizer-engine transformers/,
    ],
    [{ model: { ...model, dropout: 0.1 } }, /^j has dropout/],
    [{ model: { ...model, byte_fallback: true } }, /^j has byte fallback/],
    [{ model: { ...model, continuing_subword_prefix: "##" } }, /^j has continuing_subword_prefix/],
    [{ model: { ...model, end_of_word_suffix: "</w>" } }, /^j has end_of_word_suffix/],
    [
      {
        model: { ...model, vocab: { ...model.vocab, "\u00c0": undefined }, unk_token: "<|endoftext|>" },
        added_tokens: [],
      },
      /^j has no piece for byte 192 and "<\|endoftext\|>" in its place/,
    ],
    [
      { model: { ...model, merges: [...model.merges, ["q", "zq"]] } },
      /^j has merge \["q","zq"\] of what is not in its vocabulary/,
    ],
    [{ model: { ...model, merges: [...model.merges, model.merges[0]] } }, /^j has merge .* twice/],
    [{ model: { ...model, vocab: { ...model.vocab, zzz: 5 } } }, /^j has id 5 for both .* and "zzz"/],
    [{ normalizer: { type: "NFKC" } }, /^j has normaliser {"type":"NFKC"}/],
    [
      { normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Lowercase" }] } },
      /^j has normaliser/,
    ],
    [
      sequence({ ...split, pattern: { Regex: "\\p{L}+" } }, byteLevel),
      /^j has pre-tokenizer {"type":"Split","pattern":{"Regex":"\\\\p{L}\+"}/,
    ],
    [sequence({ ...split, behavior: "MergedWithNext" }, byteLevel), /^j has pre-tokenizer {"type":"Split"/],
    [sequence({ ...split, invert: true }, byteLevel), /^j has pre-tokenizer {"type":"Split"/],
    [sequence({ ...split, pattern: { String: " " } }, byteLevel), /^j has pre-tokenizer {"type":"Split"/],
    [sequence({ type: "Whitespace" }, byteLevel), /^j has pre-tokenizer {"type":"Whitespace"}/],
    [sequence(byteLevel, split), /^j has pre-tokenizer {"type":"Sequence"/],
    [
      sequence(split, { ...byteLevel, add_prefix_space: true }),
      /^j has add_prefix_space behind another pre-tokenizer/,
    ],
    [added({ id: 1_300 }), /^j has the added token "<new>" with id 1300, where tokenizers takes 1207/],
    [
      {
        added_tokens: [
          ...added_tokens,
          { id: 1_207, content: "\u03a9", normalized: true },
          { id: 1_208, content: "\u2126", normalized: true },
        ],
      },
      /^j has the added token "\u2126" like another once normalised/,
    ],
    [added({ content: "<think>" }), /^j has the added token "<think>" twice or empty/],
    [added({ special: false, lstrip: true }), /^j has the added token "<new>" that is not matched plainly/],
    [
      added({ id: model.vocab["a"], content: "a" }),
      /^j has the special token "a" that text can be merged to/,
    ],
    [
      added({ id: model.vocab["the"], content: "the" }),
      /^j has the special token "the" that text can be merged to/,
    ],
  ];
  for (const [change, message] of refusals)
    assert.throws(() => parseByteLevelJson(JSON.stringify({ ...base, ...change }), "j"), {
      code: "ERR_TOKENIZER",
      message,
    });
});

test("a special token that is not matched plainly is refused only when special tokens are to be parsed", () => {
  const base = baseOf("gpt-2");
  base.added_tokens[0].rstrip = true;
  parseByteLevelJson(JSON.stringify(base), "j");
  assert.throws(() => parseByteLevelJson(JSON.stringify(base), "j", {}, "parse"), {
    code: "ERR_TOKENIZER",
    message: /^j has the added token "<\|endoftext\|>" that is not matched plainly/,
  });
});

test("an answer is a list of ids and not of something else", () => {
  assert.equal(
    digest([[1, 2], []]),
    createHash("sha256")
      .update(Buffer.from(Uint32Array.of(2, 1, 2, 0).buffer))
      .digest("hex"),
  );
});

// biome-ignore lint/suspicious/noExplicitAny: a file of another format that the tests break in many ways
function baseOf(name: string): any {
  return JSON.parse(readFileSync(formFile(name), "utf8"));
}
