/**
 * Code points in valid UTF-8, read in place.
 */

/** Bytes of the sequence that starts with this byte, 1 to 4. */
export function sequenceLength(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** The code point whose sequence starts at `at`. */
export function codePointAt(bytes: Uint8Array, at: number): number {
  const a = bytes[at]!;
  if (a < 0x80) return a;
  const b = bytes[at + 1]! & 63;
  if (a < 0xe0) return ((a & 31) << 6) | b;
  const c = bytes[at + 2]! & 63;
  if (a < 0xf0) return ((a & 15) << 12) | (b << 6) | c;
  return ((a & 7) << 18) | (b << 12) | (c << 6) | (bytes[at + 3]! & 63);
}
