import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { webAssembly } from "../../../core/web-assembly.ts";
import { bpeTokenizer, tokenBuffer } from "../../../pipeline/tokenizer/index.ts";
import { KernelEncoder } from "../../../pipeline/tokenizer/kernel-encoder.ts";
import { KERNEL_BASE64 } from "../../../pipeline/tokenizer/kernel-module.ts";
import { sentencePieceForm } from "../../../pipeline/tokenizer/kernel-sentencepiece.ts";
import { llama2Vocabulary } from "../../../pipeline/tokenizer/llama2.ts";
import { ROOT } from "../../support.ts";

const llama = await llama2Vocabulary();
const twin = bpeTokenizer("twin", llama, { encoder: "typescript" });
const kernel = bpeTokenizer("kernel", llama, { encoder: "kernel" });

const missing = existsSync(join(ROOT, "node_modules/assemblyscript"))
  ? false
  : "assemblyscript is not installed";

test("the committed module is what its source compiles to", { skip: missing }, () => {
  const run = spawnSync(process.execPath, [join(ROOT, "scripts/kernel.mjs"), "--check"], {
    encoding: "utf8",
  });
  assert.equal(run.stderr, "");
  assert.equal(run.status, 0);
});

test("the module needs nothing from its host and no feature beyond WebAssembly 2.0", () => {
  const bytes = Buffer.from(KERNEL_BASE64, "base64");
  // An instance without an imports object fails unless the module imports nothing.
  const { exports } = new webAssembly!.Instance(new webAssembly!.Module(bytes));
  assert.ok("encode16" in (exports as object) && "encode32" in (exports as object));
  assert.ok(bytes.length < 20_480, `${bytes.length} bytes`);
});

test("without WebAssembly the twin takes over, with the same ids", () => {
  // Node strips types in WebAssembly of its own, which the first import starts.
  const code = `
    await import(${JSON.stringify(join(ROOT, "core/errors.ts"))});
    delete globalThis.WebAssembly;
    const { loadTokenizer } = await import(${JSON.stringify(join(ROOT, "pipeline/tokenizer/index.ts"))});
    const tokenizer = await loadTokenizer("llama-2");
    console.log(typeof WebAssembly, [...tokenizer.encode("Hello  world")].join());`;
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
  assert.equal(run.stdout, "undefined 15043,29871,3186\n", run.stderr);
});

/** Code points of every plane, the borders of UTF-8's lengths, surrogates, and what LLaMA's pieces are made of. */
const awkward = fc.oneof(
  fc.integer({ min: 0, max: 0x10ffff }).map((point) => String.fromCodePoint(point)),
  fc.constantFrom("\0", "\x7f", "\x80", "\u07ff", "\u0800", "\uffff", "\u{10000}", "\u{10ffff}", "\ufeff"),
  fc.constantFrom("\ud800", "\udbff", "\udc00", "\udfff", "\u2581", " ", "  ", "\n", "<s>", "</s>", "<unk>"),
  fc.constantFrom(...Array.from({ length: 128 }, (_, i) => String.fromCharCode(i))),
  fc.constantFrom(...llama.ids.keys()),
  fc
    .tuple(fc.constantFrom("a", "-", " ", "\u0430", "="), fc.integer({ min: 1, max: 300 }))
    .map(([c, n]) => c.repeat(n)),
);

test("any text of any planes has the twin's ids and the twin's count of lone surrogates, in small and large caches", () => {
  const small = bpeTokenizer("small", llama, { encoder: "kernel", cacheEntries: 4 });
  const started = [twin.loneSurrogates, kernel.loneSurrogates];
  let lone = 0;
  fc.assert(
    fc.property(fc.array(awkward, { maxLength: 60 }), (units) => {
      const text = units.join("");
      lone += text.isWellFormed() ? 0 : 1;
      const ids = [...twin.encode(text)];
      assert.deepEqual([...kernel.encode(text)], ids);
      assert.deepEqual([...small.encode(text)], ids);
    }),
    { numRuns: 3_000 },
  );
  assert.ok(lone > 100, `${lone} texts had lone surrogates`);
  assert.equal(kernel.loneSurrogates - started[1]!, twin.loneSurrogates - started[0]!);
});

/** Deterministic bytes that look like nothing: a linear congruence over an alphabet. */
function noise(alphabet: string, length: number, seed: number): string {
  let state = seed;
  let text = "";
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    text += alphabet[(state >>> 8) % alphabet.length];
  }
  return text;
}

test("chunks of every length around the borders of both caches have the twin's ids, cold and warm", () => {
  for (const unit of ["a", "e", "\u0430", "-", "\u{1f600}", "\u2581", " "])
    for (let length = 1; length <= 300; length++) {
      const text = `x ${unit.repeat(length)} y`;
      const ids = [...twin.encode(text)];
      for (const _ of ["cold", "warm"]) assert.deepEqual([...kernel.encode(text)], ids, `${unit} ${length}`);
    }
  for (let length = 1; length <= 300; length++) {
    const text = noise("etaoinshrdlu", length, length);
    const ids = [...twin.encode(text)];
    for (const _ of ["cold", "warm"]) assert.deepEqual([...kernel.encode(text)], ids, text);
  }
});

test("texts longer than a call's stride, and words longer than it, have the twin's ids, wherever the stride falls", () => {
  const word = noise("abcdefghijklmnopqrstuvwxyz", 100_000, 7);
  const prose = "The quick brown fox \u00e9\u0430\u4e00 jumps, over 12 lazy dogs.\n".repeat(4_000);
  for (const text of [word, prose, prose.slice(0, 65_500) + word + prose, word + word, `${word} ${prose}`])
    assert.deepEqual(kernel.encode(text), twin.encode(text));
  for (let length = 65_520; length < 65_620; length++) {
    const text = `${"ab ".repeat(length / 3)}${"z".repeat(length % 3)} \u00e9nd`;
    assert.deepEqual(kernel.encode(text), twin.encode(text), String(length));
  }
});

test("a text that makes the memory grow leaves the tokenizer as it was", () => {
  const fresh = bpeTokenizer("fresh", llama, { encoder: "kernel" });
  const before = fresh.encode("before and after");
  const big = "some words, \u00e9\n".repeat(400_000);
  assert.deepEqual(fresh.encode(big), twin.encode(big));
  assert.deepEqual(fresh.encode("before and after"), before);
});

test("a store of long chunks that is full starts anew and changes no id", () => {
  const small = bpeTokenizer("small", llama, { encoder: "kernel", cacheEntries: 64 });
  const words = Array.from({ length: 200 }, (_, i) => noise("abcdefgh", 16 + ((i * 37) % 241), i + 1));
  const text = words.join(" ");
  const ids = twin.encode(text);
  for (let pass = 0; pass < 3; pass++) assert.deepEqual(small.encode(text), ids);
});

test("bytes in the kernel's memory have the ids of the text they spell, at any offset", () => {
  const encoder = new KernelEncoder(sentencePieceForm(llama), 1_024, "uint16");
  const buffer = tokenBuffer(kernel, 4);
  for (const [i, text] of ["one text", "\u00e9\u{1f600} two", "", " three", "x".repeat(70_000)].entries()) {
    const bytes = Buffer.from(text);
    encoder.room(bytes.length + 10 * i).set(bytes, 10 * i);
    const count = encoder.encodeBytes(10 * i, bytes.length, buffer, 1);
    assert.deepEqual(buffer.ids.slice(1, 1 + count), twin.encode(text));
  }
});
