import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { hashOf } from "../../core/hash.ts";
import {
  manifestFingerprint,
  manifestProblems,
  parseManifest,
  readManifest,
  type ShardManifest,
  writeManifest,
} from "../../shards/index.ts";
import { temporaryFolder } from "../support.ts";
import { writeWholeFolder } from "./folder.ts";

const root = temporaryFolder();
let manifest: ShardManifest;

before(async () => {
  ({ manifest } = await writeWholeFolder(join(root, "good")));
});

test("a manifest comes back as it was written, with the same bytes whatever the order of its fields", async () => {
  const read = await readManifest(join(root, "good"));
  assert.deepEqual(read, manifest);
  const bytes = readFileSync(join(root, "good/manifest.json"), "utf8");
  const reversed = Object.fromEntries(Object.entries(manifest).reverse()) as unknown as ShardManifest;
  await writeManifest(join(root, "reversed"), reversed);
  assert.equal(readFileSync(join(root, "reversed/manifest.json"), "utf8"), bytes);
  assert.deepEqual(readdirSync(join(root, "reversed")), ["manifest.json"]);
});

test("it is JSON with one line a shard", () => {
  const lines = readFileSync(join(root, "good/manifest.json"), "utf8").split("\n");
  for (const { path } of manifest.shards)
    assert.equal(lines.filter((line) => line.startsWith(`    {"path":"${path}","split":`)).length, 1);
  assert.equal(lines.at(-1), "");
});

test("reads the same whatever its layout, and its errors are the same", async () => {
  const whole = readFileSync(join(root, "good/manifest.json"), "utf8");
  const layouts = {
    oneLine: JSON.stringify(JSON.parse(whole)),
    indented: JSON.stringify(JSON.parse(whole), null, 2),
    windows: whole.replaceAll("\n", "\r\n"),
    spaced: whole.replace("[\n    {", "[\n\n    {"),
  };
  const place = (text: string) => {
    const dir = mkdtempSync(join(root, "layout-"));
    writeFileSync(join(dir, "manifest.json"), text);
    return dir;
  };
  for (const text of [whole, ...Object.values(layouts)])
    assert.deepEqual(await readManifest(place(text)), manifest);
  // The first shard line broken, and one with a field of another shape: the message is that of the whole file, whichever way it was read.
  const [first] = manifest.shards;
  for (const [from, to, message] of [
    [`"tokens":${first!.tokens}`, '"tokens":-1', /shards\[0\]\.tokens is -1; expected a whole number/],
    ['    {"path":', '    {"path"', /manifest\.json is not JSON/],
    ['  "shards": [', '  "shards": [],\n  "shards": [', null],
  ] as const)
    for (const text of [whole, layouts.spaced]) {
      const read = readManifest(place(text.replace(from, to)));
      if (message === null) assert.deepEqual(await read, manifest);
      else await assert.rejects(read, { code: "ERR_PARSE", message });
    }
});

test("the fingerprint is the hash of what format.md lists, and of nothing else", () => {
  const { format, tokenizer, tokenType, domains, shards } = manifest;
  const listed = shards.map(({ path, split, domain, documents, tokens, sha256 }) => ({
    path,
    split,
    domain,
    documents,
    tokens,
    sha256,
  }));
  const expected = hashOf({ format, tokenizer, tokenType, domains, shards: listed });
  assert.equal(manifestFingerprint(manifest), expected);
  assert.equal(manifest.fingerprint, expected);
  const account = { ...manifest.account, read: 0 };
  assert.equal(manifestFingerprint({ ...manifest, key: "", filters: [], tables: [], account }), expected);
  assert.notEqual(manifestFingerprint({ ...manifest, domains: domains.toReversed() }), expected);
  assert.notEqual(manifestFingerprint({ ...manifest, tokenizer: { ...tokenizer, addBos: false } }), expected);
  assert.notEqual(manifestFingerprint({ ...manifest, shards: shards.toReversed() }), expected);
});

test("a folder without a manifest is an input error that says what to name instead", async () => {
  mkdirSync(join(root, "empty"));
  await assert.rejects(readManifest(join(root, "empty")), {
    code: "ERR_INPUT",
    message: `${join(root, "empty")} has no manifest.json; name a folder that a finished "headrace build" wrote, or finish the build`,
  });
});

test("a manifest whose shards were changed is refused by its fingerprint", async () => {
  const shards = manifest.shards.with(0, { ...manifest.shards[0]!, tokens: 1 });
  await writeManifest(join(root, "changed"), { ...manifest, shards });
  await assert.rejects(readManifest(join(root, "changed")), {
    code: "ERR_MANIFEST",
    message: new RegExp(
      `says its fingerprint is ${manifest.fingerprint}, and its shards give [0-9a-f]{64}; restore`,
    ),
  });
});

test("a field of another shape is named with its path and value", async () => {
  mkdirSync(join(root, "shape"));
  const shards = [
    { ...manifest.shards[0], batches: [{ documents: 1, tokens: 2.5, offsetsAt: 8, tokensAt: 16 }] },
  ];
  writeFileSync(join(root, "shape/manifest.json"), JSON.stringify({ ...manifest, shards }));
  await assert.rejects(readManifest(join(root, "shape")), {
    code: "ERR_PARSE",
    message: /manifest.json.shards\[0\].batches\[0\].tokens is 2.5; expected a whole number from 0/,
  });
  assert.throws(
    () => parseManifest({ ...manifest, format: "headrace-shards/9" }),
    /format is "headrace-shards\/9"/,
  );
});

test("a manifest that agrees with itself has no problems", () => {
  assert.deepEqual(manifestProblems(manifest), []);
});
