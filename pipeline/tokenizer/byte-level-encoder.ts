/**
 * From a text to ids by byte-level BPE: cut its UTF-8 by the pre-tokenizer, look every chunk up, merge those not seen before.
 * Gives up sharing: an encoder has its own scratch memory (the size of the longest text so far) and cache, for one thread.
 */
import type { TokenIds } from "../../core/document.ts";
import { mergeSymbols } from "./bpe.ts";
import { type ByteLevelVocabulary, pieceBytes } from "./byte-level.ts";
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
import { listedMergeTable, type MergeTable } from "./merge-table.ts";
import { type Scanner, scannerOf } from "./pre-tokenizer.ts";
import { ensureCapacity, type TokenBuffer } from "./tokenizer.ts";

const utf8 = new TextEncoder();

/** Bytes that may be read past the end of a text. */
const PADDING = 16;

/** Bytes of scratch memory at least: more than Buffer's shared pool gives out, and enough for most texts. */
const MIN_SCRATCH = 65_536;

/** Symbols kept for the next chunk; more are allocated when a chunk has more. */
const KEPT_SYMBOLS = 4_096;

/** The encoder of one vocabulary; knows nothing of added tokens and normalisers. */
export class ByteLevelEncoder {
  /** Bytes left out so far because the vocabulary lacks them. */
  lostBytes = 0;

  readonly #merges: MergeTable;
  readonly #scanners: readonly Scanner[];
  readonly #prefixSpace: boolean;
  readonly #cache: ChunkCache;
  readonly #byteIds: Int32Array;
  /** With ignored merges, ids by the pieces' bytes as Latin-1. */
  readonly #whole: ReadonlyMap<string, number> | undefined;
  #bytes = Buffer.alloc(0);
  #view = new DataView(new ArrayBuffer(0));
  readonly #symbols = new Int32Array(KEPT_SYMBOLS);

  constructor(vocabulary: ByteLevelVocabulary, cacheEntries: number, tokenType: "uint16" | "int32") {
    this.#merges = listedMergeTable(vocabulary.merges);
    this.#scanners = vocabulary.preTokenizer.map(scannerOf);
    this.#prefixSpace = vocabulary.prefixSpace;
    this.#cache = chunkCache(cacheEntries, tokenType);
    this.#byteIds = vocabulary.byteIds;
    if (vocabulary.ignoreMerges) {
      const whole = new Map<string, number>();
      for (const [id, piece] of vocabulary.pieces.entries()) {
        const bytes = piece === null ? undefined : pieceBytes(piece);
        if (bytes !== undefined) whole.set(bytes, id);
      }
      this.#whole = whole;
    }
  }

  /** Writes the ids of a well-formed text to `buffer.ids` from `at` on and returns how many. */
  encodeInto(text: string, buffer: TokenBuffer, at: number): number {
    if (text.length === 0) return 0;
    const end = this.#load(this.#prefixSpace && !text.startsWith(" ") ? ` ${text}` : text);
    return this.#encodePiece(0, 0, end, buffer, at) - at;
  }

  /** Cuts bytes[from, end) by the step of this level and those below; returns where the ids end. */
  #encodePiece(level: number, from: number, end: number, buffer: TokenBuffer, at: number): number {
    const scanner = this.#scanners[level];
    if (scanner === undefined) return this.#encodeChunk(from, end, buffer, at);
    const last = level === this.#scanners.length - 1;
    const bytes = this.#bytes;
    let out = at;
    for (let start = from; start < end; ) {
      const to = scanner(bytes, start, end);
      out = last
        ? this.#encodeChunk(start, to, buffer, out)
        : this.#encodePiece(level + 1, start, to, buffer, out);
      start = to;
    }
    return out;
  }

  /** Ids of one chunk from the cache or by merging; returns where they end. */
  #encodeChunk(from: number, to: number, buffer: TokenBuffer, at: number): number {
    const length = to - from;
    const ids = at + length > buffer.ids.length ? ensureCapacity(buffer, at + length) : buffer.ids;
    if (length > SHORT_KEY) return at + this.#encodeLong(from, to, ids, at);
    const view = this.#view;
    const { words, cells, cellShift, setShift } = this.#cache;
    const mask = length << 2;
    const w0 = view.getInt32(from, true) & KEY_MASKS[mask]!;
    const w1 = view.getInt32(from + 4, true) & KEY_MASKS[mask + 1]!;
    const w2 = view.getInt32(from + 8, true) & KEY_MASKS[mask + 2]!;
    const w3 = (view.getInt32(from + 12, true) & KEY_MASKS[mask + 3]!) | (length << 24);
    const hash =
      (Math.imul(w0, 0x9e3779b1) +
        Math.imul(w1, 0x85ebca6b) +
        Math.imul(w2, 0xc2b2ae35) +
        Math.imul(w3, 0x27d4eb2f)) |
      0;
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
        return at + count;
      }
    const lost = this.lostBytes;
    const count = this.#mergeChunk(from, to, ids, at);
    // What loses bytes is not remembered, so that every loss is counted.
    if (this.lostBytes === lost) rememberShort(this.#cache, set, w0, w1, w2, w3, ids, at, count);
    return at + count;
  }

  /** A chunk that is too long for the first table. */
  #encodeLong(from: number, to: number, ids: TokenIds, at: number): number {
    if (to - from > LONG_KEY) return this.#mergeChunk(from, to, ids, at);
    const key = this.#bytes.toString("latin1", from, to);
    const known = this.#cache.long.get(key);
    if (known !== undefined) {
      ids.set(known, at);
      return known.length;
    }
    const lost = this.lostBytes;
    const count = this.#mergeChunk(from, to, ids, at);
    if (this.lostBytes === lost) rememberLong(this.#cache, key, ids.slice(at, at + count));
    return count;
  }

  /** Encodes a chunk without the cache. */
  #mergeChunk(from: number, to: number, ids: TokenIds, at: number): number {
    const bytes = this.#bytes;
    const whole = this.#whole?.get(bytes.toString("latin1", from, to));
    if (whole !== undefined) {
      ids[at] = whole;
      return 1;
    }
    const symbols = to - from <= KEPT_SYMBOLS ? this.#symbols : new Int32Array(to - from);
    let count = 0;
    for (let i = from; i < to; i++) {
      const id = this.#byteIds[bytes[i]!]!;
      if (id >= 0) symbols[count++] = id;
    }
    this.lostBytes += to - from - count;
    count = mergeSymbols(this.#merges, symbols, count);
    for (let i = 0; i < count; i++) ids[at + i] = symbols[i]!;
    return count;
  }

  /** Puts the text into the scratch bytes as UTF-8 and returns where it ends. */
  #load(text: string): number {
    if (this.#bytes.length < 3 * text.length + PADDING) {
      const needed = Buffer.byteLength(text) + PADDING;
      if (this.#bytes.length < needed) {
        this.#bytes = Buffer.alloc(Math.max(needed, MIN_SCRATCH));
        this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
      }
    }
    return utf8.encodeInto(text, this.#bytes).written;
  }
}
