import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { findRuleFilter, RULE_SETS, scoreAll } from "../../filters/index.ts";
import { plainCounter, textCounter } from "../../filters/rules/counter.ts";
import type { TextCounts } from "../../filters/rules/counts.ts";
import { kernelCounter } from "../../filters/rules/kernel-counter.ts";
import { planInputs, readSource } from "../../pipeline/index.ts";
import { ROOT, shared } from "../support.ts";

const kernel = kernelCounter()!;
const countPlainly = plainCounter();

/** The longest text that the kernel takes, in bytes. */
const LONGEST = 2 ** 21;
const noTokens = new Uint16Array(0);

function countsOf(counts: TextCounts) {
  const { characters, hashes, ellipses, words, lines, pieces, sentences, writtenLines } = counts;
  const grams = Array.from(counts.grams);
  return { characters, hashes, ellipses, words, lines, pieces, grams, sentences, writtenLines };
}

function assertSame(text: string): void {
  assert.deepEqual(countsOf(kernel.count({ text })!), countsOf(countPlainly({ text })));
}

/** What words, lines and sentences are cut at and by, with signs of each size and kind. */
const PARTS = [
  ..." \n\r\t.,;:!?'\"()[]{}-/\\|^~@+=<>*#&%$_0179abcdefghijklmnopqrstuvwxyzABCDMSTXZé漢字あ。！？…–—’‘“”•°µ\u00a0\u2028\u2029\u3000\u212a\u0301\u200d\ufeff\0\x1c\x85",
  ..."😀 𝒜 𐐀 𑀓 ١ ½ Ⅷ ǅ ß ſ İ".split(" "),
  ..."n't 's 'll ’re cannot Cannot 3pm 10kg 5°C 1,000.5km U.S. e.g. i.e. a.m. Ph.D. Mr. Dr. Sept. Co. .. ... .... -- --- ——".split(
    " ",
  ),
  ..."http://a.example.com/x?y=1 me@example.org example.com. www.example.co.uk:80/, a.b and/or e-mail o'clock f(x x...y U.SA".split(
    " ",
  ),
  ..."[12] [] [edit] [citation_needed] [1 lorem_ipsum Lorem_Ipsum JavaScript java[1]script privacy_policy terms_of_use uses_cookies use_coo\u212aies cookie_policy USE_OF_COOKIES".split(
    " ",
  ),
  "the quick brown fox",
  "the quick brown fox jumps over the lazy dog.",
  "\n\n",
  "\r\n",
].map((part) => part.replaceAll("_", " "));
const part = fc.constantFrom(...PARTS);

test("the kernel counts what TypeScript counts, in text made of what words and sentences are cut by", () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 120 }), fc.constantFrom("", " "), (parts, between) =>
      assertSame(parts.join(between)),
    ),
    { numRuns: 3000 },
  );
});

test("the kernel finds the addresses that TypeScript finds", () => {
  const piece = fc.constantFrom(
    ..."a b.c com .com x-y_z http:// ftp:// :// : :80 @ me@ . .. , / /x ?q #f ) _ - & é ß.de ’ ” » ! * \" ' 漢 1.2 ( = C [ ::".split(
      " ",
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.array(piece, { maxLength: 9 }), { maxLength: 12 }), (stretches) =>
      assertSame(stretches.map((pieces) => pieces.join("")).join(" ")),
    ),
    { numRuns: 4000 },
  );
});

test("the kernel counts what TypeScript counts, in text that repeats itself", () => {
  const few = fc.uniqueArray(part, { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(
      few.chain((parts) => fc.array(fc.constantFrom(...parts, " ", "\n"), { maxLength: 300 })),
      fc.constantFrom("", " ", "\n"),
      (parts, between) => assertSame(parts.join(between)),
    ),
    { numRuns: 1000 },
  );
});

test("the kernel counts what TypeScript counts, in any Unicode, surrogates that stand alone included", () => {
  const sign = fc.oneof(
    fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
    fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code)),
    part,
  );
  fc.assert(
    fc.property(fc.array(sign, { maxLength: 150 }), (signs) => assertSame(signs.join(""))),
    { numRuns: 1000 },
  );
});

test("the kernel counts what TypeScript counts, at the sizes and bounds where it takes another way", () => {
  const sentence = "Dr. Who met me at 5 p.m. today, they say. ";
  for (const text of [
    ..."é漢😀"
      .match(/./gsu)!
      .flatMap((sign) => Array.from({ length: 40 }, (_, i) => `${"a".repeat(i)}${sign}...`)),
    ...[999, 1000, 1001, 1002, 3000].flatMap((size) =>
      ["a", "é", "漢"].flatMap((sign) => [
        `${sign.repeat(size)} b c d.`,
        `a b ${sign.repeat(size)}.`,
        `${"b ".repeat(600)}${sign.repeat(size)} c.`,
        `${sign.repeat(size)}\u3000${sign.repeat(size)} c d.`,
      ]),
    ),
    ...[11, 12, 13, 14].map(
      (size) => `${"x".repeat(size)}. ${"é".repeat(size)}. A.${"B.".repeat(size)} C. d. é. 漢.`,
    ),
    ...[7, 8, 9, 15, 16, 17].flatMap((size) => [
      `${"ab".repeat(size)} ${"ab".repeat(size)} ${"ab".repeat(size)}c ${"ba".repeat(size)}`,
      `${"é".repeat(size)} ${"é".repeat(size)}\n${"é".repeat(size)}\n${"é".repeat(size)}a`,
    ]),
    // Halves in another order have the same hash in the kernel's table.
    "abcdefghijklmnop ijklmnopabcdefgh abcdefghijklmnop ijklmnopabcdefgh",
    "abcdefghijklmnop\nijklmnopabcdefgh\nabcdefghijklmnop.",
    Array.from({ length: 20_000 }, (_, i) => `w${i}`).join(" "),
    Array.from({ length: 3000 }, (_, i) => `word${i % 700}`).join(" "),
    "!?".repeat(40_000),
    "漢字。".repeat(10_000),
    "a\n".repeat(30_000),
    "\n".repeat(70_000),
    `${sentence.repeat(2000)}[3]`,
    `a.${"x".repeat(2050)}.com ${"y".repeat(2040)}.com/z and a.com/${"z".repeat(2100)} end.`,
    "\u0000\u0000a\u0000 a\u0000b a\u0000 Dr\u0000. be\u0000",
    "",
    " ",
    ".",
  ])
    assertSame(text);
});

test("the kernel counts the longest text that it takes, after it a short one, and leaves a longer one to TypeScript", () => {
  const words = Array.from({ length: 400_000 }, (_, i) => `w${i * 7919}`).join(" ");
  const text = words.slice(0, LONGEST);
  assert.equal(Buffer.byteLength(text), LONGEST);
  assertSame(text);
  assertSame("A short text. It is here.");
  assert.equal(kernel.count({ text: `${text}a` }), null);
  assert.equal(kernel.count({ text: "", utf8: Buffer.alloc(LONGEST + 1, 97) }), null);
  const long = "It is a sentence that is here again. ".repeat(60_000);
  assert.deepEqual(countsOf(textCounter()({ text: long })), countsOf(countPlainly({ text: long })));
});

test("groups may be asked for in any order, and a text that comes as UTF-8 is scored as its string", () => {
  const text = "The same line of it.\nThe same line of it.\nAnd that [1] is not “so”. Dr. No...\n\nNo.";
  const counts = countsOf(countPlainly({ text }));
  const keys = Object.keys(counts) as (keyof typeof counts)[];
  for (const first of keys)
    for (const second of keys) {
      const counted = kernel.count({ text })!;
      for (const key of [first, second, ...keys.toReversed()])
        assert.deepEqual(key === "grams" ? Array.from(counted.grams) : counted[key], counts[key], key);
    }
  const filters = RULE_SETS.map(({ name }) => findRuleFilter(name)!);
  const [joint, single] = [
    new Int32Array(filters.length),
    filters.map(({ score }) => score(text, noTokens, 0)),
  ];
  const document = {
    get text(): string {
      throw new Error("the text was made though its bytes are there");
    },
    utf8: Buffer.from(text),
  };
  scoreAll(filters)(document, noTokens, 0, joint);
  assert.deepEqual([...joint], single);
});

test("without WebAssembly TypeScript takes over, with the same scores", () => {
  // Node strips types in WebAssembly of its own, which the first import starts.
  const code = `
    await import(${JSON.stringify(join(ROOT, "core/errors.ts"))});
    delete globalThis.WebAssembly;
    const { findRuleFilter } = await import(${JSON.stringify(join(ROOT, "filters/index.ts"))});
    console.log(typeof WebAssembly, findRuleFilter("gopher-quality").broken("# # #").join());`;
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
  assert.equal(run.stdout, "undefined few-words,hashes,few-letters,few-stop-words\n", run.stderr);
});

test("the kernel counts what TypeScript counts in real documents", { skip: shared.missing }, async () => {
  const { files } = await planInputs([join(shared.sample, "train")]);
  let documents = 0;
  for (const file of files)
    for await (const chunk of readSource(file))
      for (const { text } of chunk.documents) {
        documents++;
        assertSame(text);
      }
  assert.ok(documents > 3000);
});
