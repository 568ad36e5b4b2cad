/** Tokenizers: text to ids with the fingerprint that shards name. `loadTokenizer` opens one. */
export { type BpeOptions, bpeTokenizer } from "./bpe-tokenizer.ts";
export { encodeDocument, encodeDocumentInto } from "./document.ts";
export { LLAMA2_SHA256 } from "./llama2.ts";
export { type LoadOptions, loadTokenizer } from "./load.ts";
export type { SpecialTokens } from "./special-tokens.ts";
export {
  type DocumentTokens,
  ensureCapacity,
  type TokenBuffer,
  type Tokenizer,
  tokenBuffer,
} from "./tokenizer.ts";
export { loadTransformersTokenizer } from "./transformers.ts";
