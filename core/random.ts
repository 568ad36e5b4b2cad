/**
 * Stateless randomness: a key from names and numbers, a number from a key and an index. Nothing to seed, nothing to save.
 * The constants are part of the on-disk contract (docs/format.md, "Keys"); a change of any is a new algorithm version.
 */
import { createHash } from "node:crypto";

/** Eight 32-bit words of a key. */
export type Key = Uint32Array;

/**
 * The key of a purpose and its parts: SHA-256 of the UTF-8 of `parts` joined by U+0000, as eight little-endian 32-bit words.
 * Numbers are written in decimal.
 */
export function keyOf(...parts: readonly (string | number)[]): Key {
  const digest = createHash("sha256").update(parts.join("\u0000")).digest();
  return Uint32Array.from({ length: 8 }, (_, i) => digest.readUInt32LE(4 * i));
}

/** A bijection of 32-bit words (lowbias32, Ellis: shifts 16 15 16, factors 7feb352d 846ca68b). Returns an unsigned word. */
export function mix32(x: number): number {
  let h = x ^ (x >>> 16);
  h = Math.imul(h, 0x7feb352d);
  h ^= h >>> 15;
  h = Math.imul(h, 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The word of a key at an index: mix32(mix32(index + k[0]) ^ k[1]), sums modulo 2^32. */
export function wordAt(key: Key, index: number): number {
  return mix32((mix32((index + key[0]!) | 0) ^ key[1]!) | 0);
}

/** A whole number in [0, n) from words 6 and 7 of a key: ((k[6] >>> 11) * 2^32 + k[7]) mod n, exact for n < 2^53. */
export function offsetOf(key: Key, n: number): number {
  return ((key[6]! >>> 11) * 2 ** 32 + key[7]!) % n;
}
