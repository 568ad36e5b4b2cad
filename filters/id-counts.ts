/**
 * The counts of a document's token ids: what the two counters, in WebAssembly and plain, come to alike.
 */
import type { TokenIds } from "../core/document.ts";

/** What is read of a document, and what an id that occurs several times counts as. */
export interface Excerpt {
  /** Ids from the start and from the end; a document no longer than both is read whole. */
  readonly head: number;
  readonly tail: number;
  /** `logarithm`: floor(log2 of how often the id occurs) + 1. `presence`: 1. */
  readonly level: "logarithm" | "presence";
}

/** What the ids of a document come to, of those that are read. */
export interface Counts {
  readonly tokens: number;
  /** Sum of the pieces' lengths, in UTF-16 units. */
  readonly characters: number;
  /** Ids by class of piece. */
  readonly classes: Uint32Array;
  /** Distinct ids in order of first use, and the level of each. */
  readonly ids: Int32Array;
  readonly levels: Uint8Array;
  readonly distinct: number;
  /** For each table of weights, the sum over distinct ids of level x weight. Exact below 2^53. */
  readonly sums: readonly number[];
  /** Sum of level squared over distinct ids. */
  readonly squares: number;
  /** Distinct ids that occur once. */
  readonly once: number;
  /** Sum of the square of how often it occurs over the distinct ids of content words. */
  readonly contentSquares: number;
  /** Lines that hold something, those that begin in lower case, and the ids of the longest. */
  readonly lines: number;
  readonly lowLines: number;
  readonly longestLine: number;
  /** Ids in lines of fewer than 16, and of fewer than 32. */
  readonly shortLineTokens: number;
  readonly middlingLineTokens: number;
  /** Sum over lines of the square of their ids. */
  readonly lineSquares: number;
  /** Ids of the longest stretch without newline, period, exclamation or question mark. */
  readonly longestSentence: number;
}

/** Counts what is read of `tokens[0, count)`. */
export type TokenCounter = (tokens: TokenIds, count: number) => Counts;
