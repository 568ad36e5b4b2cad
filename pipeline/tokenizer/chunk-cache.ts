/**
 * Ids of chunks seen before, in two bounded tables. Chunks of at most 15 bytes (99 % of real text) lie in a two-way associative
 * table of 32-byte entries that drops the older of two in the way; longer ones in a map that starts anew when it is full.
 * Keys are compared whole, so a collision or a small table costs time and never changes an id.
 */
import type { TokenIds } from "../../core/document.ts";

/** Longest chunk, in bytes, of the first table. */
export const SHORT_KEY = 15;
/** Longest chunk, in bytes, of the map. */
export const LONG_KEY = 256;
/** Entries of a set: where a key may lie. */
export const WAYS = 2;
/** Words of an entry: four of key (the last byte is the key's length, 0 in a free entry), then cells. */
export const ENTRY = 8;
export const KEY_WORDS = 4;

/** The tables. A cell holds one id and has the width of the vocabulary's ids; the first of an entry counts the others. */
export interface ChunkCache {
  readonly words: Int32Array;
  /** The same memory as cells: cell of word w at `w << cellShift`. */
  readonly cells: TokenIds;
  readonly cellShift: 0 | 1;
  /** Ids that an entry holds: 7 of 16 bits or 3 of 32. */
  readonly entryIds: number;
  /** `hash >>> setShift` is the set of two entries. */
  readonly setShift: number;
  /** By the chunk's bytes as Latin-1. */
  readonly long: Map<string, TokenIds>;
  readonly longEntries: number;
}

/** An empty cache for about `entries` short chunks, 32 bytes each (rounded down to a power of two, at least 4), and a sixteenth of it for long ones. */
export function chunkCache(entries: number, tokenType: "uint16" | "int32"): ChunkCache {
  const setBits = Math.min(24, Math.max(1, Math.floor(Math.log2(entries / WAYS))));
  const words = new Int32Array(WAYS * ENTRY * 2 ** setBits);
  const narrow = tokenType === "uint16";
  return {
    words,
    cells: narrow ? new Uint16Array(words.buffer) : words,
    cellShift: narrow ? 1 : 0,
    entryIds: narrow ? 7 : 3,
    setShift: 32 - setBits,
    long: new Map(),
    longEntries: Math.ceil(entries / 16),
  };
}

/**
 * Masks that cut four little-endian words to a key of a given length: `KEY_MASKS[4 * length + word]`.
 */
export const KEY_MASKS = Int32Array.from({ length: 4 * (SHORT_KEY + 1) }, (_, i) => {
  const bytes = Math.floor(i / 4) - 4 * (i % 4);
  return bytes >= 4 ? -1 : bytes <= 0 ? 0 : 0xff_ff_ff >>> (24 - 8 * bytes);
});

/** Stores ids[at, at + count) under a short key in the set that starts at word `set`; the newer of the two there moves to second place. */
export function rememberShort(
  cache: ChunkCache,
  set: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  ids: TokenIds,
  at: number,
  count: number,
): void {
  if (count > cache.entryIds) return;
  const { words, cells, cellShift } = cache;
  words.copyWithin(set + ENTRY, set, set + ENTRY);
  words[set] = w0;
  words[set + 1] = w1;
  words[set + 2] = w2;
  words[set + 3] = w3;
  const cell = (set + KEY_WORDS) << cellShift;
  cells[cell] = count;
  for (let i = 0; i < count; i++) cells[cell + 1 + i] = ids[at + i]!;
}

/** Stores ids, which it keeps, under a long key. */
export function rememberLong(cache: ChunkCache, key: string, ids: TokenIds): void {
  if (cache.long.size >= cache.longEntries) cache.long.clear();
  cache.long.set(key, ids);
}
