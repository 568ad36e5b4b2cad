/**
 * What every `tokenizer.json` of BPE has in common: its fields, the vocabulary by piece, the list of merges, and parts that nobody may have.
 */
import { HeadraceError } from "../../core/errors.ts";
import {
  anything,
  array,
  boolean,
  integer,
  nullable,
  object,
  optional,
  parseJson,
  record,
  string,
} from "../../core/parse.ts";
import { WAY_OUT } from "./vocabulary.ts";

const FILE = object({
  normalizer: anything,
  pre_tokenizer: anything,
  added_tokens: optional(
    array(
      object({
        id: integer(0, 2 ** 24),
        content: string,
        special: optional(boolean, false),
        lstrip: optional(boolean, false),
        rstrip: optional(boolean, false),
        single_word: optional(boolean, false),
        normalized: optional(boolean, false),
      }),
    ),
    [],
  ),
  model: object({
    type: optional(string, "BPE"),
    dropout: anything,
    unk_token: optional(nullable(string), null),
    continuing_subword_prefix: anything,
    end_of_word_suffix: anything,
    byte_fallback: optional(boolean, false),
    ignore_merges: optional(boolean, false),
    vocab: anything,
    merges: anything,
  }),
});

/** Throws ERR_TOKENIZER for a part of a file that would change ids. */
export type Refuse = (what: string) => never;

/** A file whose model is BPE without dropout, prefixes and suffixes. */
export type TokenizerFile = ReturnType<typeof FILE> & {
  /** Ids by piece. */
  readonly vocab: ReadonlyMap<string, number>;
  readonly refuse: Refuse;
};

/** The text of a `tokenizer.json`. `subject` names the file in errors. Throws ERR_TOKENIZER, ERR_PARSE. */
export function parseTokenizerFile(text: string, subject: string): TokenizerFile {
  const refuse: Refuse = (what) => {
    throw new HeadraceError("ERR_TOKENIZER", `${subject} has ${what}, which is not supported; ${WAY_OUT}`);
  };
  const file = parseJson(text, FILE, subject);
  const { model } = file;
  if (model.type !== "BPE") refuse(`a ${model.type} model`);
  if (model.dropout) refuse("dropout");
  if (model.continuing_subword_prefix) refuse("continuing_subword_prefix");
  if (model.end_of_word_suffix) refuse("end_of_word_suffix");
  const vocab = new Map(Object.entries(record(integer(0, 2 ** 24))(model.vocab, `${subject}.model.vocab`)));
  return { ...file, vocab, refuse };
}

/** Both forms that tokenizers has written: `"a b"` and, since 0.20, `["a", "b"]`. */
export function mergeList(value: unknown, at: string): readonly (readonly [string, string])[] {
  return array((item, where) => {
    const parts = typeof item === "string" ? item.split(" ") : array(string)(item, where);
    const [left, right] = parts;
    if (parts.length !== 2 || left === undefined || right === undefined)
      throw new HeadraceError("ERR_PARSE", `${where} is ${JSON.stringify(item)}; expected a pair of pieces`);
    return [left, right] as const;
  })(value, at);
}

/** JSON of a value for an error, cut to 100 characters. */
export function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
