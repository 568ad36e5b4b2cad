import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { loadTokenizer } from "../../../pipeline/tokenizer/index.ts";
import { CLASS, codePointClasses, normalizeNfc } from "../../../pipeline/tokenizer/unicode.ts";
import { NFC_ISOLATED } from "../../../pipeline/tokenizer/unicode-tables.ts";
import { python, temporaryFolder } from "../../support.ts";
import { FORMS, formFile } from "./byte-level-forms.ts";

const { command, missing } = python("tokenizers");
const folder = temporaryFolder();

interface Job {
  readonly file: string;
  readonly parse: boolean;
  readonly texts: readonly string[];
}

/** What `tokenizers` makes of texts now, one process for all jobs. */
function oracle(
  jobs: readonly Job[],
): readonly { readonly ids: readonly (readonly number[])[]; readonly decoded: readonly string[] }[] {
  return ask("byte-level-oracle.py", jobs);
}

function ask<T>(script: string, input: unknown): T {
  const file = join(folder, "input.json");
  writeFileSync(file, JSON.stringify(input));
  const run = spawnSync(command, [join(import.meta.dirname, script), file], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: { ...process.env, TOKENIZERS_PARALLELISM: "false" },
  });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout) as T;
}

async function compare(jobs: readonly Job[]): Promise<void> {
  const answers = oracle(jobs);
  for (const [i, { file, parse, texts }] of jobs.entries()) {
    const tokenizer = await loadTokenizer(file, {
      cacheEntries: 1_024,
      specialTokens: parse ? "parse" : "spell",
    });
    for (const [k, text] of texts.entries()) {
      const ids = tokenizer.encode(text);
      const where = `${JSON.stringify(text.slice(0, 200))} with ${file}, special tokens ${parse ? "parsed" : "spelled"}`;
      assert.equal(ids.join(), answers[i]!.ids[k]!.join(), where);
      // There the added token "\u00e9t" of qwen-2 decodes as if its letters stood for bytes.
      if (!text.normalize("NFC").includes("\u00e9t"))
        assert.equal(tokenizer.decode(ids), answers[i]!.decoded[k], where);
    }
  }
}

const UNITS = [
  ..." aAbzsSt1/.!'\n\r\t",
  ...["  ", "'s", "'LL", "'\u017f", "'re", "the", " The", "\u212a", "\u00a0", "\u3000", "\u0085", "\ufeff"],
  ...[
    "\u00e9",
    "e\u0301",
    "\u0301",
    "\u0334",
    "\u0345",
    "\u1dc4",
    "\u1df6",
    "\u{105d2}",
    "\u0307",
    "\u{11382}\u{113c9}",
    "\u1100",
    "\u1161",
  ],
  ...[
    "\u0661",
    "\u2167",
    "\u{11de1}",
    "\u4e2d",
    "\u01c5",
    "\u02b0",
    "\u00aa",
    "\u0130",
    "\u{1f600}",
    "\u200d",
    "\u0489",
    "\u{10ffff}",
  ],
  ...["<|endoftext|>", "<|im_start|>", "<|im", "<think>", "<tool>", "<s>", "<|eot_id|>", "e\u0301t"],
];
const TEXTS = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(fc.constantFrom(...UNITS), { maxLength: 40 }).map((parts) => parts.join("")),
  },
  fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.toWellFormed()),
);

test("random texts have the ids and the decoded text that tokenizers gives now, in every form", {
  skip: missing,
}, async () => {
  const texts = fc.sample(TEXTS, 800);
  await compare(
    FORMS.flatMap((name) => [false, true].map((parse) => ({ file: formFile(name), parse, texts }))),
  );
});

test("so have random vocabularies, pre-tokenizers and added tokens", { skip: missing }, async () => {
  const settings = fc.record({
    form: fc.constantFrom(...FORMS),
    merges: fc.integer({ min: 0, max: 900 }),
    every: fc.integer({ min: 1, max: 9 }),
    ignoreMerges: fc.boolean(),
    nfc: fc.boolean(),
    prefixSpace: fc.boolean(),
    outer: fc.constantFrom("none", "digits", "runs", "form"),
    added: fc.uniqueArray(
      fc.tuple(fc.constantFrom("<x>", "<x>y", "x>", "a<", "\u00e9", "e\u0301", " ", "the"), fc.boolean()),
      {
        selector: ([content]) => content,
        maxLength: 5,
      },
    ),
    texts: fc.array(
      fc.oneof(
        TEXTS,
        fc
          .array(fc.constantFrom("<x>", "<x>y", "x>", "a<", "e\u0301", "the", " ", "y", "1", "12"), {
            maxLength: 15,
          })
          .map((parts) => parts.join("")),
      ),
      { minLength: 20, maxLength: 20 },
    ),
  });
  const jobs = fc.sample(settings, 120).map((chosen, i) => {
    const base = JSON.parse(readFileSync(formFile(chosen.form), "utf8"));
    const { model } = base;
    model.merges = model.merges.filter(
      (_: unknown, k: number) => k < chosen.merges || k % chosen.every === 0,
    );
    model.ignore_merges = chosen.ignoreMerges;
    base.normalizer = chosen.nfc ? { type: "NFC" } : null;
    const steps = base.pre_tokenizer.pretokenizers ?? [base.pre_tokenizer];
    const byteLevel = {
      type: "ByteLevel",
      add_prefix_space: chosen.prefixSpace,
      trim_offsets: false,
      use_regex: steps.at(-1).use_regex,
    };
    const digits = { type: "Digits", individual_digits: chosen.outer === "digits" };
    const outer = chosen.outer === "none" ? [] : chosen.outer === "form" ? steps.slice(0, -1) : [digits];
    if (outer.length > 0) byteLevel.add_prefix_space = false;
    base.pre_tokenizer =
      outer.length > 0 ? { type: "Sequence", pretokenizers: [...outer, byteLevel] } : byteLevel;
    // Special tokens that text can be merged to are refused, so none here is a piece.
    let next = Object.keys(model.vocab).length;
    // Two that are alike once normalised are refused.
    const apart = chosen.added.filter(
      ([content], k) => chosen.added.findIndex(([other]) => other.normalize() === content.normalize()) === k,
    );
    base.added_tokens = apart.map(([content, flag], k) => {
      const id = model.vocab[content] ?? next++;
      return {
        id,
        content,
        special: flag && !(content in model.vocab),
        normalized: k % 2 === 0,
        lstrip: false,
        rstrip: false,
        single_word: false,
      };
    });
    base.added_tokens.sort((a: { id: number }, b: { id: number }) => a.id - b.id);
    const file = join(folder, `${i}.json`);
    writeFileSync(file, JSON.stringify(base));
    return { file, parse: i % 2 === 0, texts: chosen.texts };
  });
  const answers = oracle(jobs);
  for (const [i, { file, parse, texts }] of jobs.entries()) {
    const tokenizer = await loadTokenizer(file, {
      cacheEntries: 64,
      specialTokens: parse ? "parse" : "spell",
    });
    for (const [k, text] of texts.entries())
      assert.deepEqual(
        [...tokenizer.encode(text)],
        answers[i]!.ids[k],
        `${JSON.stringify(text)} with ${readFileSync(file, "utf8").slice(0, 900)}`,
      );
  }
});

test("every code point has the class that tokenizers gives it now", { skip: missing }, () => {
  const classes = codePointClasses();
  const members = ask<Readonly<Record<keyof typeof CLASS, string>>>("unicode-oracle.py", null);
  for (const [name, bit] of Object.entries(CLASS)) {
    let ours = "";
    for (let point = 0; point < 0x110000; point++)
      if ((classes[point]! & bit) !== 0) ours += String.fromCodePoint(point);
    assert.ok(ours === members[name as keyof typeof CLASS], name);
  }
});

test("all code points below U+3000 and the first and last of every class are cut as tokenizers cuts them now, between letters, digits, signs and spaces", {
  skip: missing,
}, async () => {
  const classes = codePointClasses();
  const points: string[] = [];
  for (let point = 0; point < 0x110000; point++)
    if (point < 0x3000 || classes[point] !== classes[point - 1] || classes[point] !== classes[point + 1])
      points.push(String.fromCodePoint(point));
  const texts = points.filter((x) => x.isWellFormed()).map((x) => `a${x}B${x}1 ${x}'${x}\n`);
  const lines = Array.from({ length: Math.ceil(texts.length / 50) }, (_, i) =>
    texts.slice(50 * i, 50 * i + 50).join(""),
  );
  await compare(
    ["o200k", "smollm-2", "llama-3"].map((name) => ({ file: formFile(name), parse: false, texts: lines })),
  );
});

test("NFC is that of tokenizers for every code point and for random runs of marks and parts of newer characters", {
  skip: missing,
}, () => {
  const singles = Array.from({ length: 0x32000 }, (_, i) => i)
    .filter((point) => point < 0xd800 || point >= 0xe000)
    .map((point) => `a\u0345${String.fromCodePoint(point)}\u0334\u0301`);
  const isolated = NFC_ISOLATED.split(",").flatMap((range) => {
    const [from, to] = range.split("-").map((point) => Number.parseInt(point, 36));
    return Array.from({ length: (to ?? from!) - from! + 1 }, (_, i) => String.fromCodePoint(from! + i));
  });
  const marks = singles.map((text) => text.slice(2, -2)).filter((character) => /\p{M}/u.test(character));
  const unit = fc.oneof(
    fc.constantFrom(...marks),
    fc.constantFrom(...isolated),
    fc.constantFrom(..."aeo\u00e9\u1100\u1161\u11a8\uac00\u0344\u0958\u212b\u0f73\u{11099}\u{110ba}"),
  );
  const runs = fc.sample(fc.array(unit, { maxLength: 12 }), 10_000).map((parts) => parts.join(""));
  const texts = [...singles, ...runs];
  const answers = ask<readonly string[]>("nfc-oracle.py", texts);
  for (const [i, text] of texts.entries())
    assert.equal(
      normalizeNfc(text),
      answers[i],
      [...text].map((c) => c.codePointAt(0)!.toString(16)).join(" "),
    );
});

test("tokenizers gives added tokens the ids that the refusal names", { skip: missing }, () => {
  const base = JSON.parse(readFileSync(formFile("qwen-2"), "utf8"));
  base.added_tokens.push({ ...base.added_tokens[0], id: 1_300, content: "<new>" });
  const file = join(folder, "gap.json");
  writeFileSync(file, JSON.stringify(base));
  const [answer] = oracle([{ file, parse: true, texts: ["<new>"] }]);
  assert.deepEqual(answer!.ids, [[1_207]]);
});
