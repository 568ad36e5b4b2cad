/**
 * Chunks of a text to ids, for every form of BPE: the text's UTF-8 in scratch memory, a cache of chunks seen before, merging of the others.
 * Gives up sharing: it has its own scratch memory (the size of the longest text so far) and cache, for one thread.
 */
import type { TokenIds } from "../../core/document.ts";
import { mergeSymbols } from "./bpe.ts";
import {
  type ChunkCache,
  chunkCache,
  ENTRY,
  KEY_MASKS,
  KEY_WORDS,
  LONG_KEY,
  rememberLong,
  rememberShort,
  SHORT_KEY,
  WAYS,
} from "./chunk-cache.ts";
import type { MergeTable } from "./merge-table.ts";

const utf8 = new TextEncoder();

/** Bytes that may be read past the end of a text. */
const PADDING = 16;

/** Bytes of scratch memory at least: more than Buffer's shared pool gives out, and enough for most texts. */
const MIN_SCRATCH = 65_536;

/** Symbols kept for the next chunk; more are allocated when a chunk has more. */
const KEPT_SYMBOLS = 4_096;

/** Writes the symbols of the chunk bytes[from, to) before any merge to `symbols` and returns how many, at most one a byte. */
export type SymbolsOf = (bytes: Buffer, from: number, to: number, symbols: Int32Array) => number;

/** The chunks of one vocabulary. */
export class ChunkEncoder {
  /** Bytes left out so far, counted by `symbolsOf`. A chunk that loses some is not remembered, so that every loss is counted. */
  lostBytes = 0;
  /** The text that was loaded last, from where it was put on. */
  bytes = Buffer.alloc(0);
  readonly #merges: MergeTable;
  readonly #symbolsOf: SymbolsOf;
  readonly #cache: ChunkCache;
  #view = new DataView(new ArrayBuffer(0));
  readonly #symbols = new Int32Array(KEPT_SYMBOLS);

  constructor(merges: MergeTable, symbolsOf: SymbolsOf, cacheEntries: number, tokenType: "uint16" | "int32") {
    this.#merges = merges;
    this.#symbolsOf = symbolsOf;
    this.#cache = chunkCache(cacheEntries, tokenType);
  }

  /** Puts a text into the scratch bytes from `at` on, as UTF-8 with a byte 0xff behind it, and returns where it ends. */
  load(text: string, at: number): number {
    if (this.bytes.length < at + 3 * text.length + PADDING) {
      const needed = at + Buffer.byteLength(text) + PADDING;
      if (this.bytes.length < needed) {
        this.bytes = Buffer.alloc(Math.max(needed, MIN_SCRATCH));
        this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset);
      }
    }
    const end = at + utf8.encodeInto(text, this.bytes.subarray(at)).written;
    this.bytes[end] = 0xff;
    return end;
  }

  /** Writes the ids of the chunk bytes[from, to), from the cache or by merging, to `ids` from `at` on and returns how many. There must be room for one a byte. */
  encode(from: number, to: number, ids: TokenIds, at: number): number {
    const length = to - from;
    if (length > SHORT_KEY) return this.#encodeLong(from, to, ids, at);
    const view = this.#view;
    const { words, cells, cellShift, setShift } = this.#cache;
    const mask = length << 2;
    const w0 = view.getInt32(from, true) & KEY_MASKS[mask]!;
    const w1 = view.getInt32(from + 4, true) & KEY_MASKS[mask + 1]!;
    let w2 = 0;
    let w3 = length << 24;
    let hash = (Math.imul(w0, 0x9e3779b1) + Math.imul(w1, 0x85ebca6b) + length) | 0;
    if (length > 8) {
      w2 = view.getInt32(from + 8, true) & KEY_MASKS[mask + 2]!;
      w3 |= view.getInt32(from + 12, true) & KEY_MASKS[mask + 3]!;
      hash = (hash + Math.imul(w2, 0xc2b2ae35) + Math.imul(w3, 0x27d4eb2f)) | 0;
    }
    const set = (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> setShift) * WAYS * ENTRY;
    for (let entry = set; entry < set + WAYS * ENTRY; entry += ENTRY)
      if (
        words[entry] === w0 &&
        words[entry + 1] === w1 &&
        words[entry + 2] === w2 &&
        words[entry + 3] === w3
      ) {
        const cell = (entry + KEY_WORDS) << cellShift;
        const count = cells[cell]!;
        for (let i = 0; i < count; i++) ids[at + i] = cells[cell + 1 + i]!;
        return count;
      }
    const lost = this.lostBytes;
    const count = this.#merge(from, to, ids, at);
    if (this.lostBytes === lost) rememberShort(this.#cache, set, w0, w1, w2, w3, ids, at, count);
    return count;
  }

  /** A chunk that is too long for the first table. */
  #encodeLong(from: number, to: number, ids: TokenIds, at: number): number {
    if (to - from > LONG_KEY) return this.#merge(from, to, ids, at);
    const key = this.bytes.toString("latin1", from, to);
    const known = this.#cache.long.get(key);
    if (known !== undefined) {
      ids.set(known, at);
      return known.length;
    }
    const lost = this.lostBytes;
    const count = this.#merge(from, to, ids, at);
    if (this.lostBytes === lost) rememberLong(this.#cache, key, ids.slice(at, at + count));
    return count;
  }

  /** Encodes a chunk without the cache. */
  #merge(from: number, to: number, ids: TokenIds, at: number): number {
    const symbols = to - from <= KEPT_SYMBOLS ? this.#symbols : new Int32Array(to - from);
    const count = mergeSymbols(this.#merges, symbols, this.#symbolsOf(this.bytes, from, to, symbols));
    for (let i = 0; i < count; i++) ids[at + i] = symbols[i]!;
    return count;
  }
}
