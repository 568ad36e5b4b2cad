/**
 * The counts of a document's token ids: what the two counters, in WebAssembly and plain, come to alike.
 */
import type { TokenIds } from "../core/document.ts";

/** What the ids of a document come to. */
export interface Counts {
  readonly tokens: number;
  /** Sum of the pieces' lengths, in UTF-16 units. */
  readonly characters: number;
  /** Ids by class of piece. */
  readonly classes: Uint32Array;
  /** Distinct ids in order of first use, and the level of each: floor(log2 of how often it occurs) + 1. */
  readonly ids: Int32Array;
  readonly levels: Uint8Array;
  readonly distinct: number;
  /** For each table of weights, the sum over distinct ids of level x weight. Exact below 2^53. */
  readonly sums: readonly number[];
  /** Sum of level squared over distinct ids. */
  readonly squares: number;
  /** Lines that hold something, and the ids of the longest. */
  readonly lines: number;
  readonly longestLine: number;
}

/** Counts `tokens[0, count)`. */
export type TokenCounter = (tokens: TokenIds, count: number) => Counts;
