import assert from "node:assert/strict";
import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { planInputs } from "../../pipeline/inputs.ts";
import { temporaryFolder } from "../support.ts";
import { line, readFile, skippableFrame, zstdFrame } from "./sources.ts";

const RECORD = line("a");
const ZST = zstdFrame(RECORD);

/** A folder with the given files; a content of null makes a folder. */
function folderOf(files: Readonly<Record<string, Uint8Array | string | null>>): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(content === null ? join(folder, name) : dirname(join(folder, name)), { recursive: true });
    if (content !== null) writeFileSync(join(folder, name), content);
  }
  return folder;
}

const sourcesOf = async (...paths: string[]) => (await planInputs(paths)).files.map(({ source }) => source);

test("a folder gives all files under it, in code-unit order of their path under it", async () => {
  const folder = folderOf({
    "chunk10/a.jsonl.zst": ZST,
    "chunk2/a.jsonl.zst": ZST,
    "chunk2/B.jsonl": RECORD,
    "chunk2.jsonl.gz": gzipSync(RECORD),
    "\u{1f30d}.jsonl": RECORD,
    "\ufb01.jsonl": RECORD,
  });
  const plan = await planInputs([folder]);
  assert.equal(plan.root, folder);
  assert.deepEqual(
    plan.files.map(({ source, format, bytes }) => [source, format, bytes]),
    [
      ["chunk10/a.jsonl.zst", "jsonl.zst", ZST.length],
      ["chunk2.jsonl.gz", "jsonl.gz", gzipSync(RECORD).length],
      ["chunk2/B.jsonl", "jsonl", RECORD.length],
      ["chunk2/a.jsonl.zst", "jsonl.zst", ZST.length],
      ["\u{1f30d}.jsonl", "jsonl", RECORD.length],
      ["\ufb01.jsonl", "jsonl", RECORD.length],
    ],
  );
  assert.deepEqual([plan.skipped, plan.notices], [[], []]);
  assert.ok(plan.files.every(({ path, source, modified }) => path === join(folder, source) && modified > 0));
});

test("the root is the folder, the file's folder, the pattern's fixed part, or what they have in common", async () => {
  const folder = folderOf({
    "t/c4/a.jsonl": RECORD,
    "t/cc/b.jsonl": RECORD,
    "t/cc/d/e.jsonl": RECORD,
    "u/f.jsonl": RECORD,
  });
  const rootOf = async (...paths: string[]) =>
    (await planInputs(paths.map((path) => join(folder, path)))).root.slice(folder.length);
  assert.equal(await rootOf("t"), "/t");
  assert.equal(await rootOf("t/"), "/t");
  assert.equal(await rootOf("t/c4/a.jsonl"), "/t/c4");
  assert.equal(await rootOf("t/*/*.jsonl"), "/t");
  assert.equal(await rootOf("t/cc", "t/c4"), "/t");
  assert.equal(await rootOf("t/cc", "t/cc/d"), "/t/cc");
  assert.equal(await rootOf("t/c4/a.jsonl", "u"), "");
  assert.equal(await rootOf("t/c?/*.jsonl", "u/f.jsonl"), "");
});

test("patterns choose, and what is found twice is read once", async () => {
  const folder = folderOf({ "a/x.jsonl": RECORD, "a/y.jsonl": RECORD, "b/x.jsonl": RECORD, "b/x.txt": "" });
  assert.deepEqual(await sourcesOf(join(folder, "**/x.*")), ["a/x.jsonl", "b/x.jsonl"]);
  assert.deepEqual(await sourcesOf(join(folder, "a"), join(folder, "a/y.jsonl"), join(folder, "b/*")), [
    "a/x.jsonl",
    "a/y.jsonl",
    "b/x.jsonl",
  ]);
  const literal = folderOf({ "a[1].jsonl": RECORD, "a1.jsonl": RECORD });
  assert.deepEqual(await sourcesOf(join(literal, "a[1].jsonl")), ["a[1].jsonl"]);
});

test("what is not read is listed with the reason", async () => {
  const folder = folderOf({
    "a.jsonl": RECORD,
    "README.md": "read me",
    "data.json": "{}",
    "old.csv": "a,b",
    ".cache/x.jsonl": RECORD,
  });
  const plan = await planInputs([folder]);
  assert.deepEqual(plan.skipped, [
    { source: ".cache", reason: "its name starts with a dot" },
    { source: "README.md", reason: "its ending is unknown" },
    { source: "data.json", reason: "its ending is unknown" },
    { source: "old.csv", reason: "its ending is unknown" },
  ]);
  assert.deepEqual(
    plan.files.map(({ source }) => source),
    ["a.jsonl"],
  );
});

test("an input that is missing, of another kind, or holds nothing is an error that says what to do", async () => {
  const folder = folderOf({
    "x.feather": "FEA1 and so on",
    "named.jsonl": "PARE and so on",
    "x.txt": "text",
    empty: null,
    "only/x.csv": "a,b",
    "x.jsonl.zst": null,
    "lfs/a.jsonl.zst": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
  });
  symlinkSync("nowhere", join(folder, "broken.jsonl"));
  const refuses = (input: string, message: RegExp) =>
    assert.rejects(planInputs([join(folder, input)]), { code: "ERR_INPUT", message });
  await assert.rejects(planInputs([]), { code: "ERR_INPUT", message: /^no input; / });
  await refuses("missing", /^input .*missing does not exist; check the path$/);
  await refuses("broken.jsonl", /^input .*broken\.jsonl is a link to nowhere, which does not exist$/);
  await refuses("missing/*.jsonl", /matches nothing: there is no folder .*missing$/);
  await refuses("only/*.jsonl", /matches none of the 1 files under .*only; check the pattern$/);
  await refuses("x.feather", /x\.feather is a Feather file of version 1; write it again as version 2 /);
  await refuses("x.txt", /x\.txt: its ending is unknown; known are \.jsonl, /);
  await refuses("empty", /^nothing to read in .*empty: the folder is empty; known are \.jsonl, /);
  await refuses(
    "only",
    /^nothing to read in .*only: 1 skipped, the first: x\.csv \(its ending is unknown\); known are /,
  );
  await refuses("x.jsonl.zst", /x\.jsonl\.zst is a folder named like a file; rename it$/);
  await refuses(
    "lfs",
    /^none of the 1 files in .* can be read: a\.jsonl\.zst is a Git LFS pointer, not the file itself; run `git lfs pull`$/,
  );
  await refuses(
    "named.jsonl",
    /^none of the 1 files in .* can be read: named\.jsonl is an encrypted parquet file; decrypt it first/,
  );
});

test("the first bytes decide where the name says otherwise, and it is noted", async () => {
  const folder = folderOf({
    "a.jsonl.zst": gzipSync(RECORD),
    "b.jsonl.gz": ZST,
    "c.jsonl": Buffer.concat([skippableFrame(Buffer.from("x")), ZST]),
    "d.jsonl.zst": RECORD,
    "e.jsonl.zst": "?",
    "f.jsonl": "PAR1 and so on",
    "g.parquet": "ARROW1 and so on",
    "h.feather": "\u{ff}",
    "i.parquet": RECORD,
  });
  const plan = await planInputs([folder]);
  assert.deepEqual(
    plan.files.map(({ source, format }) => [source, format]),
    [
      ["a.jsonl.zst", "jsonl.gz"],
      ["b.jsonl.gz", "jsonl.zst"],
      ["c.jsonl", "jsonl.zst"],
      ["d.jsonl.zst", "jsonl"],
      ["e.jsonl.zst", "jsonl.zst"],
      ["f.jsonl", "parquet"],
      ["g.parquet", "arrow"],
      ["h.feather", "arrow"],
      ["i.parquet", "jsonl"],
    ],
  );
  assert.deepEqual(plan.notices, [
    "a.jsonl.zst is named as jsonl.zst but is jsonl.gz, and is read as that",
    "b.jsonl.gz is named as jsonl.gz but is jsonl.zst, and is read as that",
    "c.jsonl is named as jsonl but is jsonl.zst, and is read as that",
    "d.jsonl.zst is named as jsonl.zst but is jsonl, and is read as that",
    "f.jsonl is named as jsonl but is parquet, and is read as that",
    "g.parquet is named as parquet but is arrow, and is read as that",
    "i.parquet is named as parquet but is jsonl, and is read as that",
  ]);
  for (const file of plan.files.slice(0, 4))
    assert.deepEqual(
      (await readFile(file, { domain: "c4" })).documents.map(({ text }) => text),
      ["a"],
      file.source,
    );
  assert.deepEqual(await sourcesOf(join(folder, "a.jsonl.zst")), ["a.jsonl.zst"]);
});

test("a file that is named by itself is read whatever its ending, if its bytes tell what it is", async () => {
  const folder = folderOf({ "part-0": ZST, "data.json": RECORD });
  assert.deepEqual(await sourcesOf(join(folder, "part-0"), join(folder, "data.json")), [
    "data.json",
    "part-0",
  ]);
});

test("files that cannot be read are noted, and are incidents when it is their turn", async () => {
  const folder = folderOf({
    "a.jsonl": RECORD,
    "folder.jsonl.zst/x.jsonl": RECORD,
    "lfs.jsonl.zst": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "page.jsonl.gz": "\n<!DOCTYPE html><html>404</html>",
    "gone.jsonl": RECORD,
  });
  symlinkSync("nowhere", join(folder, "link.jsonl"));
  const plan = await planInputs([folder]);
  assert.deepEqual(plan.notices, [
    "folder.jsonl.zst is a folder named like a file; rename it",
    "lfs.jsonl.zst is a Git LFS pointer, not the file itself; run `git lfs pull`",
    "link.jsonl is a link to nowhere, which does not exist",
    "page.jsonl.gz is a web page, as a server sends in place of a file; download it again",
  ]);
  rmSync(join(folder, "gone.jsonl"));
  const outcomes = [];
  for (const file of plan.files) {
    const { documents, quarantined, incidents } = await readFile(file, { domain: "c4" });
    assert.equal(quarantined.length, 0);
    outcomes.push([
      file.source,
      documents.length,
      incidents.map(({ byteTo, reason }) => [byteTo, reason.slice(0, 20)]),
    ]);
  }
  assert.deepEqual(outcomes, [
    ["a.jsonl", 1, []],
    ["folder.jsonl.zst", 0, [[0, "is a folder named li"]]],
    ["gone.jsonl", 0, [[13, "does not exist; chec"]]],
    ["lfs.jsonl.zst", 0, [[70, "is a Git LFS pointer"]]],
    ["link.jsonl", 0, [[0, "is a link to nowhere"]]],
    ["page.jsonl.gz", 0, [[32, "is a web page, as a "]]],
  ]);
});

test("links are followed, and a link to a folder above is skipped", async () => {
  const folder = folderOf({
    "blobs/1": ZST,
    "blobs/2": ZST,
    "snapshot/sub/z.jsonl.zst": ZST,
    "other/o.jsonl": RECORD,
  });
  symlinkSync("../blobs/1", join(folder, "snapshot/a.jsonl.zst"));
  symlinkSync("../../blobs/2", join(folder, "snapshot/sub/b.jsonl.zst"));
  symlinkSync("../other", join(folder, "snapshot/linked"));
  symlinkSync("..", join(folder, "snapshot/sub/up"));
  const plan = await planInputs([join(folder, "snapshot")]);
  assert.deepEqual(
    plan.files.map(({ source }) => source),
    ["a.jsonl.zst", "linked/o.jsonl", "sub/b.jsonl.zst", "sub/z.jsonl.zst"],
  );
  assert.deepEqual(plan.skipped, [{ source: "sub/up", reason: "it is a link to a folder that it lies in" }]);
});

test("one file under two names is read twice and noted", async () => {
  const folder = folderOf({ "a.jsonl": RECORD, "z.jsonl": line("z") });
  linkSync(join(folder, "a.jsonl"), join(folder, "b.jsonl"));
  symlinkSync("a.jsonl", join(folder, "c.jsonl"));
  const plan = await planInputs([folder]);
  assert.equal(plan.files.length, 4);
  assert.deepEqual(plan.notices, [
    "a.jsonl and b.jsonl and c.jsonl are one file; its records are read 3 times",
  ]);
});
