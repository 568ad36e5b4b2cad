/**
 * Reads SentencePiece's `tokenizer.model`, a protobuf message (sentencepiece_model.proto), as far as BPE needs it.
 * What would change ids or text and is not supported (unigram, word, unused pieces, a denormaliser, …) is refused by name.
 */
import { HeadraceError } from "../../core/errors.ts";
import { charsMapOf } from "./chars-map.ts";
import {
  checkVocabulary,
  PIECE_TYPE,
  pieceSet,
  ranksFromScores,
  type Vocabulary,
  WAY_OUT,
} from "./vocabulary.ts";

const MODEL_TYPES = ["", "unigram", "BPE", "word", "char"];
const TYPE_NAMES = ["", "normal", "unknown", "control", "user-defined", "unused", "byte"];

/** The vocabulary in the bytes of a `tokenizer.model`. `subject` names the file in errors. Throws ERR_TOKENIZER. */
export function parseSentencePieceModel(bytes: Uint8Array, subject: string): Vocabulary {
  const refuse = (why: string): never => {
    throw new HeadraceError("ERR_TOKENIZER", `${subject} ${why}, which is not supported; ${WAY_OUT}`);
  };
  const pieces: string[] = [];
  const scores: number[] = [];
  const types: number[] = [];
  let trainer: Fields = new Map();
  let normalizer: Fields = new Map();
  let denormalizer: Fields = new Map();
  try {
    for (const [field, value] of fields(bytes)) {
      if (field === 1 && value instanceof Uint8Array) {
        const piece = last(fields(value));
        pieces.push(utf8(piece.get(1)));
        scores.push(float(piece.get(2)));
        types.push(number(piece.get(3), PIECE_TYPE.normal));
      } else if (field === 2 && value instanceof Uint8Array) trainer = last(fields(value));
      else if (field === 3 && value instanceof Uint8Array) normalizer = last(fields(value));
      else if (field === 5 && value instanceof Uint8Array) denormalizer = last(fields(value));
    }
  } catch (cause) {
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `${subject} is no SentencePiece model: ${(cause as Error).message}`,
      { cause },
    );
  }
  if (pieces.length === 0)
    throw new HeadraceError("ERR_TOKENIZER", `${subject} is no SentencePiece model: it holds no pieces`);

  const modelType = number(trainer.get(3), 1);
  if (modelType !== 2) refuse(`is a ${MODEL_TYPES[modelType] ?? `type ${modelType}`} model`);
  if (number(trainer.get(24), 0) !== 0)
    refuse("puts the space mark behind words (treat_whitespace_as_suffix)");
  if (length(denormalizer.get(2)) > 0) refuse("changes text when it decodes (denormalizer_spec)");
  if (number(normalizer.get(5), 1) !== 1) refuse("does not mark spaces (escape_whitespaces is off)");
  const strange = types.findIndex((type) => !(Object.values(PIECE_TYPE) as number[]).includes(type));
  if (strange >= 0)
    refuse(
      `has ${TYPE_NAMES[types[strange]!] ?? `type ${types[strange]}`} piece ${JSON.stringify(pieces[strange])}`,
    );

  if ((number(trainer.get(35), 0) === 1) !== types.includes(PIECE_TYPE.byte))
    refuse("has byte pieces without byte_fallback, or byte_fallback without byte pieces");

  const map = normalizer.get(2);
  const charsMap = map instanceof Uint8Array && map.length > 0 ? charsMapOf(map, subject) : undefined;
  const removeExtraSpaces = number(normalizer.get(4), 1) === 1;
  const control = (field: number, fallback: number): number | null => {
    const id = number(trainer.get(field), fallback) | 0; // -1 is stored as 2^64 - 1
    return types[id] === PIECE_TYPE.control ? id : null;
  };
  const set = pieceSet(pieces, Uint8Array.from(types), subject);
  return checkVocabulary(
    {
      ...set,
      ranks: ranksFromScores(set, scores),
      dummyPrefix: number(normalizer.get(3), 1) === 1,
      ...(charsMap !== undefined || removeExtraSpaces ? { rules: { charsMap, removeExtraSpaces } } : {}),
      unknown: types.indexOf(PIECE_TYPE.unknown),
      bos: control(41, 1),
      eos: control(42, 2),
    },
    subject,
  );
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Value = number | Uint8Array;
type Fields = ReadonlyMap<number, Value>;

/** The fields of one protobuf message in order: varints as numbers (low 32 bits), everything else as its bytes. */
function* fields(bytes: Uint8Array): Generator<readonly [field: number, value: Value]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63) throw new Error(`a number is cut or too long at byte ${at}`);
      if (shift < 32) value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
  };
  const take = (size: number): Uint8Array => {
    if (at + size > bytes.length) throw new Error(`a field of ${size} bytes passes the end at byte ${at}`);
    at += size;
    return bytes.subarray(at - size, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag & 7;
    if (wire === 0) yield [tag >>> 3, varint()];
    else if (wire === 1) yield [tag >>> 3, take(8)];
    else if (wire === 2) yield [tag >>> 3, take(varint())];
    else if (wire === 5) yield [tag >>> 3, take(4)];
    else throw new Error(`wire type ${wire} at byte ${at}`);
  }
}

/** Protobuf's rule: of a field that is given several times the last one counts. */
function last(entries: Iterable<readonly [number, Value]>): Fields {
  return new Map(entries);
}

function number(value: Value | undefined, fallback: number): number {
  return typeof value === "number" ? value : fallback;
}

function length(value: Value | undefined): number {
  return value instanceof Uint8Array ? value.length : 0;
}

function float(value: Value | undefined): number {
  return value instanceof Uint8Array && value.length === 4
    ? new DataView(value.buffer, value.byteOffset, 4).getFloat32(0, true)
    : 0;
}

function utf8(value: Value | undefined): string {
  return value instanceof Uint8Array ? decoder.decode(value) : "";
}
