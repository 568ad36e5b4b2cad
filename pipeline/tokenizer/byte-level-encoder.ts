/**
 * From a text to ids by byte-level BPE: cut its UTF-8 by the pre-tokenizer, look every chunk up, merge those not seen before. The
 * checking twin of the WebAssembly kernel (kernel-encoder.ts), and what runs where there is none.
 */
import { type ByteLevelVocabulary, pieceBytes } from "./byte-level.ts";
import { ChunkEncoder } from "./chunk-encoder.ts";
import { listedMergeTable } from "./merge-table.ts";
import { type Scanner, scannerOf } from "./pre-tokenizer.ts";
import { ensureCapacity, type TokenBuffer } from "./tokenizer.ts";

/** The encoder of one vocabulary; knows nothing of added tokens and normalisers. One instance serves one thread. */
export class ByteLevelEncoder {
  readonly #chunks: ChunkEncoder;
  readonly #scanners: readonly Scanner[];
  readonly #prefixSpace: boolean;

  constructor(vocabulary: ByteLevelVocabulary, cacheEntries: number, tokenType: "uint16" | "int32") {
    const { byteIds } = vocabulary;
    const whole = vocabulary.ignoreMerges ? wholePieces(vocabulary) : undefined;
    this.#chunks = new ChunkEncoder(
      listedMergeTable(vocabulary.merges),
      (bytes, from, to, symbols) => {
        const piece = whole?.get(bytes.toString("latin1", from, to));
        if (piece !== undefined) {
          symbols[0] = piece;
          return 1;
        }
        let count = 0;
        for (let i = from; i < to; i++) {
          const id = byteIds[bytes[i]!]!;
          if (id >= 0) symbols[count++] = id;
        }
        this.#chunks.lostBytes += to - from - count;
        return count;
      },
      cacheEntries,
      tokenType,
    );
    this.#scanners = vocabulary.preTokenizer.map(scannerOf);
    this.#prefixSpace = vocabulary.prefixSpace;
  }

  /** Bytes left out so far because the vocabulary lacks them. */
  get lostBytes(): number {
    return this.#chunks.lostBytes;
  }

  /** Writes the ids of a well-formed text to `buffer.ids` from `at` on and returns how many. */
  encodeInto(text: string, buffer: TokenBuffer, at: number): number {
    if (text.length === 0) return 0;
    const end = this.#chunks.load(this.#prefixSpace && !text.startsWith(" ") ? ` ${text}` : text, 0);
    return this.#encodePiece(0, 0, end, buffer, at) - at;
  }

  /** Cuts bytes[from, end) by the step of this level and those below; returns where the ids end. */
  #encodePiece(level: number, from: number, end: number, buffer: TokenBuffer, at: number): number {
    const scanner = this.#scanners[level];
    if (scanner === undefined) return this.#encodeChunk(from, end, buffer, at);
    const last = level === this.#scanners.length - 1;
    const { bytes } = this.#chunks;
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

  /** Ids of one chunk; returns where they end. */
  #encodeChunk(from: number, to: number, buffer: TokenBuffer, at: number): number {
    const needed = at + to - from;
    const ids = needed > buffer.ids.length ? ensureCapacity(buffer, needed) : buffer.ids;
    return at + this.#chunks.encode(from, to, ids, at);
  }
}

/** Ids by the pieces' bytes as Latin-1. */
function wholePieces({ pieces }: ByteLevelVocabulary): ReadonlyMap<string, number> {
  const whole = new Map<string, number>();
  for (const [id, piece] of pieces.entries()) {
    const bytes = piece === null ? undefined : pieceBytes(piece);
    if (bytes !== undefined) whole.set(bytes, id);
  }
  return whole;
}
