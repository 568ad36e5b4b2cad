/**
 * Tiny SentencePiece models for tests, as the bytes of a `tokenizer.model`: any pieces, scores and settings, byte fallback included.
 */
import { bytePiece, PIECE_TYPE } from "../../../pipeline/tokenizer/vocabulary.ts";

export interface ModelSettings {
  /** trainer_spec fields by number: varints. Default 3 = 2 (BPE) and 35 = 1 (byte fallback). */
  readonly trainer?: Readonly<Record<number, number>>;
  /** normalizer_spec fields by number: varints, or bytes as a string. Default 3 = 1 (dummy prefix), 4 = 0 (white space kept). */
  readonly normalizer?: Readonly<Record<number, number | string>>;
  /** Leave the 256 byte pieces out. */
  readonly withoutBytes?: boolean;
}

/** `<unk>` 0, `<s>` 1, `</s>` 2, the bytes 3 to 258, then the given pieces from 259 on. */
export function modelOf(
  pieces: readonly (readonly [piece: string, score: number, type?: number])[],
  settings: ModelSettings = {},
): Uint8Array {
  const bytes = settings.withoutBytes ? [] : Array.from({ length: 256 }, (_, byte) => bytePiece(byte));
  const all: readonly (readonly [string, number, number?])[] = [
    ["<unk>", 0, PIECE_TYPE.unknown],
    ["<s>", 0, PIECE_TYPE.control],
    ["</s>", 0, PIECE_TYPE.control],
    ...bytes.map((piece) => [piece, 0, PIECE_TYPE.byte] as const),
    ...pieces,
  ];
  const trainer = { 3: 2, 35: 1, ...settings.trainer };
  const normalizer = { 3: 1, 4: 0, ...settings.normalizer };
  return Buffer.concat([
    ...all.map(([piece, score, type]) =>
      delimited(
        1,
        Buffer.concat([
          delimited(1, Buffer.from(piece)),
          fixed32(2, score),
          varintField(3, type ?? PIECE_TYPE.normal),
        ]),
      ),
    ),
    delimited(2, message(trainer)),
    delimited(3, message(normalizer)),
  ]);
}

function message(fields: Readonly<Record<number, number | string>>): Buffer {
  return Buffer.concat(
    Object.entries(fields).map(([field, value]) =>
      typeof value === "string"
        ? delimited(Number(field), Buffer.from(value))
        : varintField(Number(field), value),
    ),
  );
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

function varintField(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

function delimited(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

function fixed32(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint(field * 8 + 5), bytes]);
}
