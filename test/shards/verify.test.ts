import assert from "node:assert/strict";
import {
  appendFileSync,
  cpSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { manifestFingerprint, type ShardManifest, verifyShards, writeManifest } from "../../shards/index.ts";
import { temporaryFolder } from "../support.ts";
import { type WholeFolder, writeWholeFolder } from "./folder.ts";

const root = temporaryFolder();
const good = join(root, "good");
let whole: WholeFolder;
let copies = 0;

before(async () => {
  whole = await writeWholeFolder(good);
});

/** A fresh copy of the good folder. */
function copy(): string {
  const dir = join(root, `copy-${copies++}`);
  cpSync(good, dir, { recursive: true });
  return dir;
}

const problemsOf = async (dir: string) => (await verifyShards(dir)).problems;

test("a folder that a build wrote has no problem, and every kind of shard is in it", async () => {
  const seen: string[] = [];
  const report = await verifyShards(good, { onProgress: ({ path }) => seen.push(path) });
  const { shards, tables } = whole.manifest;
  assert.deepEqual(report, {
    ok: true,
    files: shards.length + tables.length,
    documents: shards.reduce((sum, shard) => sum + shard.documents, 0),
    tokens: shards.reduce((sum, shard) => sum + shard.tokens, 0),
    problems: [],
  });
  assert.deepEqual(seen.sort(), [...shards, ...tables].map(({ path }) => path).sort());
  assert.deepEqual(
    shards.map(({ path }) => path),
    [
      "train/github/00000.arrow",
      "train/github/00001.arrow",
      "train/github/00002.arrow",
      "train/github/00003.arrow",
      "train/book/00000.arrow",
      "validation/github/00000.arrow",
      "validation/book/00000.arrow",
      "dropped/github/00000.arrow",
    ],
  );
});

test("a flipped bit anywhere in any file is found, and the file named with both hashes", async () => {
  const dir = copy();
  for (const { path, bytes, sha256 } of [...whole.manifest.shards, ...whole.manifest.tables]) {
    const data = readFileSync(join(dir, path));
    for (const at of [0, 7, 300, Math.floor(bytes / 2), bytes - 200, bytes - 8, bytes - 1]) {
      const flipped = Buffer.from(data);
      flipped[at]! ^= 1 << (at % 8);
      writeFileSync(join(dir, path), flipped);
      const [problem, ...others] = await problemsOf(dir);
      assert.deepEqual(others, []);
      assert.equal(problem?.code, "ERR_SHARD_HASH");
      assert.equal(problem.path, path);
      assert.match(
        problem.message,
        new RegExp(
          `^${path} has sha256 [0-9a-f]{64}, and the manifest says ${sha256}; restore it or build again$`,
        ),
      );
    }
    writeFileSync(join(dir, path), data);
  }
});

test("a file that is cut or has more at its end is found with both lengths", async () => {
  const dir = copy();
  const { path, bytes } = whole.manifest.shards[1]!;
  const data = readFileSync(join(dir, path));
  for (const length of [0, 1, 8, 500, bytes - 10, bytes - 1]) {
    truncateSync(join(dir, path), length);
    assert.deepEqual(await problemsOf(dir), [
      {
        code: "ERR_SHARD",
        path,
        message: `${path} has ${length} bytes, and the manifest says ${bytes}; restore it or build again`,
      },
    ]);
    writeFileSync(join(dir, path), data);
  }
  appendFileSync(join(dir, path), "x");
  assert.match(
    (await problemsOf(dir))[0]!.message,
    new RegExp(`has ${bytes + 1} bytes, and the manifest says ${bytes}`),
  );
});

test("missing files and files that the manifest does not list are named", async () => {
  const dir = copy();
  rmSync(join(dir, "validation/book/00000.arrow"));
  renameSync(join(dir, "scores/00000.arrow"), join(dir, "scores/00007.arrow"));
  cpSync(join(good, "train/book/00000.arrow"), join(dir, "train/book/00001.arrow"));
  writeFileSync(join(dir, "train/.00000.arrow.12.tmp"), "");
  assert.deepEqual(
    (await problemsOf(dir)).map(({ code, message }) => `${code} ${message}`),
    [
      "ERR_SHARD validation/book/00000.arrow is missing, and the manifest lists it; restore it or build again",
      "ERR_SHARD scores/00000.arrow is missing, and the manifest lists it; restore it or build again",
      ...["scores/00007.arrow", "train/.00000.arrow.12.tmp", "train/book/00001.arrow"].map(
        (path) =>
          `ERR_MANIFEST ${path} is not in the manifest; delete it, or restore the manifest that lists it`,
      ),
    ],
  );
});

/** Problems of the good folder under another manifest, whose fingerprint is made right unless told otherwise. */
async function problemsUnder(change: (manifest: ShardManifest) => ShardManifest, fingerprint = true) {
  const dir = copy();
  const changed = change(whole.manifest);
  await writeManifest(dir, fingerprint ? { ...changed, fingerprint: manifestFingerprint(changed) } : changed);
  return (await problemsOf(dir)).map(({ code, message }) => `${code} ${message}`);
}

const withShard = (at: number, change: object) => (manifest: ShardManifest) => ({
  ...manifest,
  shards: manifest.shards.with(at, { ...manifest.shards[at]!, ...change }),
});

test("a manifest that contradicts its files or itself is found", async () => {
  const { shards, account } = whole.manifest;
  const batch = shards[0]!.batches[0]!;
  const expect = async (problems: Promise<string[]>, ...patterns: RegExp[]) => {
    const found = await problems;
    for (const pattern of patterns)
      assert.ok(
        found.some((line) => pattern.test(line)),
        `${pattern} in ${found.join("\n")}`,
      );
  };
  await expect(
    problemsUnder(withShard(0, { batches: [{ ...batch, tokensAt: batch.tokensAt + 8 }] })),
    /^ERR_MANIFEST train\/github\/00000.arrow: its batch 0 is .*and the manifest says/,
  );
  await expect(
    problemsUnder(withShard(0, { batches: [{ ...batch, offsetsAt: 12 }] })),
    /^ERR_MANIFEST manifest.json: batch 0 of shard train\/github\/00000.arrow lies at 12 and \d+, which cannot be/,
  );
  await expect(
    problemsUnder(withShard(0, { documents: 1 })),
    /^ERR_MANIFEST manifest.json: shard train\/github\/00000.arrow has 1 documents and \d+ tokens, and its batches/,
    /^ERR_ACCOUNT manifest.json: train shards of github hold/,
  );
  await expect(
    problemsUnder(withShard(0, { path: "train/github/../../../00000.arrow" })),
    /^ERR_MANIFEST .*does not lie at train\/github\/NNNNN.arrow/,
  );
  await expect(
    problemsUnder((manifest) => ({ ...manifest, shards: manifest.shards.toReversed() })),
    /^ERR_MANIFEST manifest.json: shard validation\/book\/00000.arrow is not in stream order/,
  );
  await expect(
    problemsUnder((manifest) => ({ ...manifest, shards: [...manifest.shards, manifest.shards[0]!] })),
    /it lists train\/github\/00000.arrow twice/,
  );
  await expect(
    problemsUnder((manifest) => ({ ...manifest, domains: ["github"] })),
    /shard train\/book\/00000.arrow is of domain "book", which it does not list/,
  );
  await expect(
    problemsUnder((manifest) => ({
      ...manifest,
      tokenizer: { ...manifest.tokenizer, sha256: "77".repeat(32) },
    })),
    /^ERR_MANIFEST train\/github\/00000.arrow: its metadata is .*cdcd.*and the manifest says .*7777/,
  );
  await expect(
    problemsUnder((manifest) => ({ ...manifest, fingerprint: "00".repeat(32) }), false),
    /^ERR_MANIFEST manifest.json: its fingerprint is 0000.*, and its shards give [0-9a-f]{64}; restore the file or build again$/,
  );
  await expect(
    problemsUnder((manifest) => ({ ...manifest, account: { ...account, read: account.read + 1 } })),
    /^ERR_ACCOUNT manifest.json: account.read is 70, and its parts give 69; restore/,
    /^ERR_ACCOUNT manifest.json: the score table has 67 records, and 70 records were read of which 2 are quarantined/,
  );
  await expect(
    problemsUnder((manifest) => ({
      ...manifest,
      account: { ...account, bytes: { ...account.bytes, total: 5 } },
    })),
    /account.bytes.total is 5, and its parts give 1000/,
  );
  await expect(
    problemsUnder((manifest) => ({
      ...manifest,
      account: {
        ...account,
        domains: { ...account.domains, book: { ...account.domains["book"]!, kept: 2, heldOut: 1 } },
      },
    })),
    /account.kept is \d+, and its parts give \d+/,
    /account.heldOut is \d+, and its parts give \d+/,
    /train shards of book hold 3 documents/,
    /^ERR_ACCOUNT the score table has 3 records "book kept", and the account says 2; build again$/,
  );
});

test("quarantine and incidents that were lost are found", async () => {
  const dir = copy();
  writeFileSync(join(dir, "quarantine.jsonl"), "{}\n");
  rmSync(join(dir, "incidents.jsonl"));
  assert.deepEqual(
    (await problemsOf(dir)).map(({ message }) => message),
    [
      "quarantine.jsonl has 1 lines, and the account says 2; restore it or build again",
      "incidents.jsonl has 0 lines, and the account says 1; restore it or build again",
    ],
  );
});

test("a manifest that is no manifest is a problem; a folder without one is no folder of shards", async () => {
  const dir = copy();
  writeFileSync(join(dir, "manifest.json"), '{"format": "headrace-shards/3"}');
  const report = await verifyShards(dir);
  assert.equal(report.ok, false);
  assert.match(
    report.problems[0]!.message,
    /manifest.json.format is "headrace-shards\/3"; expected one of headrace-shards\/1, headrace-shards\/2/,
  );
  rmSync(join(dir, "manifest.json"));
  await assert.rejects(verifyShards(dir), { code: "ERR_INPUT" });
});

test("an origin that is not the key's, and gaps that were lost or are shorter, are found", async () => {
  const dir = copy();
  const origin = readFileSync(join(dir, "origin.json"), "utf8");
  writeFileSync(join(dir, "origin.json"), origin.replace('"bytes":1000', '"bytes":1001'));
  const [key] = await problemsOf(dir);
  assert.equal(key!.path, "origin.json");
  assert.match(key!.message, /has the hash [0-9a-f]{64}, and the manifest's key is [0-9a-f]{64}/);
  writeFileSync(join(dir, "origin.json"), origin);
  const gap = readFileSync(join(dir, "gap.jsonl"), "utf8");
  assert.match(
    gap,
    /^\{"source":"b\/ü.jsonl.zst","line":2,"domain":"book","tokens":\[\d+,\d+,\d+,\d+\]\}\n$/,
  );
  writeFileSync(join(dir, "gap.jsonl"), gap.replace(/,\d+\]/, "]"));
  assert.deepEqual(
    (await problemsOf(dir)).map(({ message }) => message),
    ["gap.jsonl has 3 tokens of book, and the account says 4; restore it or build again"],
  );
  rmSync(join(dir, "gap.jsonl"));
  rmSync(join(dir, "origin.json"));
  assert.deepEqual(
    (await problemsOf(dir)).map(({ code, path }) => `${code} ${path}`),
    ["ERR_INPUT origin.json", "ERR_INPUT gap.jsonl"],
  );
});
