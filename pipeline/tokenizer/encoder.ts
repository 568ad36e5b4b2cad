/**
 * From a text to ids: cut its UTF-8 at the seams, look every chunk up, merge those not seen before. The checking twin of the
 * WebAssembly kernel (kernel-encoder.ts), and what runs where there is none.
 * Gives up sharing: an encoder has its own scratch memory (the size of the longest text so far) and cache, for one thread.
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
import { type MergeTable, mergeTable } from "./merge-table.ts";
import { joinable, NOT_ASCII, type Seams, seamsOf } from "./seams.ts";
import { ensureCapacity, type TokenBuffer } from "./tokenizer.ts";
import { codePointAt, sequenceLength } from "./utf8.ts";
import { byteIdsOf, type Vocabulary } from "./vocabulary.ts";

const utf8 = new TextEncoder();

/** Bytes that may be read past the end of a text. */
const PADDING = 16;

/** Bytes of scratch memory at least: more than Buffer's shared pool gives out, and enough for most texts. */
const MIN_SCRATCH = 65_536;

/** Symbols kept for the next chunk; more are allocated when a chunk has more. */
const KEPT_SYMBOLS = 4_096;

/** The encoder of one vocabulary. */
export class Encoder {
  /** Lone surrogates met so far. */
  loneSurrogates = 0;
  readonly #merges: MergeTable;
  readonly #seams: Seams;
  readonly #cache: ChunkCache;
  readonly #byteIds: Int32Array;
  readonly #textAt: number;
  #bytes = Buffer.alloc(0);
  #view = new DataView(new ArrayBuffer(0));
  readonly #symbols = new Int32Array(KEPT_SYMBOLS);

  constructor(vocabulary: Vocabulary, cacheEntries: number, tokenType: "uint16" | "int32") {
    this.#merges = mergeTable(vocabulary);
    this.#seams = seamsOf(vocabulary);
    this.#cache = chunkCache(cacheEntries, tokenType);
    this.#textAt = vocabulary.dummyPrefix ? 1 : 0;
    this.#byteIds = byteIdsOf(vocabulary);
  }

  /** Writes the ids of a text to `buffer.ids` from `at` on and returns how many. */
  encodeInto(text: string, buffer: TokenBuffer, at: number): number {
    if (text.length === 0) return 0;
    const end = this.#load(text);
    const bytes = this.#bytes;
    const view = this.#view;
    const { ascii } = this.#seams;
    const { words, cells, cellShift, setShift } = this.#cache;
    let ids = buffer.ids;
    let out = at;
    let from = 0;
    while (from < end) {
      let to = from + 1;
      const first = bytes[from]!;
      if (first >= 128) to = this.#chunkEnd(from, end);
      else {
        // The byte behind the text is 0xff, so this ends there too.
        let join = ascii[(first << 8) | bytes[to]!]!;
        while (join === 1) {
          to++;
          join = ascii[(bytes[to - 1]! << 8) | bytes[to]!]!;
        }
        if (join === NOT_ASCII && to < end) to = this.#chunkEnd(to - 1, end);
      }
      const length = to - from;
      if (out + length > ids.length) ids = ensureCapacity(buffer, out + length);
      if (length > SHORT_KEY) {
        out += this.#encodeLong(from, to, ids, out);
        from = to;
        continue;
      }
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
      let entry = set;
      let way = 0;
      while (
        words[entry] !== w0 ||
        words[entry + 1] !== w1 ||
        words[entry + 2] !== w2 ||
        words[entry + 3] !== w3
      ) {
        entry += ENTRY;
        if (++way === WAYS) break;
      }
      if (way === WAYS) {
        const count = this.#encodeChunk(from, to, ids, out);
        rememberShort(this.#cache, set, w0, w1, w2, w3, ids, out, count);
        out += count;
        from = to;
        continue;
      }
      const cell = (entry + KEY_WORDS) << cellShift;
      const count = cells[cell]!;
      for (let i = 0; i < count; i++) ids[out + i] = cells[cell + 1 + i]!;
      out += count;
      from = to;
    }
    return out - at;
  }

  /** Puts the text, behind its dummy prefix, into the scratch bytes as UTF-8 and returns where it ends. */
  #load(text: string): number {
    if (!text.isWellFormed()) this.loneSurrogates += text.match(/\p{Surrogate}/gu)?.length ?? 0;
    if (this.#bytes.length < this.#textAt + 3 * text.length + PADDING) {
      const needed = this.#textAt + Buffer.byteLength(text) + PADDING;
      if (this.#bytes.length < needed) {
        this.#bytes = Buffer.alloc(Math.max(needed, MIN_SCRATCH));
        this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
        this.#bytes[0] = 0x20;
      }
    }
    const end = this.#textAt + utf8.encodeInto(text, this.#bytes.subarray(this.#textAt)).written;
    this.#bytes[end] = 0xff;
    return end;
  }

  /** Where the chunk ends that the code point at `at` belongs to. */
  #chunkEnd(at: number, end: number): number {
    const bytes = this.#bytes;
    let left = codePointAt(bytes, at);
    let to = at + sequenceLength(bytes[at]!);
    while (to < end) {
      const right = codePointAt(bytes, to);
      if (!joinable(this.#seams, left, right)) break;
      left = right;
      to += sequenceLength(bytes[to]!);
    }
    return to;
  }

  /** Encodes a chunk that is too long for the first table. */
  #encodeLong(from: number, to: number, ids: TokenIds, at: number): number {
    if (to - from > LONG_KEY) return this.#encodeChunk(from, to, ids, at);
    const key = this.#bytes.toString("latin1", from, to);
    const known = this.#cache.long.get(key);
    if (known !== undefined) {
      ids.set(known, at);
      return known.length;
    }
    const count = this.#encodeChunk(from, to, ids, at);
    rememberLong(this.#cache, key, ids.slice(at, at + count));
    return count;
  }

  /** Encodes a chunk without the cache. */
  #encodeChunk(from: number, to: number, ids: TokenIds, at: number): number {
    const bytes = this.#bytes;
    const { characters } = this.#seams;
    const symbols = to - from <= KEPT_SYMBOLS ? this.#symbols : new Int32Array(to - from);
    let count = 0;
    for (let i = from; i < to; ) {
      const point = codePointAt(bytes, i);
      const next = i + sequenceLength(bytes[i]!);
      const id = point < characters.length ? characters[point]! : -1;
      if (id >= 0) symbols[count++] = id;
      else for (let k = i; k < next; k++) symbols[count++] = this.#byteIds[bytes[k]!]!;
      i = next;
    }
    count = mergeSymbols(this.#merges, symbols, count);
    for (let i = 0; i < count; i++) ids[at + i] = symbols[i]!;
    return count;
  }
}
