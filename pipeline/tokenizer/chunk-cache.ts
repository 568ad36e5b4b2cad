/**
 * Ids of chunks seen before: a two-way associative table of fixed size over int32 words, one entry a cache line of 64 bytes.
 * Keys are compared whole, so a collision costs time and never changes an id. What does not fit an entry is not kept.
 */

/** Words of an entry: eight of key, one of length and count (0: free), seven of ids. */
export const ENTRY = 16;
export const KEY_WORDS = 8;
/** Longest chunk, in UTF-8 bytes, and most ids that an entry holds. */
export const KEY_BYTES = 4 * KEY_WORDS;
export const ENTRY_IDS = 7;

/** A cache with its table; `mask` selects the first word of a set of two entries. */
export interface ChunkCache {
  readonly words: Int32Array;
  readonly mask: number;
}

/** A cache of about `entries` chunks (a power of two, at least 2), 64 bytes each. */
export function chunkCache(entries: number): ChunkCache {
  let sets = 1;
  while (4 * sets <= entries) sets *= 2;
  return { words: new Int32Array(2 * ENTRY * sets), mask: (sets - 1) * 2 * ENTRY };
}
