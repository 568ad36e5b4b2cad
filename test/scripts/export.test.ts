import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lineOf, textOf, writeFile } from "../pipeline/corpus.ts";
import { ROOT, temporaryFolder } from "../support.ts";

function headrace(...args: readonly string[]) {
  const run = spawnSync(process.execPath, [join(ROOT, "scripts/headrace.ts"), ...args], { encoding: "utf8" });
  return { status: run.status, out: run.stdout, said: run.stderr.trim() };
}

test("a build is exported, with its text, and taken in again; each prints its report as one JSON object", () => {
  const folder = temporaryFolder();
  const [corpus, shards, lines, megatron, back] = ["in", "shards", "lines", "megatron", "back"].map((name) =>
    join(folder, name),
  ) as [string, string, string, string, string];
  const records = Array.from({ length: 48 }, (_, i) =>
    lineOf(textOf(i, 20 + i), i % 2 ? "RedPajamaBook" : "RedPajamaC4"),
  );
  writeFile(join(corpus, "a.jsonl"), records.join(""));
  const built = headrace("build", corpus, "--out", shards, "--json");
  assert.equal(built.status, 0, built.said);

  const text = headrace(
    "export",
    shards,
    "--to",
    "jsonl",
    "--text",
    "--domain",
    "book",
    "--out",
    lines,
    "--json",
  );
  assert.equal(text.status, 0, text.said);
  const report = JSON.parse(text.out);
  assert.deepEqual(
    [report.to, report.split, report.domains.length, report.domains[0].name],
    ["jsonl", "train", 1, "book"],
  );
  const [first] = readFileSync(join(lines, "book/00000.jsonl"), "utf8").split("\n");
  const { source, line, text: decoded } = JSON.parse(first!);
  assert.deepEqual([source, decoded], ["a.jsonl", JSON.parse(records[line - 1]!).text]);

  const out = headrace("export", shards, "--to", "megatron", "--out", megatron, "--json");
  assert.equal(out.status, 0, out.said);
  const imported = headrace("import", megatron, "--out", back, "--validation-tokens", "1k", "--json");
  assert.equal(imported.status, 0, imported.said);
  assert.equal(JSON.parse(imported.out).documents, JSON.parse(out.out).documents);
  const verified = headrace("verify", back, "--json");
  assert.deepEqual(JSON.parse(verified.out).problems, []);
});

test("what cannot be exported or imported is one line that names it", () => {
  const folder = temporaryFolder();
  for (const [args, status, message] of [
    [["export", folder, "--to", "tfrecord", "--out", "x"], 2, /Invalid values:.*Choices: "megatron", "mds"/s],
    [
      ["export", folder, "--to", "mds", "--out", join(folder, "x")],
      1,
      /has no manifest\.json.*\[ERR_INPUT\]$/,
    ],
    [
      ["import", join(folder, "a.bin"), "--out", join(folder, "x")],
      1,
      /a\.bin is no \.ds file.*\[ERR_INPUT\]$/,
    ],
  ] as const) {
    const run = headrace(...args);
    assert.equal(run.status, status, run.said);
    assert.match(run.said, message);
  }
});
