/**
 * From a text to ids: cut its UTF-8 at the seams, look every chunk up, merge those not seen before. The checking twin of the
 * WebAssembly kernel (kernel-encoder.ts), and what runs where there is none.
 */
import { ChunkEncoder, type SymbolsOf } from "./chunk-encoder.ts";
import { mergeTable } from "./merge-table.ts";
import { joinable, NOT_ASCII, type Seams, seamsOf } from "./seams.ts";
import { ensureCapacity, type TokenBuffer } from "./tokenizer.ts";
import { codePointAt, sequenceLength } from "./utf8.ts";
import { byteIdsOf, type Vocabulary } from "./vocabulary.ts";

/** The encoder of one vocabulary. One instance serves one thread. */
export class Encoder {
  /** Lone surrogates met so far. */
  loneSurrogates = 0;
  readonly #seams: Seams;
  readonly #chunks: ChunkEncoder;
  readonly #textAt: number;

  constructor(vocabulary: Vocabulary, cacheEntries: number, tokenType: "uint16" | "int32") {
    this.#seams = seamsOf(vocabulary);
    const symbolsOf = symbolsBy(this.#seams.characters, byteIdsOf(vocabulary));
    this.#chunks = new ChunkEncoder(mergeTable(vocabulary), symbolsOf, cacheEntries, tokenType);
    this.#textAt = vocabulary.dummyPrefix ? 1 : 0;
  }

  /** Writes the ids of a text to `buffer.ids` from `at` on and returns how many. */
  encodeInto(text: string, buffer: TokenBuffer, at: number): number {
    if (text.length === 0) return 0;
    if (!text.isWellFormed()) this.loneSurrogates += text.match(/\p{Surrogate}/gu)?.length ?? 0;
    const chunks = this.#chunks;
    const end = chunks.load(text, this.#textAt);
    const { bytes } = chunks;
    if (this.#textAt === 1) bytes[0] = 0x20;
    const { ascii } = this.#seams;
    let ids = buffer.ids;
    let out = at;
    let from = 0;
    while (from < end) {
      let to = from + 1;
      const first = bytes[from]!;
      if (first >= 128) to = this.#chunkEnd(bytes, from, end);
      else {
        // The byte behind the text is 0xff, so this ends there too.
        let join = ascii[(first << 8) | bytes[to]!]!;
        while (join === 1) {
          to++;
          join = ascii[(bytes[to - 1]! << 8) | bytes[to]!]!;
        }
        if (join === NOT_ASCII && to < end) to = this.#chunkEnd(bytes, to - 1, end);
      }
      if (out + to - from > ids.length) ids = ensureCapacity(buffer, out + to - from);
      out += chunks.encode(from, to, ids, out);
      from = to;
    }
    return out - at;
  }

  /** Where the chunk ends that the code point at `at` belongs to. */
  #chunkEnd(bytes: Uint8Array, at: number, end: number): number {
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
}

/** Code points as their pieces, or as their bytes where they are none. */
function symbolsBy(characters: Int32Array, byteIds: Int32Array): SymbolsOf {
  return (bytes, from, to, symbols) => {
    let count = 0;
    for (let i = from; i < to; ) {
      const point = codePointAt(bytes, i);
      const next = i + sequenceLength(bytes[i]!);
      const id = point < characters.length ? characters[point]! : -1;
      if (id >= 0) symbols[count++] = id;
      else for (let k = i; k < next; k++) symbols[count++] = byteIds[bytes[k]!]!;
      i = next;
    }
    return count;
  };
}
