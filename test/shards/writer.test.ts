import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openShard, openShardWriter, type ShardSchema } from "../../shards/index.ts";
import { temporaryFolder } from "../support.ts";
import { batchOf, cuttings, documents, readDocuments, writeDocuments } from "./documents.ts";

const folder = temporaryFolder();
const path = join(folder, "shard.arrow");

const schemas = fc.record(
  {
    tokenType: fc.constantFrom("uint16" as const, "int32" as const),
    filters: fc.constantFrom([], ["ads"], ["ads", "fluency"]),
    hashes: fc.constant(true),
  },
  { noNullPrototype: true },
);

const shards = schemas.chain((schema) =>
  documents({ tokenType: schema.tokenType, filters: schema.filters.length })
    .chain(cuttings)
    .map((batches) => ({ schema, batches })),
);

const schema: ShardSchema = { tokenType: "uint16", filters: ["ads"] };
const document = { tokens: [1, 2, 3], source: "a", line: 1, scores: [0.5], hash: 0n };

test("documents come back as they were written, whichever side of the batches the dictionary is on", async () => {
  await fc.assert(
    fc.asyncProperty(shards, fc.constantFrom("first", "last"), async ({ schema, batches }, dictionary) => {
      const file = await writeDocuments(path, schema, batches, dictionary);
      const reader = openShard(path);
      reader.close();
      assert.deepEqual(await readDocuments(path), batches.flat());
      assert.deepEqual(reader.schema, schema);
      assert.deepEqual(reader.batches, file.batches);
      assert.equal(file.documents, batches.flat().length);
      assert.equal(
        file.tokens,
        batches.flat().reduce((sum, { tokens }) => sum + tokens.length, 0),
      );
    }),
    { numRuns: 60 },
  );
});

test("size, hash and positions are those of the bytes on disk", async () => {
  await fc.assert(
    fc.asyncProperty(shards, async ({ schema, batches }) => {
      const file = await writeDocuments(path, schema, batches);
      const bytes = readFileSync(path);
      assert.equal(file.bytes, bytes.length);
      assert.equal(file.sha256, createHash("sha256").update(bytes).digest("hex"));
      const width = schema.tokenType === "uint16" ? 2 : 4;
      const written = batches.filter((list) => list.length > 0);
      assert.equal(file.batches.length, written.length);
      for (const [i, { documents, tokens, offsetsAt, tokensAt }] of file.batches.entries()) {
        assert.equal(offsetsAt % 8, 0);
        assert.equal(tokensAt % 8, 0);
        const offsets = Array.from({ length: documents + 1 }, (_, d) => bytes.readInt32LE(offsetsAt + 4 * d));
        assert.equal(offsets[0], 0);
        assert.deepEqual(
          offsets.slice(1).map((end, d) => end - offsets[d]!),
          written[i]!.map((one) => one.tokens.length),
        );
        const ids = Array.from({ length: tokens }, (_, t) => bytes.readUIntLE(tokensAt + t * width, width));
        assert.deepEqual(
          ids,
          written[i]!.flatMap((one) => one.tokens),
        );
      }
    }),
    { numRuns: 60 },
  );
});

test("the same calls give the same bytes, in one process and whatever was written before", async () => {
  const first = await writeDocuments(path, schema, [[document], [document, document]]);
  await writeDocuments(join(folder, "other.arrow"), { ...schema, filters: ["ads", "fluency"] }, []);
  const second = await writeDocuments(path, schema, [[document], [document, document]]);
  assert.deepEqual(second, first);
});

test("calls of write that overlap land in the order of the calls", async () => {
  const sources = ["a"];
  const lists = Array.from({ length: 20 }, (_, i) => [
    { ...document, tokens: Array(i * 50).fill(i), line: i + 1 },
  ]);
  const writer = await openShardWriter(path, { schema, metadata: {}, sources });
  await Promise.all(lists.map((list) => writer.write(batchOf(schema, list, sources))));
  const file = await writer.close();
  assert.deepEqual(await readDocuments(path), lists.flat());
  assert.equal(file.sha256, createHash("sha256").update(readFileSync(path)).digest("hex"));
});

test("nothing is under the final name before close, and nothing at all after abort", async () => {
  const own = join(folder, "abort");
  const writer = await openShardWriter(join(own, "shard.arrow"), { schema, metadata: {}, sources: ["a"] });
  await writer.write(batchOf(schema, [document], ["a"]));
  assert.deepEqual(
    readdirSync(own).filter((name) => !name.endsWith(".tmp")),
    [],
  );
  await writer.abort();
  assert.deepEqual(readdirSync(own), []);
});

test("abort after close leaves the file", async () => {
  const writer = await openShardWriter(path, { schema, metadata: {}, sources: [] });
  await writer.close();
  await writer.abort();
  assert.deepEqual(await readDocuments(path), []);
});

test("a batch that contradicts itself or the schema is refused, naming file and column", async () => {
  const writer = await openShardWriter(path, { schema, metadata: {}, sources: ["a"] });
  const batch = batchOf(schema, [document], ["a"]);
  const refused = async (change: object, message: RegExp) =>
    assert.rejects(writer.write({ ...batch, ...change }), (error: Error & { code?: string }) => {
      assert.equal(error.code, "ERR_ARGUMENT");
      assert.match(error.message, message);
      assert.ok(error.message.includes(path));
      return true;
    });
  await refused({ tokens: Int32Array.of(1, 2, 3) }, /tokens are no Uint16Array/);
  await refused({ offsets: Int32Array.of(0, 2) }, /3 tokens, and the last offset is 2/);
  await refused({ offsets: Int32Array.of(1, 3) }, /2 offsets from 1 for 1 documents/);
  await refused({ documents: 2, offsets: Int32Array.of(0, 4, 3) }, /offset 2 is 3, below/);
  await refused({ lines: Uint32Array.of(1, 2) }, /a column of 2 values for 1 documents/);
  await refused({ scores: [] }, /0 score columns for 1 filters/);
  await refused({ hashes: BigUint64Array.of(1n) }, /hashes, which the schema does not have/);
  await refused({ sources: Int32Array.of(-1) }, /source -1/);
  await refused({ sources: Int32Array.of(1) }, /names source 1, and 1 sources were given/);
  await writer.abort();
});

test("a segment that is closed without its sources is refused", async () => {
  const writer = await openShardWriter(path, { schema, metadata: {} });
  await writer.write(batchOf(schema, [document], []));
  await assert.rejects(writer.close(), /names source 0, and 0 sources were given/);
  await writer.abort();
});

test("a filter may not take the name of another column", async () => {
  for (const filters of [["tokens"], ["hash"], ["ads", "ads"]])
    await assert.rejects(
      openShardWriter(path, { schema: { tokenType: "uint16", filters }, metadata: {} }),
      /is taken by another column; rename the filter/,
    );
});

test("a folder that cannot be made is an output error with the way out", async () => {
  writeFileSync(join(folder, "file"), "");
  await assert.rejects(
    openShardWriter(join(folder, "file/shard.arrow"), { schema, metadata: {} }),
    /cannot write .*free space or permit writing there/,
  );
});
