/**
 * Code points in valid UTF-8, read in place.
 */

/** Bytes of the code point that starts with this byte, 1 to 4. */
// @ts-ignore: decorator
@inline
export function sizeOf(first: u32): usize {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** The code point that starts at `at`. */
export function codeAt(at: usize): u32 {
  const a = <u32>load<u8>(at);
  if (a < 0x80) return a;
  const b = <u32>load<u8>(at, 1) & 63;
  if (a < 0xe0) return ((a & 31) << 6) | b;
  const c = <u32>load<u8>(at, 2) & 63;
  if (a < 0xf0) return ((a & 15) << 12) | (b << 6) | c;
  return ((a & 7) << 18) | (b << 12) | (c << 6) | (<u32>load<u8>(at, 3) & 63);
}
