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

/**
 * The tokenizer of `spec`: `"llama-2"` (the vocabulary inside the npm package llama-tokenizer-js, checked by its fingerprint), the
 * path of a SentencePiece `tokenizer.model`, or the path of a LLaMA-form `tokenizer.json`.
 * Throws ERR_INPUT when the file cannot be read, ERR_TOKENIZER and ERR_PARSE when it is none of these.
 */
export async function loadTokenizer(spec: string, options: BpeOptions = {}): Promise<Tokenizer> {
  if (spec === "llama-2") return bpeTokenizer(spec, await llama2Vocabulary(), options);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(spec);
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `tokenizer ${JSON.stringify(spec)} is neither "llama-2" nor a file that can be read; name a tokenizer.model or tokenizer.json`,
      { cause },
    );
  }
  const vocabulary =
    bytes[0] === 0x7b || spec.endsWith(".json")
      ? parseTokenizerJson(new TextDecoder().decode(bytes), spec)
      : parseSentencePieceModel(bytes, spec);
  return bpeTokenizer(basename(spec), vocabulary, options);
}
