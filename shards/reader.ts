/**
 * Reads a shard or a segment batch by batch with positioned reads: never the whole file, never int64 but for hashes.
 * For rows of tokens take `openStream`, which needs no Arrow at all.
 */
import type { TokenIds } from "../core/document.ts";
import { HeadraceError } from "../core/errors.ts";
import { type ArrowBatch, openArrowFile } from "./arrow-reader.ts";
import {
  type BatchPosition,
  type DocumentBatch,
  type ShardSchema,
  schemaOfColumns,
  tokenArray,
  tokenBytes,
} from "./schema.ts";

/** Everything of a batch but its tokens. */
export type DocumentIndex = Omit<DocumentBatch, "tokens">;

/** An open shard. */
export interface ShardReader {
  readonly schema: ShardSchema;
  /** The schema metadata (docs/format.md 1.1). */
  readonly metadata: Readonly<Record<string, string>>;
  /** What the batches' `sources` index. */
  readonly sources: readonly string[];
  readonly batches: readonly BatchPosition[];
  /** Reads batch `i`. Throws ERR_SHARD where its offsets contradict its counts. */
  readBatch(i: number): DocumentBatch;
  /** Reads all columns of batch `i` but its tokens. */
  readIndex(i: number): DocumentIndex;
  /** Fills `into` with the token ids of batch `i` from position `from` in the batch. */
  readTokens(i: number, from: number, into: TokenIds): void;
  close(): void;
}

/** Opens a shard or segment. Costs a few reads of metadata. Throws ERR_SHARD. */
export function openShard(path: string): ShardReader {
  const file = openArrowFile(path);
  const found = schemaOfColumns(file.columns);
  if (typeof found === "string") {
    file.close();
    throw new HeadraceError("ERR_SHARD", `${path} is no shard: ${found}; name a file that a build wrote`);
  }
  const schema: ShardSchema = found;
  const batches = file.batches.map((batch) => positionOf(batch, schema));

  function readIndex(i: number): DocumentIndex {
    const { rows, buffers } = at(file.batches, i, path);
    const read = <T extends ArrayBufferView>(buffer: number, into: T): T => {
      file.read(into, buffers[buffer]!.at);
      return into;
    };
    const index = {
      documents: rows,
      offsets: read(0, new Int32Array(rows + 1)),
      sources: read(2, new Int32Array(rows)),
      lines: read(3, new Uint32Array(rows)),
      scores: schema.filters.map((_, f) => read(4 + f, new Float32Array(rows))),
      ...(schema.hashes && { hashes: read(4 + schema.filters.length, new BigUint64Array(rows)) }),
    };
    checkIndex(index, batches[i]!.tokens, file.dictionaries[0]!.length, `batch ${i} of ${path}`);
    return index;
  }

  function readTokens(i: number, from: number, into: TokenIds): void {
    const { tokens, tokensAt } = at(batches, i, path);
    if (from < 0 || from + into.length > tokens)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `tokens [${from}, ${from + into.length}) of batch ${i} of ${path}, which has ${tokens}`,
      );
    file.read(into, tokensAt + from * tokenBytes(schema.tokenType));
  }

  return {
    schema,
    metadata: file.metadata,
    sources: file.dictionaries[0]!,
    batches,
    readIndex,
    readTokens,
    readBatch(i) {
      const index = readIndex(i);
      const tokens = tokenArray(schema.tokenType, batches[i]!.tokens);
      readTokens(i, 0, tokens);
      return { ...index, tokens };
    },
    close: () => file.close(),
  };
}

function positionOf({ rows, buffers }: ArrowBatch, schema: ShardSchema): BatchPosition {
  const [offsets, tokens] = buffers;
  return {
    documents: rows,
    tokens: tokens!.bytes / tokenBytes(schema.tokenType),
    offsetsAt: offsets!.at,
    tokensAt: tokens!.at,
  };
}

/** Throws ERR_SHARD where the columns of a batch contradict its counts. */
export function checkIndex(index: DocumentIndex, tokens: number, sources: number, subject: string): void {
  const { documents: n, offsets } = index;
  const wrong = (what: string): never => {
    throw new HeadraceError("ERR_SHARD", `${subject}: ${what}; restore the file or build again`);
  };
  if (offsets[0] !== 0 || offsets[n] !== tokens)
    wrong(`offsets run from ${offsets[0]} to ${offsets[n]} for ${tokens} tokens`);
  for (let i = 0; i < n; i++) {
    if (offsets[i + 1]! < offsets[i]!) wrong(`offset ${i + 1} is ${offsets[i + 1]}, below the one before it`);
    const source = index.sources[i]!;
    if (source < 0 || source >= sources) wrong(`document ${i} names source ${source} of ${sources}`);
  }
}

function at<T>(list: readonly T[], i: number, path: string): T {
  const found = list[i];
  if (found === undefined)
    throw new HeadraceError("ERR_ARGUMENT", `batch ${i} of ${path}, which has ${list.length}`);
  return found;
}
