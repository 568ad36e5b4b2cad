/**
 * Opens a tokenizer by name or path and refuses, by name, whatever it cannot encode exactly.
 */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { HeadraceError } from "../../core/errors.ts";
import { type BpeOptions, bpeTokenizer } from "./bpe-tokenizer.ts";
import { llama2Vocabulary } from "./llama2.ts";
import { parseSentencePieceModel } from "./sentencepiece-model.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { parseTokenizerJson } from "./tokenizer-json.ts";
import { loadTransformersTokenizer } from "./transformers.ts";
import type { Vocabulary } from "./vocabulary.ts";

export interface LoadOptions extends BpeOptions {
  /** `headrace` (the default), or `transformers` for what ours refuses. */
  readonly engine?: "headrace" | "transformers";
}

/**
 * The tokenizer of `spec`: `"llama-2"` (the vocabulary inside the npm package llama-tokenizer-js, checked by its fingerprint), the
 * path of a SentencePiece `tokenizer.model`, or the path of a LLaMA-form `tokenizer.json`; with `engine: "transformers"` a folder or
 * `tokenizer.json` that transformers.js reads. One instance serves one thread.
 * Throws ERR_INPUT when the file cannot be read, ERR_TOKENIZER and ERR_PARSE when it is none of these.
 */
export async function loadTokenizer(spec: string, options: LoadOptions = {}): Promise<Tokenizer> {
  if (options.engine === "transformers") return loadTransformersTokenizer(spec, options);
  if (spec === "llama-2") return bpeTokenizer(spec, await llama2Vocabulary(), options);
  return bpeTokenizer(basename(spec), await readVocabulary(spec, options), options);
}

async function readVocabulary(path: string, options: BpeOptions): Promise<Vocabulary> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `tokenizer ${JSON.stringify(path)} is neither "llama-2" nor a file that can be read; name a tokenizer.model or tokenizer.json`,
      { cause },
    );
  }
  const json = path.endsWith(".json") || bytes[0] === 0x7b;
  return json
    ? parseTokenizerJson(new TextDecoder().decode(bytes), path, options.specialTokens)
    : parseSentencePieceModel(bytes, path);
}
