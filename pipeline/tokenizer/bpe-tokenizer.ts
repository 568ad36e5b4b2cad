/**
 * The exact SentencePiece BPE tokenizer behind the Tokenizer interface.
 */
import { decoderOf } from "./decode.ts";
import { Encoder } from "./encoder.ts";
import { KernelEncoder, kernelSupports } from "./kernel-encoder.ts";
import { parseSpecialTokens, type SpecialTokens } from "./special-tokens.ts";
import { type Tokenizer, tokenBuffer } from "./tokenizer.ts";
import { fingerprint, type Vocabulary } from "./vocabulary.ts";

export interface BpeOptions {
  /** Short chunks kept, 32 bytes each; rounded down to a power of two, at least 4. Default 262,144 (8 MiB). Changes no id. */
  readonly cacheEntries?: number;
  /** What encodes: WebAssembly (`kernel`), or plain TypeScript, slower. Default the kernel where it runs. Changes no id. */
  readonly encoder?: "kernel" | "typescript";
  /** Whether `<s>` in a text is text (`spell`, the default, as sentencepiece) or the control id (`parse`, as tokenizers). */
  readonly specialTokens?: SpecialTokens;
}

/** A tokenizer over a vocabulary. Builds its tables once, in time linear in the pieces. One instance serves one thread. */
export function bpeTokenizer(name: string, vocabulary: Vocabulary, options: BpeOptions = {}): Tokenizer {
  const tokenType = vocabulary.pieces.length <= 65_536 ? "uint16" : "int32";
  const inKernel = options.encoder !== "typescript" && kernelSupports(vocabulary);
  const encoder = new (inKernel ? KernelEncoder : Encoder)(
    vocabulary,
    options.cacheEntries ?? 262_144,
    tokenType,
  );
  const spell: Tokenizer["encodeInto"] = (text, buffer, at) => encoder.encodeInto(text, buffer, at);
  const encodeInto = options.specialTokens === "parse" ? parseSpecialTokens(vocabulary, spell) : spell;
  const scratch = tokenBuffer({ tokenType }, 4_096);
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
      const count = encodeInto(text, scratch, 0);
      return scratch.ids.slice(0, count);
    },
    encodeInto,
    decode: decoderOf(vocabulary),
  };
}
