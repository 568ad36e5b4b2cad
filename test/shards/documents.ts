/**
 * Documents for the tests of shards: made up at random, cut into batches at random, written and read back as plain values.
 */
import fc from "fast-check";
import {
  type DocumentBatch,
  openShard,
  openShardWriter,
  type ShardFile,
  type ShardSchema,
  shardMetadata,
  tokenArray,
} from "../../shards/index.ts";

/** A document as plain values. */
export interface PlainDocument {
  readonly tokens: readonly number[];
  readonly source: string;
  readonly line: number;
  readonly scores: readonly number[];
  readonly hash: bigint;
}

/** Documents of up to 12 tokens, some empty, from up to four sources, with few distinct hashes so that ties occur. */
export function documents(options: {
  readonly tokenType: ShardSchema["tokenType"];
  readonly filters: number;
  readonly maxLength?: number;
}): fc.Arbitrary<PlainDocument[]> {
  const largest = options.tokenType === "uint16" ? 65_535 : 2 ** 31 - 1;
  return fc.array(
    fc.record(
      {
        tokens: fc.array(fc.integer({ min: 0, max: largest }), { maxLength: 12 }),
        source: fc.constantFrom("a.jsonl", "b/c.jsonl.zst", "ü.parquet", "d"),
        line: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        scores: fc.array(
          fc.integer({ min: -(2 ** 23), max: 2 ** 23 }).map((n) => n / 65_536),
          { minLength: options.filters, maxLength: options.filters },
        ),
        hash: fc.oneof(
          fc.nat(20).map((n) => BigInt(n) << 59n),
          { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
        ),
      },
      { noNullPrototype: true },
    ),
    { maxLength: options.maxLength ?? 40, size: "max" },
  );
}

/** Columns of documents; `sources` grows by those that are new. */
export function batchOf(
  schema: ShardSchema,
  list: readonly PlainDocument[],
  sources: string[],
): DocumentBatch {
  const offsets = new Int32Array(list.length + 1);
  for (const [i, { tokens }] of list.entries()) offsets[i + 1] = offsets[i]! + tokens.length;
  const tokens = tokenArray(schema.tokenType, offsets[list.length]!);
  for (const [i, document] of list.entries()) tokens.set(document.tokens, offsets[i]!);
  return {
    documents: list.length,
    offsets,
    tokens,
    sources: Int32Array.from(list, ({ source }) => {
      if (!sources.includes(source)) sources.push(source);
      return sources.indexOf(source);
    }),
    lines: Uint32Array.from(list, ({ line }) => line),
    scores: schema.filters.map((_, f) => Float32Array.from(list, ({ scores }) => scores[f]!)),
    ...(schema.hashes && { hashes: BigUint64Array.from(list, ({ hash }) => hash) }),
  };
}

/** Writes batches of documents to a file; the sources go before or after them. */
export async function writeDocuments(
  path: string,
  schema: ShardSchema,
  batches: readonly (readonly PlainDocument[])[],
  dictionary: "first" | "last" = "last",
): Promise<ShardFile> {
  const sources: string[] = [];
  const columns = batches.map((list) => batchOf(schema, list, sources));
  const metadata = shardMetadata({ split: "train", domain: "book", tokenizer: "0".repeat(64) });
  const writer = await openShardWriter(path, {
    schema,
    metadata,
    ...(dictionary === "first" && { sources }),
  });
  for (const batch of columns) await writer.write(batch);
  return writer.close(dictionary === "last" ? sources : undefined);
}

/** All documents of a file, as plain values; `hash` is 0 where the file has none. */
export async function readDocuments(path: string): Promise<PlainDocument[]> {
  const reader = openShard(path);
  const all = reader.batches.flatMap((_, i) => plainOf(reader.readBatch(i), reader.sources));
  reader.close();
  return all;
}

function plainOf(batch: DocumentBatch, sources: readonly string[]): PlainDocument[] {
  return Array.from({ length: batch.documents }, (_, i) => ({
    tokens: [...batch.tokens.subarray(batch.offsets[i], batch.offsets[i + 1])],
    source: sources[batch.sources[i]!]!,
    line: batch.lines[i]!,
    scores: batch.scores.map((column) => column[i]!),
    hash: batch.hashes?.[i] ?? 0n,
  }));
}

/** Cuts a list at random places into at most four runs, some perhaps empty. */
export function cuttings<T>(list: readonly T[]): fc.Arbitrary<T[][]> {
  return fc.array(fc.nat(list.length), { maxLength: 3 }).map((places) => {
    const at = [0, ...places.sort((a, b) => a - b), list.length];
    return at.slice(1).map((to, i) => list.slice(at[i], to));
  });
}
