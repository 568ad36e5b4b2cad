/**
 * The vocabulary of a byte-level BPE tokenizer: pieces are byte strings, merges a list, and text is cut by a pre-tokenizer first.
 * Its fingerprint covers all that decides the ids of a text and nothing else.
 */
import { hashOf } from "../../core/hash.ts";
import type { AddedToken } from "./added-tokens.ts";
import type { PreTokenizerStep } from "./pre-tokenizer.ts";

/** A checked vocabulary. */
export interface ByteLevelVocabulary {
  /** By id, in the byte alphabet (`Ġ` for a space); null for an id that only added tokens have, or none. */
  readonly pieces: readonly (string | null)[];
  /** Left, right and result of every merge, in the order of their ranks. */
  readonly merges: Int32Array;
  /** The id of each byte, -1 for a byte that the vocabulary lacks: `tokenizers` leaves it out of the text, and so do we, counted. */
  readonly byteIds: Int32Array;
  /** A chunk that is a piece becomes it whatever the merges say (LLaMA-3). */
  readonly ignoreMerges: boolean;
  readonly normalizer: "nfc" | null;
  readonly preTokenizer: readonly PreTokenizerStep[];
  /** Every stretch between added tokens gets a space in front unless it begins with one. */
  readonly prefixSpace: boolean;
  readonly addedTokens: readonly AddedToken[];
  readonly bos: number | null;
  readonly eos: number | null;
}

/** The character that stands for each byte in pieces (GPT-2's `bytes_to_unicode`): itself where it prints, else from U+0100 on. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  const prints = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(prints(byte) ? byte : next++));
})();

const BYTE_OF: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);

/** The bytes of a piece as a string of Latin-1, or undefined where it holds a character of no byte. */
export function pieceBytes(piece: string): string | undefined {
  let bytes = "";
  for (const character of piece) {
    const byte = BYTE_OF.get(character);
    if (byte === undefined) return undefined;
    bytes += String.fromCharCode(byte);
  }
  return bytes;
}

/** SHA-256 of the canonical content: pieces, merges, what is done before them, added tokens and the control ids. */
export function byteLevelFingerprint(vocabulary: ByteLevelVocabulary): string {
  const { pieces, merges, ignoreMerges, normalizer, preTokenizer, prefixSpace, bos, eos } = vocabulary;
  const addedTokens = [...vocabulary.addedTokens]
    .sort((a, b) => a.id - b.id)
    .map(({ id, content, special, normalized }) => ({ id, content, special, normalized }));
  return hashOf({
    format: "headrace-byte-level/1",
    pieces,
    merges: [...merges],
    ignoreMerges,
    normalizer,
    preTokenizer,
    prefixSpace,
    addedTokens,
    bos,
    eos,
  });
}
