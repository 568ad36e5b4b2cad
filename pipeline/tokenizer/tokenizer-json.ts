/**
 * Reads a `tokenizer.json` of Hugging Face's tokenizers in the form LLaMA-2 was published in: BPE with byte fallback, a
 * Prepend + Replace normaliser, no pre-tokenizer. Any other part that would change ids is refused by name.
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
import { ranksFromMerges } from "./merge-order.ts";
import type { SpecialTokens } from "./special-tokens.ts";
import {
  bytePiece,
  checkVocabulary,
  PIECE_TYPE,
  pieceSet,
  SPACE_MARK,
  type Vocabulary,
  WAY_OUT,
} from "./vocabulary.ts";

const FILE = object({
  normalizer: anything,
  pre_tokenizer: anything,
  added_tokens: optional(
    array(
      object({
        id: integer(0),
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

const PREPEND = { type: "Prepend", prepend: SPACE_MARK };
const REPLACE = { type: "Replace", pattern: { String: " " }, content: SPACE_MARK };

/** The vocabulary in the text of a `tokenizer.json`. `subject` names the file in errors. Throws ERR_TOKENIZER, ERR_PARSE. */
export function parseTokenizerJson(
  text: string,
  subject: string,
  specialTokens: SpecialTokens = "spell",
): Vocabulary {
  const refuse = (what: string): never => {
    throw new HeadraceError("ERR_TOKENIZER", `${subject} has ${what}, which is not supported; ${WAY_OUT}`);
  };
  const file = parseJson(text, FILE, subject);
  const { model } = file;
  if (model.type !== "BPE") refuse(`a ${model.type} model`);
  if (!model.byte_fallback) refuse("no byte fallback");
  if (model.ignore_merges) refuse("ignore_merges");
  if (model.dropout) refuse("dropout");
  if (model.continuing_subword_prefix) refuse("continuing_subword_prefix");
  if (model.end_of_word_suffix) refuse("end_of_word_suffix");
  if (file.pre_tokenizer) refuse(`pre-tokenizer ${brief(file.pre_tokenizer)}`);
  const dummyPrefix = same(file.normalizer, { type: "Sequence", normalizers: [PREPEND, REPLACE] });
  if (!dummyPrefix && !same(file.normalizer, REPLACE)) refuse(`normaliser ${brief(file.normalizer)}`);

  const vocabulary = record(integer(0, 2 ** 24))(model.vocab, `${subject}.model.vocab`);
  const pieces: string[] = [];
  for (const [piece, id] of Object.entries(vocabulary)) pieces[id] = piece;
  for (const token of file.added_tokens) {
    if (!token.special) refuse(`the added token ${JSON.stringify(token.content)} that is not special`);
    const { lstrip, rstrip, single_word, normalized } = token;
    if (specialTokens === "parse" && (lstrip || rstrip || single_word || normalized))
      refuse(`the special token ${JSON.stringify(token.content)} that is not matched plainly`);
    pieces[token.id] = token.content;
  }
  for (let id = 0; id < pieces.length; id++)
    if (pieces[id] === undefined) refuse(`no piece of id ${id} below its largest, ${pieces.length - 1}`);

  const special = new Set(file.added_tokens.map(({ id }) => id));
  const bytes = new Set(Array.from({ length: 256 }, (_, byte) => bytePiece(byte)));
  const types = Uint8Array.from(pieces, (piece, id) =>
    piece === model.unk_token
      ? PIECE_TYPE.unknown
      : special.has(id)
        ? PIECE_TYPE.control
        : bytes.has(piece)
          ? PIECE_TYPE.byte
          : PIECE_TYPE.normal,
  );
  const control = (piece: string): number | null => {
    const id = pieces.indexOf(piece);
    return types[id] === PIECE_TYPE.control ? id : null;
  };
  const set = pieceSet(pieces, types, subject);
  return checkVocabulary(
    {
      ...set,
      ranks: ranksFromMerges(set, mergeList(model.merges, `${subject}.model.merges`), subject),
      dummyPrefix,
      unknown: types.indexOf(PIECE_TYPE.unknown),
      bos: control("<s>"),
      eos: control("</s>"),
    },
    subject,
  );
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

function same(value: unknown, expected: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(expected);
}

/** JSON of a value for an error, cut to 100 characters. */
export function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
