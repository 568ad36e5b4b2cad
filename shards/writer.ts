/**
 * Writes a shard or a segment: batches of documents in, an Arrow IPC file out, with the byte position of every batch.
 * The file appears whole, under its final name, when `close` is done. Memory is one batch; its arrays are written as they are.
 */
import { HeadraceError } from "../core/errors.ts";
import { type BatchPosition, type DocumentBatch, type ShardSchema, shardColumns } from "./schema.ts";

/** A shard or segment that was written. */
export interface ShardFile {
  /** As it was given to the writer. */
  readonly path: string;
  readonly documents: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly sha256: string;
  /** In file order. */
  readonly batches: readonly BatchPosition[];
}

/** A shard that is being written. */
export interface ShardWriter {
  /** Appends a record batch; one without documents writes nothing. Its arrays must not change until the promise is fulfilled. */
  write(batch: DocumentBatch): Promise<void>;
  /** Commits the file. `sources` must be given here when they were not at the opening; the dictionary then follows the batches. */
  close(sources?: readonly string[]): Promise<ShardFile>;
  /** Deletes what was written. Does nothing after `close`. */
  abort(): Promise<void>;
}

/** Schema metadata of a shard (docs/format.md 1.1). `tokenizer` is its sha256. */
export function shardMetadata(of: {
  readonly split: string;
  readonly domain: string;
  readonly tokenizer: string;
}): Readonly<Record<string, string>> {
  return {
    "headrace.format": "headrace-shard/1",
    "headrace.split": of.split,
    "headrace.domain": of.domain,
    "headrace.tokenizer": of.tokenizer,
  };
}

/**
 * Opens a shard for writing. Final shards give `sources`, the list that batches index, and get the dictionary before the first batch;
 * a segment may give them to `close`. Bytes depend on the arguments of the calls alone. Throws ERR_ARGUMENT and ERR_OUTPUT.
 */
export async function openShardWriter(
  path: string,
  options: {
    readonly schema: ShardSchema;
    readonly metadata: Readonly<Record<string, string>>;
    readonly sources?: readonly string[];
  },
): Promise<ShardWriter> {
  const { schema, metadata, sources } = options;
  const columns = shardColumns(schema);
  // apache-arrow takes 50 ms to load, which a process that only reads token streams should not pay.
  const { openArrowWriter } = await import("./arrow-writer.ts");
  const file = await openArrowWriter(path, columns, metadata);
  const batches: BatchPosition[] = [];
  let largestSource = -1;
  try {
    if (sources) await file.writeDictionary(0, sources);
  } catch (error) {
    await file.abort();
    throw error;
  }

  return {
    async write(batch) {
      checkBatch(batch, schema, path);
      if (batch.documents === 0) return;
      for (const source of batch.sources) if (source > largestSource) largestSource = source;
      if (sources) checkSources(largestSource, sources, path);
      const slot = batches.length;
      batches.push({ documents: batch.documents, tokens: batch.tokens.length, offsetsAt: 0, tokensAt: 0 });
      const [offsetsAt, tokensAt] = await file.writeBatch(batch.documents, [
        batch.offsets,
        batch.tokens,
        batch.sources,
        batch.lines,
        ...batch.scores,
        ...(batch.hashes ? [batch.hashes] : []),
      ]);
      batches[slot] = { ...batches[slot]!, offsetsAt: offsetsAt!, tokensAt: tokensAt! };
    },

    async close(late) {
      if (!sources) {
        checkSources(largestSource, late ?? [], path);
        await file.writeDictionary(0, late ?? []);
      }
      const { bytes, sha256 } = await file.close();
      let documents = 0;
      let tokens = 0;
      for (const batch of batches) {
        documents += batch.documents;
        tokens += batch.tokens;
      }
      return { path, documents, tokens, bytes, sha256, batches };
    },

    abort: () => file.abort(),
  };
}

function checkSources(largest: number, sources: readonly string[], path: string): void {
  if (largest >= sources.length)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `a document of ${path} names source ${largest}, and ${sources.length} sources were given; give them all`,
    );
}

function checkBatch(batch: DocumentBatch, schema: ShardSchema, path: string): void {
  const { documents: n, offsets, tokens, sources, lines, scores, hashes } = batch;
  const wrong = (what: string): never => {
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `batch for ${path}: ${what}; pass columns of one batch of documents`,
    );
  };
  const Tokens = schema.tokenType === "uint16" ? Uint16Array : Int32Array;
  if (!(tokens instanceof Tokens))
    wrong(`tokens are no ${Tokens.name}, and the schema says ${schema.tokenType}`);
  if (offsets.length !== n + 1 || offsets[0] !== 0)
    wrong(`${offsets.length} offsets from ${offsets[0]} for ${n} documents`);
  for (let i = 0; i < n; i++)
    if (offsets[i + 1]! < offsets[i]!) wrong(`offset ${i + 1} is ${offsets[i + 1]}, below the one before it`);
  if (tokens.length !== offsets[n]) wrong(`${tokens.length} tokens, and the last offset is ${offsets[n]}`);
  if (scores.length !== schema.filters.length)
    wrong(`${scores.length} score columns for ${schema.filters.length} filters`);
  if ((hashes !== undefined) !== (schema.hashes === true))
    wrong(hashes ? "hashes, which the schema does not have" : "no hashes, which the schema has");
  for (const column of [sources, lines, ...scores, ...(hashes ? [hashes] : [])])
    if (column.length !== n) wrong(`a column of ${column.length} values for ${n} documents`);
  for (const source of sources) if (source < 0) wrong(`source ${source}, which is below 0`);
}
