/**
 * What the rest of the pipeline knows of a tokenizer: text in, ids out, and the fingerprint that names the vocabulary on disk.
 */
import type { TokenIds } from "../../core/document.ts";

/** Ids that grow: `ids` is replaced by a larger array when an encoder needs room. */
export interface TokenBuffer {
  ids: TokenIds;
}

/** A tokenizer that is loaded. Same text, same ids; the counter is its only visible state. */
export interface Tokenizer {
  /** What it was loaded from, for people. */
  readonly name: string;
  /** Fingerprint of the vocabulary's canonical content, the same for every file form of it. */
  readonly sha256: string;
  readonly vocabularySize: number;
  /** The narrowest of the two Arrow types that holds every id. */
  readonly tokenType: "uint16" | "int32";
  readonly bos: number | null;
  readonly eos: number | null;
  /** Lone surrogates met so far; each was encoded as U+FFFD. */
  readonly loneSurrogates: number;
  /** Bytes left out so far because the vocabulary has no piece for them; absent where every byte has one. */
  readonly lostBytes?: number;
  /** The ids of a text, without BOS and EOS. Linear in the text but for stretches without a seam (n log n). */
  encode(text: string): TokenIds;
  /** Writes the ids of a text to `buffer.ids` from index `at` on, growing it where needed, and returns how many they are. */
  encodeInto(text: string, buffer: TokenBuffer, at: number): number;
  /** The same for a text in UTF-8, which must be valid; absent where the text is needed as a string. */
  encodeUtf8Into?(utf8: Uint8Array, buffer: TokenBuffer, at: number): number;
  /** The text of ids. Control ids vanish; bytes that are not UTF-8 become U+FFFD. Throws ERR_ARGUMENT for an id out of range. */
  decode(ids: Iterable<number>): string;
}

/** What a stored document has around its ids. */
export interface DocumentTokens {
  /** Put the BOS id in front; default true. */
  readonly bos?: boolean;
  /** Put the EOS id behind; default false. */
  readonly eos?: boolean;
}

/** An empty buffer of the tokenizer's type with room for `capacity` ids. */
export function tokenBuffer(tokenizer: Pick<Tokenizer, "tokenType">, capacity = 65_536): TokenBuffer {
  return { ids: tokenizer.tokenType === "uint16" ? new Uint16Array(capacity) : new Int32Array(capacity) };
}

/** Makes room for `needed` ids, keeping those before; at least doubles, so that appending is linear. Returns the array now in use. */
export function ensureCapacity(buffer: TokenBuffer, needed: number): TokenIds {
  const { ids } = buffer;
  if (ids.length >= needed) return ids;
  const capacity = Math.max(needed, 2 * ids.length);
  const grown = ids instanceof Uint16Array ? new Uint16Array(capacity) : new Int32Array(capacity);
  grown.set(ids);
  buffer.ids = grown;
  return grown;
}
