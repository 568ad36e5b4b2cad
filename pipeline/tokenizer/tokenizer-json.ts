/**
 * Reads a `tokenizer.json` of Hugging Face's tokenizers in the form LLaMA-2 was published in: BPE with byte fallback, a
 * Prepend + Replace normaliser, no pre-tokenizer. Any other part that would change ids is refused by name.
 */
import { ranksFromMerges } from "./merge-order.ts";
import type { SpecialTokens } from "./special-tokens.ts";
import { brief, mergeList, parseTokenizerFile } from "./tokenizer-file.ts";
import {
  bytePiece,
  checkVocabulary,
  PIECE_TYPE,
  pieceSet,
  SPACE_MARK,
  type Vocabulary,
} from "./vocabulary.ts";

const PREPEND = { type: "Prepend", prepend: SPACE_MARK };
const REPLACE = { type: "Replace", pattern: { String: " " }, content: SPACE_MARK };

/** The vocabulary in the text of a `tokenizer.json`. `subject` names the file in errors. Throws ERR_TOKENIZER, ERR_PARSE. */
export function parseTokenizerJson(
  text: string,
  subject: string,
  specialTokens: SpecialTokens = "spell",
): Vocabulary {
  const file = parseTokenizerFile(text, subject);
  const { model, vocab, refuse } = file;
  if (!model.byte_fallback) refuse("no byte fallback");
  if (model.ignore_merges) refuse("ignore_merges");
  if (file.pre_tokenizer) refuse(`pre-tokenizer ${brief(file.pre_tokenizer)}`);
  const dummyPrefix = same(file.normalizer, { type: "Sequence", normalizers: [PREPEND, REPLACE] });
  if (!dummyPrefix && !same(file.normalizer, REPLACE)) refuse(`normaliser ${brief(file.normalizer)}`);

  const pieces: string[] = [];
  for (const [piece, id] of vocab) pieces[id] = piece;
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

function same(value: unknown, expected: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(expected);
}
