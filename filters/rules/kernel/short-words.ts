/**
 * Words of up to seven bytes that the host lists: abbreviations, units, stop words.
 */
import { ALPHANUMERIC, KIND, LETTER } from "./sign-kinds";
import { abbreviations } from "./memory";
import { signAt } from "./signs";
import { sizeOf } from "./utf8";

/** Of abbreviations without full stops inside, in bytes; of those that begin with a small letter. */
const LONGEST: usize = 6;
const LONGEST_SMALL: usize = 3;
const FULL_STOP: u32 = 0x2e;

/** A word of up to seven bytes as one of 64 bits: the bytes, and in the highest one how many. */
// @ts-ignore: decorator
@inline
export function packed(start: usize, size: usize): u64 {
  return (load<u64>(start) & ((<u64>1 << (8 * <u64>size)) - 1)) | (<u64>size << 56);
}

/** Whether a packed word is in a list. */
export function isListed(list: usize, word: u64): bool {
  let at = list;
  let one = load<u64>(at);
  while (one != 0 && one != word) {
    at += 8;
    one = load<u64>(at);
  }
  return one != 0;
}

/** Whether behind the word [start, end), without its stop, a full stop ends no sentence. */
export function isAbbreviation(start: usize, end: usize): bool {
  const size = end - start;
  if (size == 0) return false;
  const first = <u32>load<u8>(start);
  if (size == sizeOf(first)) return (signAt(start) & (KIND | ALPHANUMERIC)) == (LETTER | ALPHANUMERIC);
  const capital = isCapital(first);
  if (capital && load<u8>(start, 1) == FULL_STOP) {
    if (areInitials(start, end)) return true;
  }
  return size <= (capital ? LONGEST : LONGEST_SMALL) && isListed(abbreviations, packed(start, size));
}

/** Whether a stretch is of ASCII capitals with a full stop between each two. */
function areInitials(start: usize, end: usize): bool {
  if (((end - start) & 1) == 0) return false;
  for (let at = start; at < end; at++) {
    const byte = <u32>load<u8>(at);
    if (((at - start) & 1) == 0 ? !isCapital(byte) : byte != FULL_STOP) return false;
  }
  return true;
}

// @ts-ignore: decorator
@inline
function isCapital(byte: u32): bool {
  return byte - 0x41 < 26;
}
