import assert from "node:assert/strict";
import { rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import fc from "fast-check";
import {
  openFilePool,
  openStream,
  type ShardManifest,
  type Split,
  type TokenType,
} from "../../shards/index.ts";
import { temporaryFolder } from "../support.ts";
import { type WholeFolder, writeWholeFolder } from "./folder.ts";

const root = temporaryFolder();
const folders = {} as Record<TokenType, WholeFolder & { readonly dir: string }>;

before(async () => {
  for (const tokenType of ["uint16", "int32"] as const) {
    const dir = join(root, tokenType);
    folders[tokenType] = { dir, ...(await writeWholeFolder(dir, tokenType)) };
  }
});

/** A stream, and what it holds by the documents that were written. */
function open(tokenType: TokenType, split: Split, domain: string) {
  const { dir, manifest, streams } = folders[tokenType];
  const documents = streams[`${split}/${domain}`]!;
  const starts: number[] = [];
  let position = 0;
  for (const { tokens } of documents) {
    if (tokens.length > 0) starts.push(position);
    position += tokens.length;
  }
  return {
    stream: openStream(dir, manifest, split, domain),
    naive: documents.flatMap(({ tokens }) => tokens),
    starts,
  };
}

const which = fc.record({
  tokenType: fc.constantFrom("uint16" as const, "int32" as const),
  split: fc.constantFrom("train" as const, "validation" as const, "dropped" as const),
  domain: fc.constant("github"),
  from: fc.nat(5000),
  length: fc.nat(3500),
});

test("any stretch of the ring is that of all tokens one after another, however many batches and rounds it covers", () => {
  fc.assert(
    fc.property(which, ({ tokenType, split, domain, from, length }) => {
      const { stream, naive } = open(tokenType, split, domain);
      const into = tokenType === "uint16" ? new Uint16Array(length) : new Int32Array(length);
      stream.read(from, into);
      stream.close();
      assert.equal(stream.tokens, naive.length);
      assert.deepEqual(
        [...into],
        Array.from({ length }, (_, i) => naive[(from + i) % naive.length]),
      );
    }),
    { numRuns: 200 },
  );
});

test("document boundaries are where documents with tokens start, in any stretch of the ring", () => {
  fc.assert(
    fc.property(which, ({ tokenType, split, domain, from, length }) => {
      const { stream, naive, starts } = open(tokenType, split, domain);
      const boundaries = stream.documentBoundaries(from, length);
      stream.close();
      const isStart = new Set(starts);
      assert.deepEqual(
        boundaries,
        Array.from({ length }, (_, i) => i).filter((i) => isStart.has((from + i) % naive.length)),
      );
    }),
    { numRuns: 200 },
  );
});

test("ids of 16 bits may be read into 32, also into the middle of a larger array", () => {
  const { stream, naive } = open("uint16", "train", "github");
  const larger = new Int32Array(2000).fill(-1);
  stream.read(3, larger.subarray(501, 1501));
  stream.close();
  assert.deepEqual([...larger.subarray(501, 1501)], naive.slice(3, 1003));
  assert.ok([...larger.subarray(0, 501), ...larger.subarray(1501)].every((value) => value === -1));
  assert.ok(naive.some((id) => id > 32_767));
});

test("ids of 32 bits are not read into 16", () => {
  const { stream } = open("int32", "train", "github");
  assert.throws(
    () => stream.read(0, new Uint16Array(1)),
    /are int32 and do not fit a Uint16Array; pass an Int32Array/,
  );
  stream.close();
});

test("a read costs one positioned read for each batch that it touches, and opens each file once", () => {
  const { dir, manifest } = folders.uint16;
  const files = openFilePool();
  const stream = openStream(dir, manifest, "train", "github", { files });
  assert.deepEqual([files.reads, files.opened], [0, 0]);
  const sizes = manifest.shards
    .filter(({ split, domain }) => split === "train" && domain === "github")
    .map(({ tokens }) => tokens);
  assert.equal(sizes.length, 4);

  stream.read(1, new Uint16Array(10));
  assert.deepEqual([files.reads, files.opened], [1, 1]);
  stream.read(sizes[0]! - 5, new Uint16Array(10));
  assert.deepEqual([files.reads, files.opened], [3, 2]);
  stream.read(stream.tokens - 5, new Uint16Array(10));
  assert.deepEqual([files.reads, files.opened], [5, 3]);
  stream.read(0, new Uint16Array(stream.tokens));
  assert.deepEqual([files.reads, files.opened], [9, 4]);
  stream.read(0, new Uint16Array(0));
  assert.deepEqual([files.reads, files.opened], [9, 4]);

  stream.documentBoundaries(0, 10);
  stream.documentBoundaries(20, 10);
  assert.deepEqual([files.reads, files.opened], [10, 4]);
  files.close();
});

test("with fewer handles than files the least recently used is closed, and reads stay right", () => {
  const { dir, manifest, streams } = folders.int32;
  const naive = streams["train/github"]!.flatMap(({ tokens }) => tokens);
  const files = openFilePool({ limit: 2 });
  const stream = openStream(dir, manifest, "train", "github", { files });
  for (let round = 0; round < 3; round++) {
    const into = new Int32Array(naive.length);
    stream.read(0, into);
    assert.deepEqual([...into], naive);
  }
  assert.deepEqual([files.reads, files.opened], [12, 12]);
  stream.close();
  files.close();
});

test("a stream that was closed opens its files again", () => {
  const { stream, naive } = open("uint16", "validation", "book");
  for (let round = 0; round < 2; round++) {
    const into = new Uint16Array(4);
    stream.read(0, into);
    assert.deepEqual([...into], naive.slice(0, 4));
    stream.close();
  }
});

test("positions past 2^32 are found", () => {
  const { dir, manifest, streams } = folders.uint16;
  const naive = streams["train/github"]!.flatMap(({ tokens }) => tokens);
  const shards = manifest.shards.filter(({ split, domain }) => split === "train" && domain === "github");
  const huge: ShardManifest = {
    ...manifest,
    // A shard of 2^33 tokens that is not there, before those that are.
    shards: [
      {
        ...shards[0]!,
        path: "train/github/absent.arrow",
        batches: [{ documents: 1, tokens: 2 ** 33, offsetsAt: 8, tokensAt: 16 }],
      },
      ...shards,
    ],
  };
  const stream = openStream(dir, huge, "train", "github");
  assert.equal(stream.tokens, 2 ** 33 + naive.length);
  const into = new Uint16Array(100);
  stream.read(2 ** 33 + 7, into);
  assert.deepEqual([...into], naive.slice(7, 107));
  stream.close();
});

test("what is not there is an error that names it: the domain, the split, the file", () => {
  const { dir, manifest } = folders.uint16;
  assert.throws(
    () => openStream(dir, manifest, "train", "arxiv"),
    /domain "arxiv" is not in .*; it has github, book/,
  );
  const empty = openStream(dir, manifest, "dropped", "book");
  assert.equal(empty.tokens, 0);
  empty.read(0, new Uint16Array(0));
  assert.throws(() => empty.read(0, new Uint16Array(1)), {
    code: "ERR_DOMAIN",
    message: /has no dropped tokens of domain "book"/,
  });
  const stream = openStream(dir, manifest, "train", "book");
  assert.throws(() => stream.read(-1, new Uint16Array(1)), { code: "ERR_ARGUMENT" });
  assert.throws(() => stream.read(0.5, new Uint16Array(1)), { code: "ERR_ARGUMENT" });
  const path = join(dir, "train/book/00000.arrow");
  truncateSync(path, 1600);
  assert.throws(() => stream.read(0, new Uint16Array(stream.tokens)), {
    code: "ERR_SHARD",
    message:
      /train\/book\/00000.arrow ends at byte 1600, and \d+ bytes from \d+ were expected; restore the file or build again/,
  });
  stream.close();
  rmSync(path);
  assert.throws(() => stream.read(0, new Uint16Array(1)), {
    code: "ERR_SHARD",
    message: /cannot open .*ENOENT/,
  });
});
