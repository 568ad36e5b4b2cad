/**
 * The exact SentencePiece BPE tokenizer behind the Tokenizer interface.
 */
import { HeadraceError } from "../../core/errors.ts";
import { decoderOf } from "./decode.ts";
import { Encoder } from "./encoder.ts";
import { hasKernel, KernelEncoder } from "./kernel-encoder.ts";
import { sentencePieceForm } from "./kernel-sentencepiece.ts";
import { MOST_PIECES } from "./kernel-tables.ts";
import { parseSpecialTokens, type SpecialTokens } from "./special-tokens.ts";
import { changesTexts, withJoinedUnknowns, withTextRules } from "./text-rules.ts";
import { type Tokenizer, tokenBuffer } from "./tokenizer.ts";
import { fingerprint, PIECE_TYPE, type Vocabulary, WAY_OUT } from "./vocabulary.ts";

export interface BpeOptions {
  /** Short chunks kept, 32 bytes each; rounded down to a power of two, at least 4. Default 262,144 (8 MiB). Changes no id. */
  readonly cacheEntries?: number;
  /** What encodes: WebAssembly (`kernel`), or plain TypeScript, slower. Default the kernel where it runs. Changes no id. */
  readonly encoder?: "kernel" | "typescript";
  /** Whether `<s>` in a text is text (`spell`, the default, as sentencepiece) or the control id (`parse`, as tokenizers). */
  readonly specialTokens?: SpecialTokens;
}

/** Short chunks kept unless an option says otherwise. */
export const CACHE_ENTRIES = 262_144;

/**
 * A tokenizer over a vocabulary. Builds its tables once, in time linear in the pieces. One instance serves one thread.
 * Throws ERR_TOKENIZER when special tokens shall be parsed and no other tokenizer says how.
 */
export function bpeTokenizer(name: string, vocabulary: Vocabulary, options: BpeOptions = {}): Tokenizer {
  const tokenType = vocabulary.pieces.length <= 65_536 ? "uint16" : "int32";
  const inKernel = options.encoder !== "typescript" && hasKernel() && vocabulary.pieces.length < MOST_PIECES;
  const changed = changesTexts(vocabulary);
  const withoutBytes = !vocabulary.types.includes(PIECE_TYPE.byte);
  if (options.specialTokens === "parse" && (changed || withoutBytes))
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `${name} changes texts, has user-defined pieces or no byte fallback, and --special-tokens parse is not supported for such a model; leave it out, or ${WAY_OUT}`,
    );
  const cacheEntries = options.cacheEntries ?? CACHE_ENTRIES;
  const unchanged = changed ? { ...vocabulary, dummyPrefix: false } : vocabulary;
  const encoder = inKernel
    ? new KernelEncoder(sentencePieceForm(unchanged), cacheEntries, tokenType)
    : new Encoder(unchanged, cacheEntries, tokenType);
  const plain: Tokenizer["encodeInto"] = (text, buffer, at) => encoder.encodeInto(text, buffer, at);
  let loneSurrogates = 0;
  const rules = changed ? withTextRules(vocabulary, plain) : plain;
  const ruled: Tokenizer["encodeInto"] = (text, buffer, at) => {
    if (changed && !text.isWellFormed()) loneSurrogates += text.match(/\p{Surrogate}/gu)?.length ?? 0;
    return rules(text, buffer, at);
  };
  const spell = withoutBytes ? withJoinedUnknowns(vocabulary.unknown, ruled) : ruled;
  const encodeInto = options.specialTokens === "parse" ? parseSpecialTokens(vocabulary, spell) : spell;
  const asItIs = !changed && !withoutBytes && options.specialTokens !== "parse";
  const scratch = tokenBuffer({ tokenType }, 4_096);
  return {
    name,
    sha256: fingerprint(vocabulary),
    vocabularySize: vocabulary.pieces.length,
    tokenType,
    bos: vocabulary.bos,
    eos: vocabulary.eos,
    get loneSurrogates() {
      return changed ? loneSurrogates : encoder.loneSurrogates;
    },
    encode(text) {
      const count = encodeInto(text, scratch, 0);
      return scratch.ids.slice(0, count);
    },
    encodeInto,
    ...(encoder instanceof KernelEncoder &&
      asItIs && { encodeUtf8Into: encoder.encodeUtf8Into.bind(encoder) }),
    decode: decoderOf(vocabulary),
  };
}
