/**
 * The exact SentencePiece BPE tokenizer: cut the UTF-8 of a text at its seams, look each chunk up, merge those not seen before.
 * Promises sentencepiece's ids on every text. Gives up thread safety: one instance a thread, with its own scratch and cache.
 */
import type { TokenIds } from "../../core/document.ts";
import { mergeSymbols } from "./bpe.ts";
import { chunkCache, ENTRY, ENTRY_IDS, KEY_BYTES, KEY_WORDS } from "./chunk-cache.ts";
import { decoderOf } from "./decode.ts";
import { mergeTable } from "./merge-table.ts";
import { joinable, seamsOf } from "./seams.ts";
import { ensureCapacity, type TokenBuffer, type Tokenizer } from "./tokenizer.ts";
import { bytePiece, fingerprint, type Vocabulary } from "./vocabulary.ts";

/** Options of an encoder; none changes an id. */
export interface BpeOptions {
  /** Chunks kept, 64 bytes each; rounded down to a power of two, at least 2. Default 131,072 (8 MiB). */
  readonly cacheEntries?: number;
}

/** A tokenizer over a vocabulary. Builds its tables once (some tens of milliseconds for 32,000 pieces). */
export function bpeTokenizer(name: string, vocabulary: Vocabulary, options: BpeOptions = {}): Tokenizer {
  const tokenType = vocabulary.pieces.length <= 65_536 ? "uint16" : "int32";
  const encoder = new Encoder(vocabulary, options.cacheEntries ?? 131_072);
  const decode = decoderOf(vocabulary);
  const result: TokenBuffer = {
    ids: tokenType === "uint16" ? new Uint16Array(4_096) : new Int32Array(4_096),
  };
  return {
    name,
    sha256: fingerprint(vocabulary),
    vocabularySize: vocabulary.pieces.length,
    tokenType,
    bos: vocabulary.bos,
    eos: vocabulary.eos,
    get loneSurrogates() {
      return encoder.loneSurrogates;
    },
    encode(text) {
      const count = encoder.encodeInto(text, result, 0);
      return result.ids.slice(0, count);
    },
    encodeInto: (text, buffer, at) => encoder.encodeInto(text, buffer, at),
    decode,
  };
}

const utf8 = new TextEncoder();

class Encoder {
  loneSurrogates = 0;
  readonly #merges;
  readonly #seams;
  readonly #cache;
  readonly #dummyPrefix: boolean;
  readonly #byteIds: Int32Array;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #symbols = new Int32Array(1_024);

  constructor(vocabulary: Vocabulary, cacheEntries: number) {
    this.#merges = mergeTable(vocabulary);
    this.#seams = seamsOf(vocabulary);
    this.#cache = chunkCache(cacheEntries);
    this.#dummyPrefix = vocabulary.dummyPrefix;
    const byPiece = new Map(vocabulary.pieces.map((piece, id) => [piece, id]));
    this.#byteIds = Int32Array.from({ length: 256 }, (_, byte) => byPiece.get(bytePiece(byte))!);
  }

  encodeInto(text: string, buffer: TokenBuffer, at: number): number {
    if (text.length === 0) return 0;
    const end = this.#load(text);
    const bytes = this.#bytes;
    const view = this.#view;
    const seams = this.#seams;
    const { ascii } = seams;
    const { words, mask } = this.#cache;
    let ids = buffer.ids;
    let out = at;
    let from = 0;
    while (from < end) {
      let to = from + 1;
      let previous = bytes[from]!;
      if (previous < 128)
        while (to < end) {
          const byte = bytes[to]!;
          if (byte >= 128 || ascii[(previous << 7) | byte] === 0) break;
          previous = byte;
          to++;
        }
      if (previous >= 128 || (to < end && bytes[to]! >= 128)) to = this.#mixedEnd(from, to, end);

      const length = to - from;
      if (out + 4 * length + ENTRY_IDS > ids.length)
        ids = ensureCapacity(buffer, out + 4 * length + ENTRY_IDS);
      if (length > KEY_BYTES) {
        out = this.#encodeChunk(from, to, ids, out);
        from = to;
        continue;
      }
      const full = length >>> 2;
      const rest = length & 3;
      let h = length;
      for (let i = 0; i < full; i++) h = Math.imul(h ^ view.getInt32(from + 4 * i, true), 0x9e3779b1);
      const tail = rest === 0 ? 0 : view.getInt32(from + 4 * full, true) & (0xffffff >>> (24 - 8 * rest));
      h = Math.imul(h ^ tail, 0x85ebca6b);
      h ^= h >>> 15;
      const first = (h << 4) & mask;
      let entry = first;
      let hit = false;
      for (let way = 0; way < 2 && !hit; way++, entry += ENTRY) {
        if ((words[entry + KEY_WORDS]! & 0xff) !== length) continue;
        let i = 0;
        while (i < full && words[entry + i] === view.getInt32(from + 4 * i, true)) i++;
        if (i < full || (rest > 0 && words[entry + full] !== tail)) continue;
        const count = words[entry + KEY_WORDS]! >>> 8;
        for (let k = 0; k < count; k++) ids[out + k] = words[entry + KEY_WORDS + 1 + k]!;
        out += count;
        hit = true;
      }
      if (!hit) {
        const before = out;
        out = this.#encodeChunk(from, to, ids, out);
        const count = out - before;
        if (count <= ENTRY_IDS) {
          words.copyWithin(first + ENTRY, first, first + ENTRY);
          for (let i = 0; i < full; i++) words[first + i] = view.getInt32(from + 4 * i, true);
          if (rest > 0) words[first + full] = tail;
          words[first + KEY_WORDS] = (count << 8) | length;
          for (let k = 0; k < count; k++) words[first + KEY_WORDS + 1 + k] = ids[before + k]!;
        }
      }
      from = to;
    }
    return out - at;
  }

  /** Puts the UTF-8 of a text, with its dummy prefix, into the scratch bytes and returns where it ends. */
  #load(text: string): number {
    if (!text.isWellFormed())
      for (const point of text)
        if (/[\ud800-\udfff]/.test(point) && point.length === 1) this.loneSurrogates++;
    const needed = 3 * text.length + 16;
    if (this.#bytes.length < needed) {
      this.#bytes = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      this.#view = new DataView(this.#bytes.buffer);
    }
    const from = this.#dummyPrefix ? 1 : 0;
    this.#bytes[0] = 0x20;
    return from + utf8.encodeInto(text, this.#bytes.subarray(from)).written;
  }

  /** The end of the chunk that starts at `from` and of which bytes before `at` are known to belong to it, code point by code point. */
  #mixedEnd(from: number, at: number, end: number): number {
    const bytes = this.#bytes;
    let to = bytes[from]! < 128 ? at : from + sequenceLength(bytes[from]!);
    let previous = bytes[from]! < 128 ? bytes[at - 1]! : codePointAt(bytes, from);
    while (to < end) {
      const point = codePointAt(bytes, to);
      if (!joinable(this.#seams, previous, point)) break;
      previous = point;
      to += sequenceLength(bytes[to]!);
    }
    return to;
  }

  #encodeChunk(from: number, to: number, ids: TokenIds, at: number): number {
    const bytes = this.#bytes;
    const { characters } = this.#seams;
    if (this.#symbols.length < 4 * (to - from)) this.#symbols = new Int32Array(4 * (to - from));
    const symbols = this.#symbols;
    let count = 0;
    for (let i = from; i < to; ) {
      const point = codePointAt(bytes, i);
      const size = sequenceLength(bytes[i]!);
      const id = point < characters.length ? characters[point]! : -1;
      if (id >= 0) symbols[count++] = id;
      else for (let k = 0; k < size; k++) symbols[count++] = this.#byteIds[bytes[i + k]!]!;
      i += size;
    }
    count = mergeSymbols(this.#merges, symbols, count);
    for (let i = 0; i < count; i++) ids[at + i] = symbols[i]!;
    return at + count;
  }
}

function sequenceLength(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

function codePointAt(bytes: Uint8Array, at: number): number {
  const a = bytes[at]!;
  if (a < 0x80) return a;
  const b = bytes[at + 1]! & 63;
  if (a < 0xe0) return ((a & 31) << 6) | b;
  const c = bytes[at + 2]! & 63;
  if (a < 0xf0) return ((a & 15) << 12) | (b << 6) | c;
  return ((a & 7) << 18) | (b << 12) | (c << 6) | (bytes[at + 3]! & 63);
}
