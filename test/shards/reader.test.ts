import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  Field,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  tableFromIPC,
  vectorFromArray,
} from "apache-arrow";
import { openScores, openShard, openShardWriter, type ShardSchema } from "../../shards/index.ts";
import { temporaryFolder } from "../support.ts";
import { batchOf, type PlainDocument, readDocuments, writeDocuments } from "./documents.ts";

const folder = temporaryFolder();
const path = join(folder, "shard.arrow");
const schema: ShardSchema = { tokenType: "uint16", filters: ["ads"], hashes: true };
const documents: PlainDocument[] = Array.from({ length: 9 }, (_, i) => ({
  tokens: Array.from({ length: i }, (_, t) => 100 * i + t),
  source: i < 5 ? "a" : "ü",
  line: i + 1,
  scores: [i / 2],
  hash: BigInt(i) ** 20n,
}));

test("apache-arrow reads the same columns", async () => {
  await writeDocuments(path, schema, [documents.slice(0, 4), documents.slice(4)], "first");
  const table = tableFromIPC(readFileSync(path));
  assert.equal(table.batches.length, 2);
  assert.deepEqual(
    table.toArray().map((row) => ({
      tokens: [...row.tokens],
      source: row.source,
      line: row.line,
      scores: [row.ads],
      hash: row.hash,
    })),
    documents,
  );
});

test("an index is the batch without its tokens, and a part of the tokens can be read alone", async () => {
  await writeDocuments(path, schema, [documents.slice(0, 4), documents.slice(4)]);
  const reader = openShard(path);
  const { tokens, ...index } = reader.readBatch(1);
  assert.deepEqual(reader.readIndex(1), index);
  const part = new Uint16Array(7);
  reader.readTokens(1, 3, part);
  assert.deepEqual(part, tokens.subarray(3, 10));
  assert.throws(() => reader.readTokens(1, tokens.length - 6, part), { code: "ERR_ARGUMENT" });
  assert.throws(() => reader.readBatch(2), /batch 2 of .*, which has 2/);
  reader.close();
});

test("a batch whose offsets or sources make no sense is refused, naming file and batch", async () => {
  const file = await writeDocuments(path, schema, [documents]);
  const good = readFileSync(path);
  const { offsetsAt } = file.batches[0]!;
  const bytes = Buffer.from(good);
  bytes.writeInt32LE(17, offsetsAt + 8);
  writeFileSync(path, bytes);
  const reader = openShard(path);
  assert.throws(() => reader.readBatch(0), {
    code: "ERR_SHARD",
    message:
      /^batch 0 of .*shard.arrow: offset 3 is 3, below the one before it; restore the file or build again$/,
  });
  reader.close();
});

test("a file that is cut anywhere is refused, naming it", async () => {
  await writeDocuments(path, schema, [documents.slice(0, 4), documents.slice(4)]);
  const good = readFileSync(path);
  for (let length = 0; length < good.length; length += 37) {
    writeFileSync(path, good.subarray(0, length));
    assert.throws(
      () => openShard(path),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "ERR_SHARD");
        assert.ok(error.message.includes(path));
        return true;
      },
    );
  }
});

test("a flipped byte in the metadata is refused, or harmless, or leaves a file that is still read without a crash", async () => {
  await writeDocuments(path, schema, [documents.slice(0, 4), documents.slice(4)], "first");
  const good = readFileSync(path);
  let refused = 0;
  for (let at = 0; at < good.length; at += 3) {
    const bytes = Buffer.from(good);
    bytes[at]! ^= 0x81;
    writeFileSync(path, bytes);
    try {
      await readDocuments(path);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "ERR_SHARD", `byte ${at}: ${error}`);
      refused++;
    }
  }
  assert.ok(refused > good.length / 15, `${refused} of ${good.length / 3} were refused`);
});

test("files that are no shard are refused with what they are", async () => {
  const refused = (bytes: Uint8Array | string, message: RegExp) => {
    writeFileSync(path, bytes);
    assert.throws(() => openShard(path), { code: "ERR_SHARD", message });
  };
  refused("", /it has 0 bytes, fewer than any Arrow file/);
  refused("x".repeat(100), /does not begin and end with ARROW1/);
  const other = new Schema([new Field("n", new Int32(), true)]);
  const data = makeData({
    type: new Struct(other.fields),
    length: 1,
    children: [vectorFromArray([1], new Int32()).data[0]!],
  });
  const writer = RecordBatchFileWriter.writeAll([new RecordBatch(other, data)]);
  refused(writer.toUint8Array(true), /column "n" has a type that no file of headrace has/);
  assert.throws(() => openShard(join(folder, "absent.arrow")), {
    code: "ERR_SHARD",
    message: /cannot open .*absent.arrow/,
  });
});

test("a shard is no score table and says so", async () => {
  await writeDocuments(path, schema, [documents]);
  assert.throws(() => openScores(path), {
    code: "ERR_SHARD",
    message: /is no score table: its columns are others/,
  });
});

test("no handle stays open after a refusal", async () => {
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 20; i++) {
    writeFileSync(path, "x".repeat(100));
    assert.throws(() => openShard(path));
  }
  await writeDocuments(path, schema, [documents]);
  for (let i = 0; i < 20; i++) assert.throws(() => openScores(path));
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

test("a shard without documents has no batches", async () => {
  const writer = await openShardWriter(path, { schema, metadata: { a: "b" }, sources: [] });
  await writer.write(batchOf(schema, [], []));
  assert.deepEqual((await writer.close()).batches, []);
  const reader = openShard(path);
  assert.deepEqual([reader.batches, reader.sources, reader.metadata], [[], [], { a: "b" }]);
  reader.close();
});
