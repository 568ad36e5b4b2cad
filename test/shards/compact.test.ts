import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Compaction,
  compactDomain,
  openShard,
  openShardWriter,
  type ShardSchema,
} from "../../shards/index.ts";
import { temporaryFolder } from "../support.ts";
import { type PlainDocument, readDocuments, writeDocuments } from "./documents.ts";

const folder = temporaryFolder();
const schema: ShardSchema = { tokenType: "uint16", filters: [], hashes: true };

/** A segment of documents of the given lengths, with ids that count up, in one segment batch each. */
async function segment(name: string, batches: readonly (readonly number[])[]): Promise<string> {
  const path = join(folder, name);
  const writer = await openShardWriter(path, { schema, metadata: {}, sources: ["a"] });
  for (const lengths of batches) {
    const offsets = new Int32Array(lengths.length + 1);
    for (const [i, length] of lengths.entries()) offsets[i + 1] = offsets[i]! + length;
    await writer.write({
      documents: lengths.length,
      offsets,
      tokens: Uint16Array.from({ length: offsets.at(-1)! }, (_, i) => i),
      sources: new Int32Array(lengths.length),
      lines: Uint32Array.from(lengths, (_, i) => i + 1),
      scores: [],
      hashes: BigUint64Array.from(lengths, (_, i) => BigInt(i)),
    });
  }
  await writer.close();
  return path;
}

function compaction(dir: string, segments: readonly string[], change: Partial<Compaction> = {}): Compaction {
  return {
    dir: join(folder, dir),
    domain: "c4",
    segments,
    schema,
    tokenizer: "00",
    plan: { kind: "whole", split: "train" },
    shardBytes: 512 << 20,
    ...change,
  };
}

const batchesOf = async (options: Compaction) =>
  (await compactDomain(options)).shards.flatMap(({ batches }) =>
    batches.map(({ documents, tokens }) => [documents, tokens]),
  );

test("a record batch ends after 65,536 documents, in every shard anew", async () => {
  const path = await segment("many.arrow", [Array<number>(40_000).fill(1), Array<number>(40_000).fill(1)]);
  assert.deepEqual(await batchesOf(compaction("many", [path])), [
    [65_536, 65_536],
    [14_464, 14_464],
  ]);
  assert.deepEqual(await batchesOf(compaction("many-shards", [path], { shardBytes: 2 * 70_000 })), [
    [65_536, 65_536],
    [4_464, 4_464],
    [10_000, 10_000],
  ]);
});

test("a record batch ends before the document that would bring it over 16 MiB; a longer document has its own", async () => {
  const half = 4 << 20;
  const path = await segment("long.arrow", [[half, half], [1, 2 * half + 1], [0], [2]]);
  const options = compaction("long", [path]);
  assert.deepEqual(await batchesOf(options), [
    [2, 2 * half],
    [1, 1],
    [1, 2 * half + 1],
    [2, 2],
  ]);
  const reader = openShard(join(options.dir, "train/c4/00000.arrow"));
  const { tokens } = reader.readBatch(2);
  reader.close();
  assert.ok(tokens.every((id, i) => id === (i + 1) % 65_536));
});

test("a document longer than a shard is a shard", async () => {
  const path = await segment("longer.arrow", [[3, 50, 3, 3]]);
  const { shards } = await compactDomain(compaction("longer", [path], { shardBytes: 20 }));
  assert.deepEqual(
    shards.map(({ path, documents, tokens }) => [path, documents, tokens]),
    [
      ["train/c4/00000.arrow", 1, 3],
      ["train/c4/00001.arrow", 1, 50],
      ["train/c4/00002.arrow", 2, 6],
    ],
  );
});

test("the dictionary of a shard is its own sources in order of first use", async () => {
  const documents = ["b", "a", "b", "c"].map(
    (source, i): PlainDocument => ({ tokens: [i, i], source, line: 1, scores: [], hash: 0n }),
  );
  const path = join(folder, "sources.arrow");
  await writeDocuments(path, schema, [documents]);
  const options = compaction("sources", [path], { shardBytes: 8 });
  const { shards } = await compactDomain(options);
  const dictionaries = shards.map((shard) => {
    const reader = openShard(join(options.dir, shard.path));
    reader.close();
    return reader.sources;
  });
  assert.deepEqual(dictionaries, [
    ["b", "a"],
    ["b", "c"],
  ]);
});

test("no segments, or segments without documents, give no shards", async () => {
  const empty = await segment("empty.arrow", []);
  for (const segments of [[], [empty]])
    assert.deepEqual(await compactDomain(compaction("none", segments)), { shards: [], gap: null });
  assert.ok(!existsSync(join(folder, "none")));
});

test("a segment of another build, or without hashes where they are needed, is refused by name", async () => {
  const path = join(folder, "other.arrow");
  await writeDocuments(path, { tokenType: "int32", filters: ["ads"] }, []);
  await assert.rejects(compactDomain(compaction("refused", [path])), {
    code: "ERR_SHARD",
    message: `segment ${path} has int32 tokens and scores [ads], not uint16 and []; build its task again`,
  });
  await writeDocuments(path, { tokenType: "uint16", filters: [] }, []);
  const plan = { kind: "hashes", upTo: 1n, documents: 1, tokens: 1 } as const;
  await assert.rejects(compactDomain(compaction("refused", [path], { plan })), /other.arrow has no hashes/);
});

test("when a segment is lost half way, what was begun is taken back and shards that were finished stay", async () => {
  const good = await segment("good.arrow", [[4, 4, 4]]);
  const lost = await segment("lost.arrow", [[1, 1]]);
  let opened = 0;
  /** The segments; the second is gone when it is opened to be written, after it was there to be planned. */
  function* segments(): Generator<string> {
    yield good;
    if (++opened === 2) rmSync(lost);
    yield lost;
  }
  const options = compaction("half", { [Symbol.iterator]: segments } as unknown as string[], {
    shardBytes: 16,
  });
  await assert.rejects(compactDomain(options), { code: "ERR_SHARD", message: /cannot open .*lost.arrow/ });
  assert.deepEqual(readdirSync(join(options.dir, "train/c4")), ["00000.arrow"]);
  assert.equal((await readDocuments(join(options.dir, "train/c4/00000.arrow"))).length, 2);
});
