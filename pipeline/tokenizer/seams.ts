/**
 * Where a text can be cut without changing its ids. Two adjacent code points are joinable if some piece holds them side by side;
 * a merge makes a piece, so no merge crosses a pair that is not joinable, and what lies between two such seams encodes by itself.
 */
import { SPACE_MARK, type Vocabulary } from "./vocabulary.ts";

/** Code points of a vocabulary and which of them are joinable. A space stands for U+2581 in both look-ups. */
export interface Seams {
  /** By code point, up to the largest that is a piece: its id, or -1. */
  readonly characters: Int32Array;
  /** At `(left << 8) | byte` for an ASCII code point and the byte behind it: 1 joinable, 0 not, NOT_ASCII if the byte does not tell. */
  readonly ascii: Uint8Array;
  /** Joinable pairs: an open-addressed set of (left, right) code points, -1 in a free slot. */
  readonly pairs: Int32Array;
}

/** In `Seams.ascii`: the byte starts, continues or ends no ASCII code point. */
export const NOT_ASCII = 2;

/** The seams of a vocabulary. Deterministic. */
export function seamsOf({ ids }: Vocabulary): Seams {
  let largest = 127;
  const found = new Set<number>();
  // Most pairs are of ASCII; a matrix takes them faster than the set, which every worker would wait for.
  const seen = new Uint8Array(128 * 128);
  for (const piece of ids.keys()) {
    let previous = -1;
    for (let i = 0; i < piece.length; i++) {
      const point = piece.codePointAt(i)!;
      if (point > 0xffff) i++;
      if (point > largest) largest = point;
      if (previous >= 0) {
        if (previous < 128 && point < 128) seen[(previous << 7) | point] = 1;
        else found.add(previous * 2 ** 21 + point);
      }
      previous = point;
    }
  }
  for (let pair = 0; pair < seen.length; pair++)
    if (seen[pair] === 1) found.add((pair >> 7) * 2 ** 21 + (pair & 127));
  const characters = new Int32Array(largest + 1).fill(-1);
  for (const [piece, id] of ids) {
    const point = piece.codePointAt(0)!;
    if (String.fromCodePoint(point) === piece) characters[point] = id;
  }
  characters[0x20] = ids.get(SPACE_MARK)!;

  let size = 16;
  while (size < 4 * found.size) size *= 2;
  const pairs = new Int32Array(2 * size).fill(-1);
  const ascii = new Uint8Array(128 * 256);
  for (let left = 0; left < 128; left++) ascii.fill(NOT_ASCII, left * 256 + 128, left * 256 + 256);
  for (const pair of found) {
    const left = Math.floor(pair / 2 ** 21);
    const right = pair % 2 ** 21;
    let slot = seamSlot(left, right, pairs.length);
    while (pairs[slot]! >= 0) slot = (slot + 2) & (pairs.length - 1);
    pairs[slot] = left;
    pairs[slot + 1] = right;
    const l = left === 0x2581 ? 0x20 : left;
    const r = right === 0x2581 ? 0x20 : right;
    if (l < 128 && r < 128) ascii[(l << 8) | r] = 1;
  }
  return { characters, ascii, pairs };
}

/** Whether some piece holds the two code points side by side. */
export function joinable(seams: Seams, left: number, right: number): boolean {
  if (left < 128 && right < 128) return seams.ascii[(left << 8) | right] === 1;
  const { pairs } = seams;
  const l = left === 0x20 ? 0x2581 : left;
  const r = right === 0x20 ? 0x2581 : right;
  let slot = seamSlot(l, r, pairs.length);
  for (;;) {
    const seen = pairs[slot]!;
    if (seen < 0) return false;
    if (seen === l && pairs[slot + 1] === r) return true;
    slot = (slot + 2) & (pairs.length - 1);
  }
}

function seamSlot(left: number, right: number, length: number): number {
  const h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return ((h ^ (h >>> 15)) << 1) & (length - 1);
}
