import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Document } from "../../core/document.ts";
import { domainName } from "../../core/domain.ts";
import { collectLabelled, labelId, parseLabels, readLabels } from "../../filters/index.ts";
import { temporaryFolder } from "../support.ts";

const A = labelId("a");
const B = labelId("b");
const HEADER = "sha1_16\tdomain\tads\tfluency";

async function* corpus(...documents: readonly (readonly [string, string])[]): AsyncGenerator<Document> {
  for (const [line, [text, domain]] of documents.entries())
    yield { source: "x", line: line + 1, domain: domainName(domain), text };
}
const encode = (text: string) => Uint16Array.from(text, (c) => c.charCodeAt(0));

test("a text is named by the first 16 digits of its SHA-1", () => {
  assert.equal(A, "86f7e437faa5a7fc");
});

test("one column of a label file is read, by the header's names", () => {
  const text = `${HEADER}\n${A}\tc4\t3\t0\r\n${B}\tc4\t0\t2\n`;
  assert.deepEqual(
    [...parseLabels(text, "fluency", "l.tsv").grades],
    [
      [A, 0],
      [B, 2],
    ],
  );
  assert.deepEqual(
    [...parseLabels(text, "ads", "l.tsv").grades],
    [
      [A, 3],
      [B, 0],
    ],
  );
});

test("JSON lines grade documents by name or by text, and a line without the column grades nothing", () => {
  const lines = [
    { sha1_16: A, ads: 3, domain: "c4" },
    { text: "b", ads: 0 },
    { text: "c", fluency: 1 },
  ];
  const text = lines.map((line) => JSON.stringify(line)).join("\r\n");
  assert.deepEqual(
    [...parseLabels(text, "ads", "l.jsonl").grades],
    [
      [A, 3],
      [B, 0],
    ],
  );
  assert.throws(() => parseLabels(`${text}\n{"text": "b", "ads": 1}`, "ads", "l.jsonl"), {
    message: /l.jsonl line 4 grades [0-9a-f]{16} 1, an earlier line 0; keep one of them/,
  });
  assert.throws(() => parseLabels(`{"text": "b", "ads": 1.5}`, "ads", "l.jsonl"), {
    message: /l.jsonl line 1 has sha1_16 "[0-9a-f]{16}" and ads "1.5"; expected/,
  });
  assert.throws(() => parseLabels(`{"ads": 1}`, "ads", "l.jsonl"), { message: /l.jsonl line 1.text is/ });
  assert.throws(() => parseLabels(`${text}\n{"text":`, "ads", "l.jsonl"), {
    code: "ERR_PARSE",
    message: /l.jsonl line 4/,
  });
});

test("a label file that is wrong is named with line, value and what was expected", () => {
  assert.throws(() => parseLabels("a\tb\n", "ads", "l.tsv"), {
    code: "ERR_PARSE",
    message: "l.tsv has the columns a, b; a label file needs sha1_16 and ads",
  });
  assert.throws(() => parseLabels(`${HEADER}\n${A}\tc4\t4\t0\n`, "ads", "l.tsv"), {
    message:
      /l.tsv line 2 has sha1_16 "86f7e437faa5a7fc" and ads "4"; expected 16 hex digits and a grade from 0 to 3/,
  });
  assert.throws(() => parseLabels(`${HEADER}\n${A}\tc4\t1\t0\n${A}\tc4\t2\t0\n`, "ads", "l.tsv"), {
    message: /l.tsv line 3 grades 86f7e437faa5a7fc 2, an earlier line 1; keep one of them/,
  });
  assert.throws(() => readLabels(join(temporaryFolder(), "none.tsv"), "ads"), { code: "ERR_INPUT" });
});

test("graded documents are found by their text, each once, and rows without a document are counted", async () => {
  const labels = parseLabels(`${HEADER}\n${A}\tc4\t3\t0\n${B}\tc4\t0\t2\n`, "ads", "l.tsv");
  const found = await collectLabelled(labels, corpus(["a", "c4"], ["z", "c4"], ["a", "c4"]), encode);
  assert.deepEqual(found, {
    documents: [{ id: A, domain: "c4", grade: 3, tokens: Uint16Array.of(97) }],
    missing: 1,
  });
});

test("documents that nobody graded take their domain's grade where one is assumed, and say so", async () => {
  const labels = parseLabels(`${HEADER}\n${A}\tgithub\t1\t0\n`, "ads", "l.tsv");
  const { documents } = await collectLabelled(
    labels,
    corpus(["a", "github"], ["b", "github"], ["c", "c4"]),
    encode,
    {
      github: 3,
    },
  );
  assert.deepEqual(
    documents.map(({ grade, assumed }) => [grade, assumed]),
    [
      [1, undefined],
      [3, true],
    ],
  );
});

test("labels of another corpus are an error", async () => {
  const labels = parseLabels(`${HEADER}\n${A}\tc4\t3\t0\n`, "ads", "l.tsv");
  await assert.rejects(collectLabelled(labels, corpus(["z", "c4"]), encode), {
    code: "ERR_INPUT",
    message:
      /none of the 1 rows of l.tsv names one of the 1 documents read; give the corpus that was labelled/,
  });
});
