import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mix32 } from "../../core/random.ts";
import { openOwnFilter, parseOwnSpec } from "../../filters/index.ts";
import { build, findDuplicates, planInputs, refilter } from "../../pipeline/index.ts";
import { temporaryFolder } from "../support.ts";
import { textOf, tree, writeFile } from "./corpus.ts";

const root = temporaryFolder();
const corpus = join(root, "in");

/** 3 files of 200 documents, most of them more than once. */
const texts = [0, 1, 2].map((file) =>
  Array.from({ length: 200 }, (_, i) => textOf(mix32(file * 200 + i) % 250, 30)),
);
for (const [file, own] of texts.entries())
  writeFile(join(corpus, `part-${file}.jsonl`), own.map((text) => `${JSON.stringify({ text })}\n`).join(""));

async function listOf(normalised = false, folder = corpus) {
  const { files } = await planInputs([folder]);
  return findDuplicates(files, { source: { domain: "book" }, normalised });
}
const OPTIONS = {
  inputs: [corpus],
  source: { domain: "book" },
  filters: [],
  drop: "dup=1:flagged",
  validationTokens: 0,
};

test("of documents with one text the first in the order of the inputs stays, and the list says which that is", async () => {
  const { header, files } = await listOf();
  const first = new Map<string, readonly number[]>();
  const expected = texts.flatMap((own, file) =>
    own.flatMap((text, i) => {
      const before = first.get(text);
      if (before) return [{ source: `part-${file}.jsonl`, line: i + 1, first: before }];
      first.set(text, [file, i + 1]);
      return [];
    }),
  );
  assert.ok(expected.length > 100);
  assert.deepEqual(
    files.flatMap(({ source, lines, first: before }) =>
      lines.map((line, i) => ({ source, line, first: before[i] })),
    ),
    expected,
  );
  assert.deepEqual([header.documents, header.duplicates], [600, expected.length]);
});

test("a build drops exactly the list, with the same bytes from two workers; one text of each is left", async () => {
  const list = join(root, "dups.jsonl");
  const { text, header } = await listOf();
  writeFileSync(list, text);
  const ownFilters = [`dup=duplicates:${list}`];
  const report = await build({ ...OPTIONS, ownFilters, out: join(root, "one"), workers: 1 });
  assert.equal(report.dropped["dup"], header.duplicates);
  assert.equal(report.kept, new Set(texts.flat()).size);
  const again = await refilter({ from: join(root, "one"), out: join(root, "again"), drop: OPTIONS.drop });
  assert.equal(again.dropped["dup"], header.duplicates);
  await build({ ...OPTIONS, ownFilters, out: join(root, "two"), workers: 2 });
  assert.deepEqual(tree(join(root, "two")), tree(join(root, "one")));
});

test("letter case and white space decide nothing where texts are normalised", async () => {
  const folder = join(root, "cases");
  const lines = ["The  mill\n", "the mill", "The mill!", "THE MILL"];
  writeFile(join(folder, "a.jsonl"), lines.map((text) => `${JSON.stringify({ text })}\n`).join(""));
  assert.deepEqual((await listOf(false, folder)).files, []);
  const [file] = (await listOf(true, folder)).files;
  assert.deepEqual(
    [file?.lines, file?.first],
    [
      [2, 4],
      [
        [0, 1],
        [0, 1],
      ],
    ],
  );
});

test("a list of other inputs sets documents aside instead of dropping them; one that is cut is refused", async () => {
  const list = join(root, "old.jsonl");
  const { text } = await listOf();
  writeFileSync(list, text);
  const changed = join(root, "changed");
  const [first, ...rest] = texts[0]!.toReversed();
  writeFile(
    join(changed, "part-0.jsonl"),
    [first, ...rest].map((one) => `${JSON.stringify({ text: one })}\n`).join(""),
  );
  writeFile(join(changed, "part-9.jsonl"), `${JSON.stringify({ text: "new" })}\n`);
  const out = join(root, "changed-out");
  const report = await build({ ...OPTIONS, inputs: [changed], ownFilters: [`dup=duplicates:${list}`], out });
  assert.ok(report.quarantined > 1);
  const reasons = readFileSync(join(out, "quarantine.jsonl"), "utf8");
  assert.match(reasons, /filter-failed: `dup` has another text in this line: the input changed after/);
  assert.match(reasons, /filter-failed: `dup` knows no part-9\.jsonl: .* was made of other inputs/);

  const lines = text.trimEnd().split("\n");
  for (const [name, content, code, message] of [
    ["cut", lines.slice(0, -1).join("\n"), "ERR_FILTER", /duplicates and says \d+: it is cut or damaged/],
    ["other", "{}\n", "ERR_PARSE", /other\.jsonl:1\.format is absent/],
    ["none", "", "ERR_PARSE", /none\.jsonl:1 is not JSON/],
  ] as const) {
    const path = join(root, `${name}.jsonl`);
    writeFileSync(path, content);
    await assert.rejects(openOwnFilter(parseOwnSpec(`dup=duplicates:${path}`)), { code, message });
  }
});
