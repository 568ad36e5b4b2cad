/**
 * What both parquet writers are fed with: rows of a record batch, and the file that takes them.
 */
import type { DocumentBatch } from "../schema.ts";

/** Rows of a row group, in the form that both writers are fed from. */
export interface RowGroup {
  readonly batch: DocumentBatch;
  /** Documents [from, to) of the batch. */
  readonly from: number;
  readonly to: number;
  /** What `batch.sources` indexes. */
  readonly sources: readonly string[];
}

/** A parquet file that is being written. */
export interface ParquetFile {
  write(group: RowGroup): Promise<void>;
  /** Writes the footer. */
  end(): Promise<void>;
}

/** The ids of document `d` as a plain array. */
export function idsOf({ tokens, offsets }: DocumentBatch, d: number): number[] {
  return Array.from(tokens.subarray(offsets[d]!, offsets[d + 1]!));
}
