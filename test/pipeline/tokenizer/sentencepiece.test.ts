import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { loadTokenizer } from "../../../pipeline/tokenizer/index.ts";
import { SPACE_MARK } from "../../../pipeline/tokenizer/vocabulary.ts";
import { python, shared, temporaryFolder } from "../../support.ts";
import { ENCODERS } from "./encoders.ts";
import { modelOf } from "./model.ts";

const { command, missing } = python("sentencepiece");

/** Ids from sentencepiece, a list a job and text, from one process. */
function oracle(
  jobs: readonly { readonly model: string; readonly texts: readonly string[] }[],
): number[][][] {
  const file = join(temporaryFolder(), "jobs.json");
  writeFileSync(file, JSON.stringify(jobs));
  const run = spawnSync(command, [join(import.meta.dirname, "oracle.py"), file], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout) as number[][][];
}

test("random texts have the ids that sentencepiece gives now", {
  skip: missing || shared.missing,
}, async () => {
  const tokenizer = await loadTokenizer("llama-2");
  const alphabets = [
    " \n\tetaoinshrdlu.,-=_01<>/s",
    ` ${SPACE_MARK}aA\u00e9\u0430\u4e00\u{1f600}\u200d\u0301\0`,
    " =-_*/#.",
    "<s>/unk ",
  ];
  const pieces = Array.from({ length: 4_000 }, (_, i) => tokenizer.decode([259 + ((i * 7_919) % 31_741)]));
  const strings = fc.oneof(
    ...alphabets.map((alphabet) => fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 200 })),
    fc.string({ unit: fc.constantFrom(...pieces), maxLength: 60 }),
    fc.string({ unit: "binary", maxLength: 60 }).map((text) => text.toWellFormed()),
  );
  const texts = fc.sample(strings, 2_000);
  const [ids] = oracle([{ model: join(shared.sample, "tokenizer.model"), texts }]);
  for (const encoder of ENCODERS) {
    const checked = await loadTokenizer("llama-2", { encoder });
    for (const [i, text] of texts.entries())
      assert.deepEqual([...checked.encode(text)], ids![i], `${JSON.stringify(text)} (${encoder})`);
  }
});

test("any model that is not refused has the ids that sentencepiece gives now", {
  skip: missing,
}, async () => {
  const folder = temporaryFolder();
  const units = [SPACE_MARK, "a", "b", "\u00e9", "\u{1f600}"];
  const models = fc.record({
    pieces: fc.uniqueArray(
      fc.tuple(
        fc.string({ unit: fc.constantFrom(..."aaaaabbbbb", ...units), minLength: 2, maxLength: 6 }),
        fc.integer({ min: -8, max: 0 }),
      ),
      { selector: ([piece]) => piece, minLength: 3, maxLength: 30 },
    ),
    dummyPrefix: fc.integer({ min: 0, max: 1 }),
    texts: fc.array(
      fc.oneof(
        fc.string({ unit: fc.constantFrom(...units, " ", "c", "\n"), maxLength: 150 }),
        fc.string({ unit: fc.constantFrom("a", "b"), minLength: 60, maxLength: 200 }),
      ),
      { minLength: 20, maxLength: 20 },
    ),
  });
  const jobs = fc.sample(models, 150).map(({ pieces, dummyPrefix, texts }, i) => {
    const model = join(folder, `${i}.model`);
    const singles = units.map((piece) => [piece, -9] as const);
    writeFileSync(model, modelOf([...singles, ...pieces], { normalizer: { 3: dummyPrefix } }));
    return { model, texts };
  });
  const answers = oracle(jobs);
  for (const [i, { model, texts }] of jobs.entries()) {
    for (const encoder of ENCODERS) {
      const tokenizer = await loadTokenizer(model, { cacheEntries: 64, encoder });
      for (const [k, text] of texts.entries())
        assert.deepEqual(
          [...tokenizer.encode(text)],
          answers[i]![k],
          `${JSON.stringify(text)} with model ${i} (${encoder})`,
        );
    }
  }
});
