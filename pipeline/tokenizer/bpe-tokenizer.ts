/**
 * The exact SentencePiece BPE tokenizer: cut the UTF-8 of a text at its seams, look each chunk up, merge those not seen before.
 * Promises sentencepiece's ids on every text. Gives up thread safety: one instance a thread, with its own scratch and cache.
 */
import { decoderOf } from "./decode.ts";
import { Encoder } from "./encoder.ts";
import type { TokenBuffer, Tokenizer } from "./tokenizer.ts";
import { fingerprint, type Vocabulary } from "./vocabulary.ts";

/** Options of an encoder; none changes an id. */
export interface BpeOptions {
  /** Chunks kept, 32 bytes each; rounded down to a power of two, at least 4. Default 262,144 (8 MiB). */
  readonly cacheEntries?: number;
}

/** A tokenizer over a vocabulary. Builds its tables once (some tens of milliseconds for 32,000 pieces). */
export function bpeTokenizer(name: string, vocabulary: Vocabulary, options: BpeOptions = {}): Tokenizer {
  const tokenType = vocabulary.pieces.length <= 65_536 ? "uint16" : "int32";
  const encoder = new Encoder(vocabulary, options.cacheEntries ?? 262_144, tokenType);
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
