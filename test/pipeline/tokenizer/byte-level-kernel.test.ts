import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { ByteLevelVocabulary } from "../../../pipeline/tokenizer/byte-level.ts";
import { parseByteLevelJson } from "../../../pipeline/tokenizer/byte-level-json.ts";
import { byteLevelTokenizer } from "../../../pipeline/tokenizer/byte-level-tokenizer.ts";
import { PATTERNS, type PreTokenizerStep } from "../../../pipeline/tokenizer/pre-tokenizer.ts";
import { ROOT } from "../../support.ts";
import { FORMS, formFile } from "./byte-level-forms.ts";

const vocabularies = new Map(
  FORMS.map((name) => [name, parseByteLevelJson(readFileSync(formFile(name), "utf8"), name)]),
);

/** The kernel and its twin of one vocabulary, with caches of so many entries. */
function pair(vocabulary: ByteLevelVocabulary, cacheEntries = 262_144) {
  const [kernel, twin] = (["kernel", "typescript"] as const).map((encoder) =>
    byteLevelTokenizer(encoder, vocabulary, { encoder, cacheEntries }),
  );
  return { kernel: kernel!, twin: twin! };
}

/** All steps alone, and some behind one another. */
const STEPS: readonly (readonly PreTokenizerStep[])[] = [
  [],
  ...[...PATTERNS.values()].map((step) => [step]),
  ["digits"],
  ["digit-runs"],
  ["digits", "gpt-2"],
  ["digit-runs", "o200k"],
  ["llama-3", "gpt-2"],
  ["gpt-2", "digits", "qwen-2"],
];

/** Code points of every plane, the borders of UTF-8's lengths, and what the patterns tell apart. */
const awkward = fc.oneof(
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 0x10ffff }).map((point) => String.fromCodePoint(point)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 127 }).map((point) => String.fromCodePoint(point)) },
  fc.constantFrom("\0", "\x7f", "\x80", "\u07ff", "\u0800", "\uffff", "\u{10000}", "\u{10ffff}", "\ufeff"),
  fc.constantFrom(
    "\u00a0",
    "\u3000",
    "\u0085",
    "\u017f",
    "\u0661",
    "\u2167",
    "\u{11de1}",
    "\u01c5",
    "\u02b0",
  ),
  fc.constantFrom(
    "\u0301",
    "\u00e9",
    "\u0130",
    "\u4e2d",
    "\u0430",
    "\u{1f600}",
    "\u200d",
    "\ud800",
    "\udc00",
  ),
  fc.constantFrom(
    ..."'s 't 're 've 'm 'll 'd 'S 'LL 'RE '\u017f".split(" "),
    " the",
    "The",
    "ing",
    " ",
    "\n",
    "\r\n",
  ),
  fc
    .tuple(
      fc.constantFrom(..."aA-1/'", " ", "\n", "\t", "\u0430", "\u0661", "\u0301"),
      fc.integer({ min: 1, max: 90 }),
    )
    .map(([c, n]) => c.repeat(n)),
);

for (const [name, vocabulary] of vocabularies)
  test(`${name}: any text has the twin's ids, lost bytes and lone surrogates, in small and large caches`, () => {
    const large = pair(vocabulary);
    const small = pair(vocabulary, 4);
    let lost = 0;
    fc.assert(
      fc.property(fc.array(awkward, { maxLength: 60 }), (units) => {
        const text = units.join("");
        for (const { kernel, twin } of [large, small])
          assert.deepEqual([...kernel.encode(text)], [...twin.encode(text)]);
      }),
      { numRuns: 700 },
    );
    for (const { kernel, twin } of [large, small]) {
      assert.equal(kernel.lostBytes, twin.lostBytes);
      assert.equal(kernel.loneSurrogates, twin.loneSurrogates);
      lost += kernel.lostBytes!;
    }
    assert.equal(lost > 0, name === "smollm-2");
  });

for (const steps of STEPS)
  test(`texts are cut as the twin cuts them by ${steps.join(", then ") || "nothing"}`, () => {
    const { kernel, twin } = pair(lengths(steps));
    fc.assert(
      fc.property(fc.array(awkward, { maxLength: 60 }), (units) => {
        const text = units.join("");
        assert.deepEqual([...kernel.encode(text)], [...twin.encode(text)]);
      }),
      { numRuns: 500 },
    );
  });

/** A vocabulary in which a chunk of up to 500 bytes is one id, its length less one: every cut shows. */
function lengths(preTokenizer: readonly PreTokenizerStep[]): ByteLevelVocabulary {
  const longest = 500;
  const merges = Array.from({ length: longest - 1 }, (_, i) => [longest - 2 - i, 0, longest - 1 - i]);
  return {
    ...vocabularies.get("gpt-2")!,
    pieces: Array.from({ length: longest }, (_, i) => `${i}`),
    merges: Int32Array.from(merges.flat()),
    byteIds: new Int32Array(256),
    addedTokens: [],
    preTokenizer,
  };
}

test("a vocabulary of lengths shows where a text is cut", () => {
  const { kernel, twin } = pair(lengths(["gpt-2"]));
  assert.deepEqual([...kernel.encode("It's  one chunk")], [1, 1, 0, 3, 5]);
  assert.deepEqual([...twin.encode("It's  one chunk")], [1, 1, 0, 3, 5]);
});

/** Runs of ASCII that the patterns tell apart, for the kernel takes 64 bytes of them at a time. */
const ascii = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(..."aZ1'/.- \n\r\t(") },
  fc.constantFrom(
    "'s",
    "'T",
    "'re",
    "'VE",
    "'m",
    "'lL",
    "'d",
    "'r",
    "'x",
    "''s",
    " '",
    "s's",
    "\u00e9",
    "\u00a0",
  ),
  fc.constantFrom("  ", "\r\n", "\n\n", "\n  ", " \n", "//", "\n/", ".\n", "fooBar", "ABCd", "1234", "word"),
  fc.integer({ min: 0, max: 127 }).map((point) => String.fromCodePoint(point)),
  fc.tuple(fc.constantFrom(..."aA1. \n\t/'"), fc.integer({ min: 2, max: 70 })).map(([c, n]) => c.repeat(n)),
);

for (const step of PATTERNS.values())
  test(`ASCII is cut as the twin cuts it by ${step}, wherever its 64 bytes end`, () => {
    const { kernel, twin } = pair(lengths([step]));
    fc.assert(
      fc.property(fc.array(ascii, { minLength: 8, maxLength: 150 }), (units) => {
        const text = units.join("");
        assert.deepEqual([...kernel.encode(text)], [...twin.encode(text)]);
      }),
      { numRuns: 3_000 },
    );
  });

test("every code point between letters, digits, signs and spaces has the twin's ids", () => {
  for (const name of ["llama-3", "o200k", "smollm-2"]) {
    const { kernel, twin } = pair(vocabularies.get(name)!);
    for (let block = 0; block < 0x110; block++) {
      // From U+32000 on there are no letters, digits and spaces, and one pattern is enough.
      if (block >= 0x32 && name !== "o200k") break;
      const points = Array.from({ length: 0x1000 }, (_, i) => String.fromCodePoint(0x1000 * block + i));
      const text = points.map((x) => (block < 0x32 ? `a${x}B${x}1 ${x}'${x}\n` : `a${x}B`)).join("");
      assert.deepEqual(kernel.encode(text), twin.encode(text), `${name}, block ${block.toString(16)}000`);
    }
  }
});

test("chunks of every length around the borders of all tables and of 64 bytes have the twin's ids, cold and warm", () => {
  for (const name of ["gpt-2", "llama-3", "o200k"]) {
    const { kernel, twin } = pair(vocabularies.get(name)!);
    for (const unit of ["a", "A", "\u0430", "-", "1", "\u0661", " ", "\n", "\u3000", "zq"])
      for (let length = 1; length <= 300; length++) {
        const text = `x ${unit.repeat(length)} y`;
        const ids = twin.encode(text);
        for (const _ of ["cold", "warm"])
          assert.deepEqual(kernel.encode(text), ids, `${name} ${unit} ${length}`);
      }
  }
});

test("texts longer than a call's stride, and pieces longer than it, have the twin's ids, wherever the stride falls", () => {
  const prose = "The quick brown fox's \u00e9\u0430\u4e00 jumps,  over 1234 lazy dogs.\n\n\tIt's".repeat(
    3_000,
  );
  for (const [name, vocabulary] of vocabularies) {
    const { kernel, twin } = pair(vocabulary);
    for (const text of [prose, "z".repeat(70_000) + prose, " ".repeat(70_000) + prose + "\n".repeat(70_000)])
      assert.deepEqual(kernel.encode(text), twin.encode(text), name);
    for (let length = 65_520; length < 65_560; length++) {
      const text = `${"ab ".repeat(length / 3)}${"1".repeat(length % 3)}  \u00e9nd's`;
      assert.deepEqual(kernel.encode(text), twin.encode(text), `${name} ${length}`);
    }
  }
});

test("a pre-tokenizer of more steps than the kernel has room for is left to the twin, with the same ids", () => {
  const preTokenizer = Array.from({ length: 9 }, () => "gpt-2" as const);
  const { kernel } = pair({ ...vocabularies.get("gpt-2")!, preTokenizer });
  const { twin } = pair(vocabularies.get("gpt-2")!);
  assert.deepEqual(kernel.encode("It's  a text, 12"), twin.encode("It's  a text, 12"));
});

test("without WebAssembly the twin takes over, with the same ids", () => {
  // Node strips types in WebAssembly of its own, which the first import starts.
  const code = `
    await import(${JSON.stringify(join(ROOT, "core/errors.ts"))});
    delete globalThis.WebAssembly;
    const { loadTokenizer } = await import(${JSON.stringify(join(ROOT, "pipeline/tokenizer/index.ts"))});
    const tokenizer = await loadTokenizer(${JSON.stringify(formFile("llama-3"))});
    console.log(typeof WebAssembly, [...tokenizer.encode("It's  the mill")].join());`;
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
  const { kernel } = pair(vocabularies.get("llama-3")!);
  assert.equal(run.stdout, `undefined ${[...kernel.encode("It's  the mill")].join()}\n`, run.stderr);
});
