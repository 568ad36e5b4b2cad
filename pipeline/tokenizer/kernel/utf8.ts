/**
 * Code points in valid UTF-8, read in place.
 */

/** Bytes of the sequence that starts with this byte, 1 to 4. */
// @ts-ignore: decorator
@inline
export function sequenceLength(first: u32): u32 {
  return 1 + u32(first >= 0xc0) + u32(first >= 0xe0) + u32(first >= 0xf0);
}

/** The code point whose sequence starts at `at`. */
export function codePointAt(at: usize): u32 {
  const a = <u32>load<u8>(at);
  if (a < 0x80) return a;
  const b = <u32>load<u8>(at, 1) & 63;
  if (a < 0xe0) return ((a & 31) << 6) | b;
  const c = <u32>load<u8>(at, 2) & 63;
  if (a < 0xf0) return ((a & 15) << 12) | (b << 6) | c;
  return ((a & 7) << 18) | (b << 12) | (c << 6) | (<u32>load<u8>(at, 3) & 63);
}

/** The code point whose sequence ends just before `at`. */
export function codePointBefore(at: usize): u32 {
  let start = at - 1;
  for (let i = 0; i < 3 && (load<u8>(start) & 0xc0) == 0x80; i++) start--;
  return codePointAt(start);
}
