/**
 * Byte-level BPE behind the Tokenizer interface: the ids of `tokenizers` with `encode_special_tokens` on (`spell`) or off (`parse`).
 */
import { HeadraceError } from "../../core/errors.ts";
import { addedTokenSplitter } from "./added-tokens.ts";
import { type BpeOptions, CACHE_ENTRIES } from "./bpe-tokenizer.ts";
import { type ByteLevelVocabulary, byteLevelFingerprint, pieceBytes } from "./byte-level.ts";
import { ByteLevelEncoder } from "./byte-level-encoder.ts";
import { byteLevelForm, kernelHolds } from "./kernel-byte-level.ts";
import { hasKernel, KernelEncoder } from "./kernel-encoder.ts";
import { ensureCapacity, type Tokenizer, tokenBuffer } from "./tokenizer.ts";
import { normalizeNfc } from "./unicode.ts";

/** A tokenizer over a byte-level vocabulary. Builds its tables once, in time linear in the merges. One instance serves one thread. */
export function byteLevelTokenizer(
  name: string,
  vocabulary: ByteLevelVocabulary,
  options: BpeOptions = {},
): Tokenizer {
  const vocabularySize = vocabulary.addedTokens.reduce(
    (size, { id }) => Math.max(size, id + 1),
    vocabulary.pieces.length,
  );
  const tokenType = vocabularySize <= 65_536 ? "uint16" : "int32";
  const inKernel = options.encoder !== "typescript" && hasKernel() && kernelHolds(vocabulary);
  const cacheEntries = options.cacheEntries ?? CACHE_ENTRIES;
  const encoder = inKernel
    ? new KernelEncoder(byteLevelForm(vocabulary), cacheEntries, tokenType)
    : new ByteLevelEncoder(vocabulary, cacheEntries, tokenType);
  const split = addedTokenSplitter(
    vocabulary.addedTokens,
    vocabulary.normalizer === "nfc" ? normalizeNfc : (text) => text,
    options.specialTokens ?? "spell",
  );
  let loneSurrogates = 0;
  const encodeInto: Tokenizer["encodeInto"] = (text, buffer, at) => {
    let whole = text;
    if (!text.isWellFormed()) {
      loneSurrogates += text.match(/\p{Surrogate}/gu)?.length ?? 0;
      whole = text.toWellFormed();
    }
    let out = at;
    split(
      whole,
      (stretch) => {
        out += encoder.encodeInto(stretch, buffer, out);
      },
      (id) => {
        ensureCapacity(buffer, out + 1)[out++] = id;
      },
    );
    return out - at;
  };
  const scratch = tokenBuffer({ tokenType }, 4_096);
  return {
    name,
    sha256: byteLevelFingerprint(vocabulary),
    vocabularySize,
    tokenType,
    bos: vocabulary.bos,
    eos: vocabulary.eos,
    get loneSurrogates() {
      return loneSurrogates;
    },
    get lostBytes() {
      return encoder.lostBytes;
    },
    encode(text) {
      const count = encodeInto(text, scratch, 0);
      return scratch.ids.slice(0, count);
    },
    encodeInto,
    decode: decoderOf(vocabulary, vocabularySize),
  };
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The decoder of a vocabulary. Throws ERR_ARGUMENT for an id that is not in it. */
function decoderOf(vocabulary: ByteLevelVocabulary, size: number): (ids: Iterable<number>) => string {
  const empty = new Uint8Array();
  const bytes: (Uint8Array | undefined)[] = vocabulary.pieces.map((piece) => {
    if (piece === null) return undefined;
    const found = pieceBytes(piece);
    return found === undefined ? Buffer.from(piece) : Buffer.from(found, "latin1");
  });
  for (const { id, content, special } of vocabulary.addedTokens)
    bytes[id] = special ? empty : Buffer.from(content);
  return (ids) => {
    const parts: Uint8Array[] = [];
    for (const id of ids) {
      const part = bytes[id];
      if (part === undefined)
        throw new HeadraceError(
          "ERR_ARGUMENT",
          `token id ${id} is not in a vocabulary of ${size}; ids come from the tokenizer that the shards name`,
        );
      parts.push(part);
    }
    return utf8.decode(Buffer.concat(parts));
  };
}
