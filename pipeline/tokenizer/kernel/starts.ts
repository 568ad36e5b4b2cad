/**
 * Where chunks of ASCII text start, by the patterns of pre-tokenizer.ts, for 64 bytes at a time: a word of bits for each class of characters
 * and, from what stands in front and behind, the bits of the starts. What is not ASCII, and what only more text can decide, is left out.
 */
import { contractionEnd, GPT_2, O200K, QWEN_2 } from "./pre-tokenizer";

/** Fewer ASCII characters than this are not worth a word of bits. */
const WORTHWHILE: u32 = 8;

/** The bytes that are of each class. Bytes that are not ASCII, or behind the end, are of none. */
let letters: u64 = 0;
let digits: u64 = 0;
let white: u64 = 0;
let spaces: u64 = 0;
let signs: u64 = 0;

/**
 * Bit i is set where a chunk starts at `from + i`, i > 0; one must start at `from`. Behind the last start that is set there may be more
 * within the 64 bytes, but none is left out before it. 0 where nothing can be said. Reads 64 bytes.
 */
export function startsOf(step: u32, from: usize, end: usize): u64 {
  const a = v128.load(from);
  const b = v128.load(from, 16);
  const c = v128.load(from, 32);
  const d = v128.load(from, 48);
  const others = bits(a, b, c, d);
  const known = min<u32>(others == 0 ? 64 : <u32>ctz(others), <u32>min<usize>(end - from, 64));
  if (known < WORTHWHILE) return 0;
  const inside = <u64>-1 >> (64 - known);
  letters = inside & bits(isLetter(a), isLetter(b), isLetter(c), isLetter(d));
  digits = inside & bits(isDigit(a), isDigit(b), isDigit(c), isDigit(d));
  spaces = inside & bits(is(a, 0x20), is(b, 0x20), is(c, 0x20), is(d, 0x20));
  white = spaces | (inside & bits(isTab(a), isTab(b), isTab(c), isTab(d)));
  signs = inside & ~(letters | digits | white);
  const apostrophes = signs & bits(is(a, 0x27), is(b, 0x27), is(c, 0x27), is(d, 0x27));
  // A character behind which something is known that is no white space.
  const last = (inside & ~white) >> 1;
  if (step == GPT_2) return contracted(gpt2(last), apostrophes, from, known, false);

  const lineEnds = white & bits(isLineEnd(a), isLineEnd(b), isLineEnd(c), isLineEnd(d));
  const cased = step == O200K;
  const slashes = cased ? signs & bits(is(a, 0x2f), is(b, 0x2f), is(c, 0x2f), is(d, 0x2f)) : 0;
  const taken = lineEndsOfSigns(lineEnds, slashes);
  const signStarts = signs & ~taken & ~(spaces << 1) & ~((signs & ~taken) << 1);
  let letterStarts = letters & ~(letters << 1) & ((digits | lineEnds | (signs & ~signStarts)) << 1);
  if (cased) {
    const upper = letters & bits(isUpper(a), isUpper(b), isUpper(c), isUpper(d));
    letterStarts |= upper & ((letters & ~upper) << 1);
  }
  const starts =
    signStarts | letterStarts | digitStarts(step == QWEN_2) | whiteStarts(white & ~taken, lineEnds, last, known);
  return cased
    ? withContractions(starts, apostrophes, from, known)
    : contracted(starts, apostrophes, from, known, true);
}

/** A run of one kind, with the space in front of it; of white space all but the last, and the last. */
function gpt2(last: u64): u64 {
  const same = (letters & (letters << 1)) | (digits & (digits << 1)) | (signs & (signs << 1));
  return (~white & ~same & ~(spaces << 1)) | (white & (~(white << 1) | last));
}

/** Line ends, and slashes among them where they count, that belong to the signs in front of them. */
// @ts-ignore: decorator
@inline
function lineEndsOfSigns(lineEnds: u64, slashes: u64): u64 {
  let taken = lineEnds & (signs << 1);
  for (let more = taken; more != 0; taken |= more) more = (taken << 1) & (lineEnds | slashes) & ~taken;
  return taken;
}

/** Numbers of one digit, or of three and what is left. */
// @ts-ignore: decorator
@inline
function digitStarts(single: bool): u64 {
  if (single) return digits;
  let starts = digits & ~(digits << 1);
  for (let more = starts; more != 0; starts |= more) more = (more << 3) & digits & (digits << 1) & (digits << 2);
  return starts;
}

/** Of the white space that no signs have taken: to the last line end of a run, then all but the last, then the last. */
// @ts-ignore: decorator
@inline
function whiteStarts(free: u64, lineEnds: u64, last: u64, known: u32): u64 {
  const blanks = free & ~lineEnds;
  let starts = (free & ~(free << 1)) | (blanks & (blanks << 1) & last);
  // Blanks behind a line end: a start unless another line end follows them.
  for (let behind = blanks & ((free & lineEnds) << 1); behind != 0; behind &= behind - 1) {
    const at = <u32>ctz(behind);
    const end = at + <u32>ctz(~(blanks >> at));
    if (end < known && ((lineEnds >> end) & 1) == 0) starts |= (<u64>1) << at;
  }
  return starts;
}

/** Starts of GPT-2, LLaMA-3 and Qwen-2 with a contraction cut out where a chunk would start at its apostrophe. */
function contracted(starts: u64, apostrophes: u64, from: usize, known: u32, ignoreCase: bool): u64 {
  let cut = (starts | 1) & (<u64>-1 >> (64 - known));
  for (let left = cut & apostrophes; left != 0; left &= left - 1) {
    const at = <u32>ctz(left);
    if (at + 2 >= known) return cut & ((<u64>2 << at) - 1) & ~1;
    const length = <u32>(contractionEnd(from + at, from + known, ignoreCase) - from) - at;
    if (length > 0) cut = (cut & ~((((<u64>1) << length) - 2) << at)) | ((<u64>1) << (at + length));
  }
  return cut & ~1;
}

/** Starts of o200k with a contraction left to the word in front of it. */
function withContractions(starts: u64, apostrophes: u64, from: usize, known: u32): u64 {
  let joined = starts & (<u64>-1 >> (64 - known));
  let start: u32 = 0;
  for (let left = apostrophes & (letters << 1); left != 0; left &= left - 1) {
    const at = <u32>ctz(left);
    if (at == start) continue;
    if (at + 2 >= known) return joined & (((<u64>1) << at) - 1) & ~1;
    const length = <u32>(contractionEnd(from + at, from + known, true) - from) - at;
    if (length == 0) continue;
    start = at + length;
    joined = (joined & ~((((<u64>1) << length) - 1) << at)) | ((<u64>1) << start);
  }
  return joined & ~1;
}

/** The high bits of 64 bytes. */
// @ts-ignore: decorator
@inline
function bits(a: v128, b: v128, c: v128, d: v128): u64 {
  return (
    <u64>(<u32>i8x16.bitmask(a) | (<u32>i8x16.bitmask(b) << 16)) |
    (<u64>(<u32>i8x16.bitmask(c) | (<u32>i8x16.bitmask(d) << 16)) << 32)
  );
}

// @ts-ignore: decorator
@inline
function is(bytes: v128, byte: u8): v128 {
  return i8x16.eq(bytes, i8x16.splat(byte));
}

/** Bytes from `first` on, `count` of them. */
// @ts-ignore: decorator
@inline
function isOf(bytes: v128, first: u8, count: u8): v128 {
  return i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(first)), i8x16.splat(count));
}

// @ts-ignore: decorator
@inline
function isLetter(bytes: v128): v128 {
  return isOf(v128.or(bytes, i8x16.splat(0x20)), 0x61, 26);
}

// @ts-ignore: decorator
@inline
function isUpper(bytes: v128): v128 {
  return isOf(bytes, 0x41, 26);
}

// @ts-ignore: decorator
@inline
function isDigit(bytes: v128): v128 {
  return isOf(bytes, 0x30, 10);
}

/** White space but for the space: tab to carriage return. */
// @ts-ignore: decorator
@inline
function isTab(bytes: v128): v128 {
  return isOf(bytes, 0x09, 5);
}

// @ts-ignore: decorator
@inline
function isLineEnd(bytes: v128): v128 {
  return v128.or(is(bytes, 0x0a), is(bytes, 0x0d));
}
