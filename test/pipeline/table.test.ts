import assert from "node:assert/strict";
import { test } from "node:test";
import { planInputs } from "../../pipeline/inputs.ts";
import { quarantineCode } from "../../pipeline/source.ts";
import type { ReadBack } from "./sources.ts";
import { readBytes, textsOf } from "./sources.ts";
import {
  asCorpus,
  CORPUS,
  CORPUS_FILES,
  formatOf,
  readTableBytes,
  readTableFile,
  TABLES,
  tableBytes,
} from "./tables.ts";

const outcomes = ({ documents, quarantined }: ReadBack) =>
  [
    ...documents.map(({ line, domain, text }) => [line, "document", domain, text]),
    ...quarantined.map(({ line, reason, domain }) => [line, quarantineCode(reason), domain]),
  ].sort(([a], [b]) => (a as number) - (b as number));

for (const name of CORPUS_FILES)
  test(`${name} gives every document of the corpus, its domain and its row`, async () => {
    const back = await readTableFile(name);
    assert.deepEqual(back.documents.map(asCorpus), CORPUS);
    assert.deepEqual([back.quarantined, back.incidents, back.unreadable], [[], [], 0]);
    assert.equal(back.nextLine, CORPUS.length + 1);
  });

test("there is a file for every codec, both page versions, dictionaries and deltas, and every Arrow form", () => {
  for (const name of ["snappy", "zstd", "gzip", "brotli", "lz4", "none"])
    for (const version of ["v1", "v2"])
      assert.ok(
        CORPUS_FILES.some((file) => file.startsWith(`${name}-${version}-`)),
        `${name} ${version}`,
      );
  assert.ok(CORPUS_FILES.length > 35);
});

test("a leading U+FEFF stays in the text, in dictionaries and in plain pages", async () => {
  for (const name of ["snappy-v1-dictionary.parquet", "none-v2-plain.parquet", "file.arrow", "views.arrow"])
    assert.match((await readTableFile(name)).documents[0]!.text, /^\ufeffbegins/, name);
});

test("rows that are no documents have the same outcome as the same records in JSON lines", async () => {
  const options = { maxDocumentBytes: 150 };
  const lines = outcomes(await readBytes(tableBytes("hazards.jsonl"), "hazards.jsonl", options));
  assert.deepEqual(
    lines.map(([, outcome]) => outcome),
    [
      "document",
      "text-not-string",
      "empty-text",
      "no-domain",
      "no-domain",
      "unmapped-domain",
      "document",
      "too-long",
      "document",
      "bad-utf8",
    ],
  );
  // A text that is too long or no UTF-8 does not hide the domain beside it, as it does in a line of JSON.
  const known = lines.map(([line, outcome, domain, ...text]) => [
    line,
    outcome,
    outcome === "too-long" || outcome === "bad-utf8" ? "c4" : domain,
    ...text,
  ]);
  for (const name of ["hazards.parquet", "hazards.arrow"]) {
    const back = await readTableFile(name, options);
    assert.deepEqual(outcomes(back), known, name);
    assert.deepEqual(back.incidents, []);
  }
});

test("the reasons say what was seen, and where", async () => {
  const reasons = async (name: string, options = {}) =>
    (await readTableFile(name, options)).quarantined.map(({ line, reason }) => `${line} ${reason}`);
  assert.deepEqual(await reasons("hazards.parquet", { maxDocumentBytes: 150 }), [
    "2 text-not-string: the text field holds null, not a string",
    "3 empty-text: the text has no characters",
    "4 no-domain: no `meta.redpajama_set_name` in the record and no domain in the path; name it with --domain",
    "5 no-domain: no `meta.redpajama_set_name` in the record and no domain in the path; name it with --domain",
    '6 unmapped-domain: `meta.redpajama_set_name` is "RedPajamaNowhere", which no domain is mapped to; map it with --map-domain NAME=DOMAIN',
    "8 too-long: the text has 200 bytes, more than the 150 allowed",
    "10 bad-utf8: byte 0xff at 4 of the text is not UTF-8",
  ]);
  assert.deepEqual(await reasons("none.parquet"), [
    "1 no-text: no `text` or `content`; fields seen: body, meta",
    "2 no-text: no `text` or `content`; fields seen: body, meta",
  ]);
  for (const name of ["numbers.parquet", "numbers.arrow"])
    assert.deepEqual(await reasons(name), [
      "1 text-not-string: the text field holds a number, not a string",
      "2 text-not-string: the text field holds null, not a string",
      "3 text-not-string: the text field holds a number, not a string",
    ]);
  for (const name of ["lists.parquet", "lists.arrow"])
    assert.match((await reasons(name))[0]!, /^1 text-not-string: the text field holds a list, not a string$/);
  const [record] = (await readTableFile("hazards.parquet")).quarantined;
  const { byteFrom = 0, byteTo = 0 } = record!;
  assert.ok(byteFrom > 0 && byteTo > byteFrom);
  assert.equal(record!.domain, "c4");
});

test("field paths go into structs, fall back where an object is null, and name the domain", async () => {
  for (const name of ["nested.parquet", "nested.arrow"]) {
    const options = { textFields: ["body.text", "content"], domainField: "kind" };
    const back = await readTableFile(name, options);
    assert.deepEqual(textsOf(back), ["a", "y"], name);
    assert.deepEqual(
      back.quarantined.map(({ line, reason }) => [line, quarantineCode(reason)]),
      [[3, "text-not-string"]],
    );
    assert.deepEqual(textsOf(await readTableFile(name, { domain: "book" })), ["x", "y", "z"], name);
  }
});

test("a domain that is a number, and a domain column that a fixed domain makes needless", async () => {
  const back = await readTableFile("one-group.parquet", { domainField: "__index_level_0__" });
  assert.deepEqual([back.documents.length, back.quarantined.length], [0, CORPUS.length]);
  assert.match(
    back.quarantined[0]!.reason,
    /^unmapped-domain: `__index_level_0__` is a number, which no domain is mapped to/,
  );
  const fixed = await readTableFile("one-group.parquet", { domain: "book" });
  assert.deepEqual(new Set(fixed.documents.map(({ domain }) => domain)), new Set(["book"]));
  assert.equal(fixed.documents.length, CORPUS.length);
});

test("reading from a row on passes over the rows before it", async () => {
  for (const name of ["fallback.parquet", "stream.arrow"]) {
    const back = await readTableBytes(tableBytes(name), formatOf(name), {}, { fromLine: 23 });
    assert.deepEqual(back.documents.map(asCorpus), CORPUS.slice(22), name);
  }
});

test("a table without rows gives none and is no incident", async () => {
  for (const name of ["empty.parquet", "empty.arrow"]) {
    const back = await readTableFile(name);
    assert.deepEqual([back.documents, back.quarantined, back.incidents], [[], [], []], name);
  }
});

test("tables are inputs by their names and by their first bytes", async () => {
  const plan = await planInputs([TABLES]);
  assert.deepEqual(new Set(plan.files.map(({ format }) => format)), new Set(["parquet", "arrow", "jsonl"]));
  assert.deepEqual(plan.notices, []);
  assert.ok(plan.files.some(({ source, format }) => source === "feather.feather" && format === "arrow"));
});
