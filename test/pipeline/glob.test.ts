import assert from "node:assert/strict";
import { test } from "node:test";
import { globExpression, isGlob, splitGlob } from "../../pipeline/glob.ts";

const matches = (pattern: string, ...paths: string[]) =>
  paths.filter((path) => globExpression(pattern).test(path));

test("a star stays in its folder, two stars cross any number of folders", () => {
  const paths = ["a.jsonl", "x/a.jsonl", "x/y/a.jsonl", "x/y/b.txt"];
  assert.deepEqual(matches("*.jsonl", ...paths), ["a.jsonl"]);
  assert.deepEqual(matches("*/*.jsonl", ...paths), ["x/a.jsonl"]);
  assert.deepEqual(matches("**/*.jsonl", ...paths), ["a.jsonl", "x/a.jsonl", "x/y/a.jsonl"]);
  assert.deepEqual(matches("x/**/*.jsonl", ...paths), ["x/a.jsonl", "x/y/a.jsonl"]);
  assert.deepEqual(matches("x/**", ...paths), ["x/a.jsonl", "x/y/a.jsonl", "x/y/b.txt"]);
});

test("question marks, classes and alternatives match within a name", () => {
  assert.deepEqual(matches("c?.jsonl", "c4.jsonl", "c.jsonl", "c/.jsonl"), ["c4.jsonl"]);
  assert.deepEqual(matches("chunk[1-3]", "chunk1", "chunk4", "chunk"), ["chunk1"]);
  assert.deepEqual(matches("chunk[!1-3]", "chunk1", "chunk4"), ["chunk4"]);
  assert.deepEqual(matches("{cc,c4}.jsonl{,.zst}", "cc.jsonl", "c4.jsonl.zst", "c5.jsonl"), [
    "cc.jsonl",
    "c4.jsonl.zst",
  ]);
});

test("everything else stands for itself", () => {
  assert.deepEqual(matches("a+(b).json", "a+(b).json", "aab.json", "a+(b)xjson"), ["a+(b).json"]);
  assert.deepEqual(matches("a[b", "a[b", "ab"), ["a[b"]);
  assert.deepEqual(matches("a{b", "a{b", "ab"), ["a{b"]);
  assert.deepEqual(matches("a}b,c", "a}b,c"), ["a}b,c"]);
});

test("a pattern is split before its first wildcard", () => {
  assert.equal(isGlob("data/train"), false);
  assert.deepEqual(splitGlob("data/train/chunk*/x.jsonl"), { folder: "data/train", rest: "chunk*/x.jsonl" });
  assert.deepEqual(splitGlob("*.jsonl"), { folder: ".", rest: "*.jsonl" });
  assert.deepEqual(splitGlob("/*.jsonl"), { folder: "/", rest: "*.jsonl" });
});
