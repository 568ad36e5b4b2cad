/**
 * The slow way out for tokenizers that the built-in engine refuses: Hugging Face's transformers.js behind the same interface.
 * Reads local files only. Promises the ids of that library, at some hundredth of the built-in engine's speed.
 */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { hashOf } from "../../core/hash.ts";
import { anything, array, boolean, integer, object, optional, parseJson, string } from "../../core/parse.ts";
import { byteLevelFingerprint } from "./byte-level.ts";
import { isByteLevel, parseByteLevelJson } from "./byte-level-json.ts";
import { type ControlNames, controlIds, parseControlNames } from "./control-names.ts";
import type { SpecialTokens } from "./special-tokens.ts";
import { ensureCapacity, type Tokenizer } from "./tokenizer.ts";
import { parseTokenizerJson } from "./tokenizer-json.ts";
import { fingerprint } from "./vocabulary.ts";

const ADDED = array(object({ id: integer(0), content: string, special: optional(boolean, false) }));

/**
 * The tokenizer of a folder with a `tokenizer.json` (and perhaps a `tokenizer_config.json`), or of such a file.
 * `sha256` is the vocabulary's fingerprint where the built-in engine knows the form, else the hash of the file's canonical JSON.
 * Throws ERR_INPUT without the file, ERR_TOKENIZER when the library refuses it, and ERR_RUNTIME without the optional package @huggingface/transformers.
 */
export async function loadTransformersTokenizer(
  path: string,
  options: { readonly specialTokens?: SpecialTokens } = {},
): Promise<Tokenizer> {
  const folder = (await isFolder(path)) ? path : dirname(path);
  const file = folder === path ? join(path, "tokenizer.json") : path;
  const text = await readText(file);
  if (text === undefined)
    throw new HeadraceError(
      "ERR_INPUT",
      `${file} cannot be read; --tokenizer-engine transformers takes a tokenizer.json or its folder`,
    );
  const json = parseJson(text, object({ added_tokens: optional(ADDED, []), model: anything }), file);
  const configText = (await readText(join(folder, "tokenizer_config.json"))) ?? "{}";
  const names = parseControlNames(configText, join(folder, "tokenizer_config.json"));

  const { PreTrainedTokenizer, env } = await importTransformers();
  env.allowRemoteModels = false;
  const whole = JSON.parse(text) as Record<string, unknown>;
  const parse = options.specialTokens === "parse";
  const added = (whole["added_tokens"] ?? []) as readonly { readonly special?: boolean }[];
  // Without its special tokens the library spells them out; the whole form still decodes them.
  const spelled = parse ? whole : { ...whole, added_tokens: added.filter(({ special }) => !special) };
  const settings = JSON.parse(configText) as object;
  const build = (form: object) => {
    try {
      return new PreTrainedTokenizer(structuredClone(form), settings);
    } catch (cause) {
      throw new HeadraceError("ERR_TOKENIZER", `transformers.js cannot use ${file}: ${messageOf(cause)}`, {
        cause,
      });
    }
  };
  const encoder = build(spelled);
  const decoder = parse ? encoder : build(whole);

  let vocabularySize = 0;
  const ids = [...decoder.get_vocab().values(), ...json.added_tokens.map(({ id }) => id)];
  for (const id of ids) vocabularySize = Math.max(vocabularySize, id + 1);
  const { bos, eos } = controlIds(json.added_tokens, names);
  let loneSurrogates = 0;
  const encode = (input: string): readonly number[] => {
    if (input.length === 0) return [];
    if (!input.isWellFormed()) loneSurrogates += input.match(/\p{Surrogate}/gu)?.length ?? 0;
    return encoder.encode(input.toWellFormed(), { add_special_tokens: false });
  };
  const tokenType = vocabularySize <= 65_536 ? "uint16" : "int32";
  return {
    name: `${basename(folder === path ? path : file)} (transformers)`,
    sha256: fingerprintOf(text, file, names),
    vocabularySize,
    tokenType,
    bos,
    eos,
    get loneSurrogates() {
      return loneSurrogates;
    },
    encode: (input) =>
      tokenType === "uint16" ? Uint16Array.from(encode(input)) : Int32Array.from(encode(input)),
    encodeInto(input, buffer, at) {
      const found = encode(input);
      ensureCapacity(buffer, at + found.length).set(found, at);
      return found.length;
    },
    decode(input) {
      const given = [...input];
      return given.length === 0
        ? ""
        : decoder.decode(given, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
    },
  };
}

async function importTransformers(): Promise<typeof import("@huggingface/transformers")> {
  try {
    return await import("@huggingface/transformers");
  } catch (cause) {
    throw new HeadraceError(
      "ERR_RUNTIME",
      `--tokenizer-engine transformers needs the optional package @huggingface/transformers, which does not load (${messageOf(cause)}); run npm install @huggingface/transformers`,
      { cause },
    );
  }
}

function fingerprintOf(text: string, subject: string, names: ControlNames): string {
  try {
    return isByteLevel(text, subject)
      ? byteLevelFingerprint(parseByteLevelJson(text, subject, names))
      : fingerprint(parseTokenizerJson(text, subject));
  } catch (error) {
    if (error instanceof HeadraceError)
      return hashOf({ format: "tokenizer.json", file: JSON.parse(text) as unknown });
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
