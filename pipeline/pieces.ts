/**
 * What comes out of a stored file, in order: decompressed bytes, and stretches that could not be decompressed.
 * Every stored byte is accounted for once: the `stored` counts and the damaged ranges add up to the length of the file.
 */

const NOTHING = Buffer.alloc(0);

/** A stretch of stored bytes that could not be read or decoded. */
export interface Damage {
  /** [byteFrom, byteTo) of the stored bytes; empty where a file ends too soon. */
  readonly byteFrom: number;
  readonly byteTo: number;
  readonly reason: string;
}

/** A piece of a file. `stored` counts how many more stored bytes have been read to get here. */
export type Piece =
  | { readonly kind: "bytes"; readonly bytes: Buffer; readonly stored: number }
  | ({ readonly kind: "damage" } & Damage);

/** Decompressed bytes, and how many more stored bytes have been read to get there. */
export function bytesPiece(stored: number, bytes: Buffer = NOTHING): Piece {
  return { kind: "bytes", bytes, stored };
}

/** A stretch of stored bytes that could not be decoded. */
export function damagePiece(byteFrom: number, byteTo: number, reason: string): Piece {
  return { kind: "damage", byteFrom, byteTo, reason };
}
