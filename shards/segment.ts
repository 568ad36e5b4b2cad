/**
 * Documents of one domain on their way into shards, a batch at a time in input order: a file that a task wrote, or whatever a caller
 * puts together from elsewhere.
 */
import type { TokenIds } from "../core/document.ts";
import { type DocumentIndex, openShard } from "./reader.ts";
import type { ShardSchema } from "./schema.ts";

/** The path of a segment file, or what opens its like; it is opened more than once, and each time gives the same documents. */
export type Segment = string | (() => SegmentReader);

/** Documents of a domain in input order. */
export interface SegmentReader {
  /** For errors. */
  readonly name: string;
  readonly schema: ShardSchema;
  /** What the batches' `sources` index; it may grow from batch to batch. */
  readonly sources: readonly string[];
  /** From the first batch to the last; a batch is used before the next one is asked for. */
  batches(): Iterable<SegmentBatch>;
  close(): void;
}

/** A batch of documents whose tokens are read when they are wanted. */
export interface SegmentBatch {
  readonly index: DocumentIndex;
  /** Fills `into` with the token ids of the batch from position `from`. */
  readTokens(from: number, into: TokenIds): void;
}

/** Opens a segment. Throws ERR_SHARD. */
export function openSegment(segment: Segment): SegmentReader {
  if (typeof segment !== "string") return segment();
  const reader = openShard(segment);
  return {
    name: segment,
    schema: reader.schema,
    sources: reader.sources,
    *batches() {
      for (const i of reader.batches.keys())
        yield {
          index: reader.readIndex(i),
          readTokens: (from, into) => reader.readTokens(i, from, into),
        };
    },
    close: () => reader.close(),
  };
}
