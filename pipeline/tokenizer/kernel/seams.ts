/**
 * Where a text can be cut: between two code points that no piece holds side by side. A bit for each byte, 64 at a time, so that the
 * loop that follows runs from cut to cut without a branch for every byte.
 */
import { asciiSeams, pairMask, pairs } from "./tables";
import { codePointAt, codePointBefore } from "./utf8";

const HIGH_BITS: u64 = 0x8080808080808080;

/** Bit i is set where a chunk starts at `from + i`, for the 64 bytes from there on; reads from one byte before to the end of the eighth that holds `end`. */
// @ts-ignore: decorator
@inline
export function seamsOf(from: usize, end: usize): u64 {
  let bits: u64 = 0;
  for (let shift: u32 = 0; shift < 64; shift += 8) {
    const at = from + shift;
    if (at >= end) break;
    bits |= ((load<u64>(at) | load<u64>(at - 1)) & HIGH_BITS) == 0 ? ascii(at) << shift : mixed(at, end) << shift;
  }
  return bits;
}

// @ts-ignore: decorator
@inline
function ascii(at: usize): u64 {
  const table = asciiSeams;
  return (
    load<u8>(table + load<u16>(at - 1)) |
    (<u64>load<u8>(table + load<u16>(at)) << 1) |
    (<u64>load<u8>(table + load<u16>(at, 1)) << 2) |
    (<u64>load<u8>(table + load<u16>(at, 2)) << 3) |
    (<u64>load<u8>(table + load<u16>(at, 3)) << 4) |
    (<u64>load<u8>(table + load<u16>(at, 4)) << 5) |
    (<u64>load<u8>(table + load<u16>(at, 5)) << 6) |
    (<u64>load<u8>(table + load<u16>(at, 6)) << 7)
  );
}

/** The same for eight bytes that are not all ASCII. */
function mixed(from: usize, end: usize): u64 {
  let bits: u64 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const at = from + i;
    if (at >= end) break;
    const pair = <u32>load<u16>(at - 1);
    if ((pair & 0x8080) == 0) bits |= <u64>load<u8>(asciiSeams + pair) << i;
    else if ((pair & 0xc000) != 0x8000) bits |= <u64>!joinable(codePointBefore(at), codePointAt(at)) << i;
  }
  return bits;
}

/** Whether some piece holds the two code points, not both ASCII, side by side; a space stands for U+2581. */
function joinable(left: u32, right: u32): bool {
  if (left == 0x20) left = 0x2581;
  if (right == 0x20) right = 0x2581;
  const key = <u64>left | (<u64>right << 32);
  let slot = pairHash(left, right) & pairMask;
  while (true) {
    const seen = load<u64>(pairs + (slot << 3));
    if (seen == key) return true;
    if (<i32>seen < 0) return false;
    slot = (slot + 1) & pairMask;
  }
}

/** The hash of seams.ts and merge-table.ts. */
// @ts-ignore: decorator
@inline
export function pairHash(left: u32, right: u32): u32 {
  const hash = (left * 0x9e3779b1) ^ (right * 0x85ebca6b);
  return hash ^ (hash >> 15);
}
