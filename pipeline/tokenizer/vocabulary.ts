/**
 * The vocabulary of a SentencePiece BPE tokenizer, however it was stored: pieces by id, their types, and the order of merges.
 * Its fingerprint covers all that decides the ids of a text and nothing else, so every file form of one vocabulary has the same.
 */
import { HeadraceError } from "../../core/errors.ts";
import { sha256 } from "../../core/hash.ts";
import type { CharsMap } from "./chars-map.ts";
import { splitsOf } from "./splits.ts";

/** What SentencePiece writes for a space. */
export const SPACE_MARK = "\u2581";

/** The way out that every refusal names. */
export const WAY_OUT = "use --tokenizer-engine transformers (exact for other tokenizers, far slower)";

/** SentencePiece's numbers of the piece types that are supported. */
export const PIECE_TYPE = { normal: 1, unknown: 2, control: 3, user: 4, byte: 6 } as const;

/** Pieces and how they are made of each other; what both file forms share. */
export interface PieceSet {
  /** By id; U+2581 stands for a space. */
  readonly pieces: readonly string[];
  /** By id, one of PIECE_TYPE. */
  readonly types: Uint8Array;
  /** The ids of the normal pieces. */
  readonly ids: ReadonlyMap<string, number>;
  /** Every way to make a normal piece of two: left, right and result, in id order of the result, from left to right. */
  readonly splits: Int32Array;
}

/** How a model changes a text in front of BPE. */
export interface TextRules {
  readonly charsMap: CharsMap | undefined;
  /** Drop spaces at both ends and all but one of several. */
  readonly removeExtraSpaces: boolean;
}

/** A checked vocabulary. Text becomes normal and user-defined pieces and, for code points that are no piece, byte pieces or, without any, the unknown piece. */
export interface Vocabulary extends PieceSet {
  /** By id: which merge comes first (0), equal ranks leftmost first; -1 for a piece that no merge makes. Dense. */
  readonly ranks: Int32Array;
  /** Whether a text that is not empty gets a space mark in front. */
  readonly dummyPrefix: boolean;
  /** What is done to a text first; absent where nothing is. */
  readonly rules?: TextRules;
  readonly unknown: number;
  readonly bos: number | null;
  readonly eos: number | null;
}

/** Indexes pieces. `subject` names their file in errors. Throws ERR_TOKENIZER when two normal pieces are spelled alike. */
export function pieceSet(pieces: readonly string[], types: Uint8Array, subject: string): PieceSet {
  const ids = new Map<string, number>();
  for (const [id, piece] of pieces.entries()) {
    if (types[id] !== PIECE_TYPE.normal) continue;
    if (ids.has(piece))
      throw new HeadraceError(
        "ERR_TOKENIZER",
        `${subject} has piece ${JSON.stringify(piece)} twice (ids ${ids.get(piece)} and ${id}); take an undamaged copy`,
      );
    ids.set(piece, id);
  }
  return { pieces, types, ids, splits: splitsOf(ids) };
}

/** Dense ranks of the pieces that some merge makes, from their scores: the highest score is 0, equal scores share a rank. */
export function ranksFromScores({ pieces, splits }: PieceSet, scores: readonly number[]): Int32Array {
  const made = new Set<number>();
  for (let i = 2; i < splits.length; i += 3) made.add(splits[i]!);
  const order = [...made].sort((a, b) => scores[b]! - scores[a]!);
  const ranks = new Int32Array(pieces.length).fill(-1);
  let rank = 0;
  for (const [i, id] of order.entries()) {
    if (i > 0 && scores[id] !== scores[order[i - 1]!]) rank++;
    ranks[id] = rank;
  }
  return ranks;
}

/**
 * Checks what the encoder relies on: all 256 byte pieces or none, one unknown piece, and every code point of a piece a piece itself.
 * Throws ERR_TOKENIZER naming what is missing.
 */
export function checkVocabulary(vocabulary: Vocabulary, subject: string): Vocabulary {
  const { pieces, types, ids } = vocabulary;
  const bytes = new Set(pieces.filter((_, id) => types[id] === PIECE_TYPE.byte));
  for (let byte = 0; byte < 256; byte++)
    if (bytes.size > 0 && !bytes.has(bytePiece(byte)))
      throw new HeadraceError(
        "ERR_TOKENIZER",
        `${subject} has no byte piece ${bytePiece(byte)} beside others; take an undamaged copy`,
      );
  const unknown = types.reduce((count, type) => count + (type === PIECE_TYPE.unknown ? 1 : 0), 0);
  if (unknown !== 1)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `${subject} has ${unknown} unknown pieces; exactly one is supported; ${WAY_OUT}`,
    );
  const characters = new Set<string>();
  for (const piece of ids.keys()) for (const character of piece) characters.add(character);
  for (const character of characters)
    if (!ids.has(character))
      throw new HeadraceError(
        "ERR_TOKENIZER",
        `${subject} has pieces with ${JSON.stringify(character)}, which is no piece itself, so this is not supported; ${WAY_OUT}`,
      );
  if (!ids.has(SPACE_MARK))
    throw new HeadraceError("ERR_TOKENIZER", `${subject} has no piece for a space (U+2581); ${WAY_OUT}`);
  return vocabulary;
}

/** The spelling of the byte piece of a byte: `<0x0A>`. */
export function bytePiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** Ids of the 256 byte pieces; the unknown id for each where there are none. */
export function byteIdsOf({ pieces, types, unknown }: Vocabulary): Int32Array {
  const ids = new Map<string, number>();
  for (const [id, piece] of pieces.entries()) if (types[id] === PIECE_TYPE.byte) ids.set(piece, id);
  return Int32Array.from({ length: 256 }, (_, byte) => ids.get(bytePiece(byte)) ?? unknown);
}

/** SHA-256 of the canonical content: pieces, types, merge ranks, prefix, the control ids, and the rules where there are any. */
export function fingerprint(vocabulary: Vocabulary): string {
  const { pieces, types, ranks, dummyPrefix, unknown, bos, eos } = vocabulary;
  const rules = vocabulary.rules && fingerprintOfRules(vocabulary.rules);
  const format = "headrace-vocabulary/1";
  // The canonical JSON of these fields, their names in order; written in one go, since it is half a megabyte and every worker needs it.
  return sha256(
    JSON.stringify({
      bos,
      dummyPrefix,
      eos,
      format,
      pieces,
      ranks: [...ranks],
      rules,
      types: [...types],
      unknown,
    }),
  );
}

function fingerprintOfRules({ charsMap, removeExtraSpaces }: TextRules): object {
  const map = charsMap && sha256(Buffer.concat([wordsOf(charsMap.units), charsMap.replacements]));
  return { charsMap: map ?? null, removeExtraSpaces };
}

/** Words as bytes, the low one first on every machine. */
function wordsOf(words: Uint32Array): Buffer {
  const bytes = Buffer.alloc(4 * words.length);
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, 4 * i);
  return bytes;
}
