/**
 * Opens a tokenizer by name or path and refuses, by name, whatever it cannot encode exactly.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HeadraceError } from "../../core/errors.ts";
import { type BpeOptions, bpeTokenizer } from "./bpe-tokenizer.ts";
import { isByteLevel, parseByteLevelJson } from "./byte-level-json.ts";
import { byteLevelTokenizer } from "./byte-level-tokenizer.ts";
import { controlNames } from "./control-names.ts";
import { llama2Vocabulary } from "./llama2.ts";
import { parseSentencePieceModel } from "./sentencepiece-model.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { parseTokenizerJson } from "./tokenizer-json.ts";
import { loadTransformersTokenizer } from "./transformers.ts";

export interface LoadOptions extends BpeOptions {
  /** `headrace` (the default), or `transformers` for what ours refuses. */
  readonly engine?: "headrace" | "transformers";
}

/**
 * The tokenizer of `spec`: `"llama-2"` (the vocabulary inside the npm package llama-tokenizer-js, checked by its fingerprint), the
 * path of a SentencePiece `tokenizer.model`, or the path of a `tokenizer.json` in LLaMA-2's form or of byte-level BPE (GPT-2, LLaMA-3,
 * Qwen-2, …), whose BOS and EOS a `tokenizer_config.json` beside it may name; with `engine: "transformers"` a folder or
 * `tokenizer.json` that transformers.js reads. One instance serves one thread.
 * Throws ERR_INPUT when the file cannot be read, ERR_TOKENIZER and ERR_PARSE when it is none of these.
 */
export async function loadTokenizer(spec: string, options: LoadOptions = {}): Promise<Tokenizer> {
  if (options.engine === "transformers") return loadTransformersTokenizer(spec, options);
  if (spec === "llama-2") return bpeTokenizer(spec, await llama2Vocabulary(), options);
  const name = basename(spec);
  const bytes = await readBytes(spec);
  if (!spec.endsWith(".json") && bytes[0] !== 0x7b)
    return bpeTokenizer(name, parseSentencePieceModel(bytes, spec), options);
  const text = new TextDecoder().decode(bytes);
  if (!isByteLevel(text, spec))
    return bpeTokenizer(name, parseTokenizerJson(text, spec, options.specialTokens), options);
  const names = await controlNames(join(dirname(spec), "tokenizer_config.json"));
  return byteLevelTokenizer(name, parseByteLevelJson(text, spec, names, options.specialTokens), options);
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `tokenizer ${JSON.stringify(path)} is neither "llama-2" nor a file that can be read; name a tokenizer.model or tokenizer.json`,
      { cause },
    );
  }
}
