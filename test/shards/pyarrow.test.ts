import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import type { TokenType } from "../../shards/index.ts";
import { python, temporaryFolder } from "../support.ts";
import { type PlainDocument, writeDocuments } from "./documents.ts";
import { writeWholeFolder } from "./folder.ts";

const { command, missing } = python("pyarrow", "numpy");
const folder = temporaryFolder();

interface Seen {
  readonly batches: number;
  readonly types: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly nulls: number;
  readonly columns: Readonly<Record<string, readonly unknown[]>>;
  readonly dictionaries: Readonly<Record<string, readonly string[]>>;
  readonly mapped: readonly (readonly number[])[];
}

function readWithPython(files: readonly object[]): Seen[] {
  const script = join(import.meta.dirname, "read_arrow.py");
  const { status, stdout, stderr } = spawnSync(command, [script], {
    input: JSON.stringify(files),
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(status, 0, stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

for (const tokenType of ["uint16", "int32"] as const satisfies readonly TokenType[])
  test(`pyarrow and numpy see in ${tokenType} shards and score tables what was written`, {
    skip: missing,
  }, async () => {
    const dir = join(folder, tokenType);
    const { manifest, streams } = await writeWholeFolder(dir, tokenType);
    const { shards, tables } = manifest;
    const seen = readWithPython([
      ...shards.map(({ path, batches }) => ({ path: join(dir, path), tokenType, batches })),
      ...tables.map(({ path }) => ({ path: join(dir, path) })),
    ]);
    const next: Record<string, number> = {};
    for (const [i, shard] of shards.entries()) {
      const stream = `${shard.split}/${shard.domain}`;
      const from = next[stream] ?? 0;
      const documents = streams[stream]!.slice(from, from + shard.documents);
      next[stream] = from + shard.documents;
      const { columns, types, metadata, nulls, dictionaries, mapped, batches } = seen[i]!;
      assert.deepEqual(types, {
        tokens: `list<item: ${tokenType}>`,
        source: "dictionary<values=string, indices=int32, ordered=0>",
        line: "uint32",
        ads: "float",
        fluency: "float",
      });
      assert.deepEqual(metadata, {
        "headrace.format": "headrace-shard/1",
        "headrace.split": shard.split,
        "headrace.domain": shard.domain,
        "headrace.tokenizer": manifest.tokenizer.sha256,
      });
      assert.deepEqual([batches, nulls], [shard.batches.length, 0]);
      assert.deepEqual(
        columns["tokens"],
        documents.map(({ tokens }) => tokens),
      );
      assert.deepEqual(mapped, columns["tokens"]);
      assert.deepEqual(
        columns["source"],
        documents.map(({ source }) => source),
      );
      assert.deepEqual(
        columns["line"],
        documents.map(({ line }) => line),
      );
      assert.deepEqual(
        columns["ads"],
        documents.map(({ scores }) => Math.fround(scores[0]!)),
      );
      assert.deepEqual(
        columns["fluency"],
        documents.map(({ scores }) => scores[1]),
      );
      assert.deepEqual(dictionaries["source"], [...new Set(documents.map(({ source }) => source))]);
    }
    for (const [stream, documents] of Object.entries(streams))
      assert.equal(next[stream] ?? 0, documents.length);

    const table = seen.at(-1)!;
    assert.deepEqual(table.types, {
      source: "dictionary<values=string, indices=int32, ordered=0>",
      line: "uint32",
      domain: "dictionary<values=string, indices=int32, ordered=0>",
      tokens: "uint32",
      ads: "float",
      fluency: "float",
      verdict: "dictionary<values=string, indices=int32, ordered=0>",
      hash: "uint64",
    });
    const held = table.columns["verdict"]!.filter((verdict) => verdict === "held-out").length;
    assert.equal(held, manifest.account.heldOut);
    assert.ok(held > 0);
    assert.equal(table.columns["tokens"]!.length, manifest.account.read - manifest.account.quarantined);
    assert.equal(table.columns["fluency"]![0], -1 / 65_536);
  });

test("pyarrow reads segments, whose dictionary follows the batches, and files of several batches", {
  skip: missing,
}, async () => {
  const path = join(folder, "segment.arrow");
  const documents = Array.from(
    { length: 6 },
    (_, i): PlainDocument => ({
      tokens: Array<number>(i).fill(60_000 + i),
      source: `s${i % 4}`,
      line: 2 ** 32 - 1 - i,
      scores: [],
      hash: 2n ** 53n - BigInt(i),
    }),
  );
  const schema = { tokenType: "uint16", filters: [], hashes: true } as const;
  const file = await writeDocuments(path, schema, [
    documents.slice(0, 1),
    documents.slice(1, 4),
    documents.slice(4),
  ]);
  const [seen] = readWithPython([{ path, tokenType: "uint16", batches: file.batches }]);
  assert.equal(seen!.batches, 3);
  assert.deepEqual(
    seen!.mapped,
    documents.map(({ tokens }) => tokens),
  );
  assert.deepEqual(seen!.columns, {
    tokens: documents.map(({ tokens }) => tokens),
    source: documents.map(({ source }) => source),
    line: documents.map(({ line }) => line),
    hash: documents.map(({ hash }) => Number(hash)),
  });
});
