/**
 * Where byte-level BPE cuts a text: the published patterns as scanners over UTF-8, those of ../pre-tokenizer.ts, its checking twin, to the letter.
 * Each takes where a piece starts and where the text, or the piece of the step before, ends, and returns where the piece ends.
 */
import { classBlocks, classes, stepCount, steps } from "./tables";
import { codePointAt, sequenceLength } from "./utf8";

/** The steps, by the numbers that the host knows them by; digits in runs are the last one. */
export const GPT_2: u32 = 0;
const LLAMA_3: u32 = 1;
export const QWEN_2: u32 = 2;
export const O200K: u32 = 3;
const DIGITS: u32 = 4;

/** Bits of a code point's class (../unicode.ts). */
const LETTER: u32 = 1;
const NUMBER: u32 = 2;
const WHITE: u32 = 4;
const NUMERIC: u32 = 8;
const UPPER: u32 = 16;
const LOWER: u32 = 32;
const OTHER: u32 = 64;
const KINDS: u32 = LETTER | NUMBER | OTHER;

const APOSTROPHE: u32 = 0x27;
const SPACE: u32 = 0x20;
const SLASH: u32 = 0x2f;

/** Steps at most; the host keeps a vocabulary with more for itself. */
const MOST_STEPS: i32 = 8;

/** Where the piece that each step is in ends. */
// @ts-ignore: decorator
@lazy const pieceEnds = memory.data(4 * MOST_STEPS, 16);

/** Forgets the pieces of the text before. */
export function startText(): void {
  memory.fill(pieceEnds, 0, 4 * MOST_STEPS);
}

/** Where the chunk that starts at `from` ends: every step cuts the pieces of the one before it. */
export function chunkEnd(from: usize, end: usize): usize {
  let to = end;
  for (let i: u32 = 0; i < stepCount; i++) {
    const at = pieceEnds + (i << 2);
    if (load<u32>(at) <= <u32>from) store<u32>(at, <u32>scan(load<u8>(steps + i), from, to));
    to = load<u32>(at);
  }
  return to;
}

function scan(step: u32, from: usize, end: usize): usize {
  switch (step) {
    case GPT_2:
      return gpt2(from, end);
    case LLAMA_3:
      return words(from, end, 3);
    case QWEN_2:
      return words(from, end, 1);
    case O200K:
      return o200k(from, end);
    case DIGITS:
      return digits(from, end, 1);
    default:
      return digits(from, end, 0x7fffffff);
  }
}

/** The class of the code point at `at`; the first block of the table is that of ASCII. */
// @ts-ignore: decorator
@inline
function classAt(at: usize): u32 {
  const byte = <u32>load<u8>(at);
  return byte < 0x80 ? load<u8>(classes + byte) : classOf(codePointAt(at));
}

function classOf(point: u32): u32 {
  return load<u8>(classes + (<usize>load<u8>(classBlocks + (point >> 8)) << 8) + (point & 255));
}

function gpt2(from: usize, end: usize): usize {
  const first = <u32>load<u8>(from);
  if (first == APOSTROPHE) {
    const to = contractionEnd(from, end, false);
    if (to > from) return to;
  }
  let at = from;
  let kind = classAt(at);
  if (first == SPACE && from + 1 < end) {
    const next = classAt(from + 1);
    if ((next & WHITE) == 0) {
      kind = next;
      at++;
    }
  }
  return (kind & WHITE) == 0 ? runEnd(at, end, kind & KINDS) : spaceEnd(from, end, false);
}

/** LLaMA-3's pattern, and Qwen-2's with its numbers of one digit. */
function words(from: usize, end: usize, maxDigits: u32): usize {
  if (<u32>load<u8>(from) == APOSTROPHE) {
    const to = contractionEnd(from, end, true);
    if (to > from) return to;
  }
  const word = lettersAfterSign(from, end);
  return word > from ? word : noWord(from, end, maxDigits, false);
}

function o200k(from: usize, end: usize): usize {
  const word = casedWord(from, end);
  return word > from ? contractionEnd(word, end, true) : noWord(from, end, 3, true);
}

/** What LLaMA-3, Qwen-2 and o200k share: numbers of at most `maxDigits`, signs with line ends behind, white space. */
function noWord(from: usize, end: usize, maxDigits: u32, slashes: bool): usize {
  const kind = classAt(from);
  if ((kind & NUMBER) != 0) {
    let to = from;
    for (let count: u32 = 0; count < maxDigits && to < end && (classAt(to) & NUMBER) != 0; count++)
      to += sequenceLength(load<u8>(to));
    return to;
  }
  const at = <u32>load<u8>(from) == SPACE && from + 1 < end ? from + 1 : from;
  if ((classAt(at) & OTHER) != 0) {
    let to = runEnd(at, end, OTHER);
    while (to < end && (isLineEnd(load<u8>(to)) || (slashes && <u32>load<u8>(to) == SLASH))) to++;
    return to;
  }
  return spaceEnd(from, end, true);
}

/** `[^\r\n\p{L}\p{N}]?\p{L}+`, or `from` where it does not match. */
function lettersAfterSign(from: usize, end: usize): usize {
  const kind = classAt(from);
  if ((kind & LETTER) != 0) return runEnd(from, end, LETTER);
  const first = <u32>load<u8>(from);
  if ((kind & NUMBER) != 0 || isLineEnd(first)) return from;
  const at = from + sequenceLength(first);
  const to = runEnd(at, end, LETTER);
  return to > at ? to : from;
}

/** The first two alternatives of o200k without their contractions, or `from` where neither matches. */
function casedWord(from: usize, end: usize): usize {
  const first = <u32>load<u8>(from);
  const sign = (classAt(from) & (LETTER | NUMBER)) == 0 && !isLineEnd(first);
  const at = sign ? from + sequenceLength(first) : from;
  const lower = lowerEnding(at, end);
  if (lower > 0) return lower;
  const bare: usize = sign ? lowerEnding(from, end) : 0;
  if (bare > 0) return bare;
  const upper = runEnd(at, end, UPPER);
  return upper > at ? upper : from;
}

/** `U*L+`, or 0: when no L follows, what was taken as U is given back down to the last code point that is an L too. */
function lowerEnding(from: usize, end: usize): usize {
  let at = from;
  let both: usize = 0;
  while (at < end) {
    const kind = classAt(at);
    if ((kind & UPPER) == 0) break;
    at += sequenceLength(load<u8>(at));
    if ((kind & LOWER) != 0) both = at;
  }
  const to = runEnd(at, end, LOWER);
  return to > at ? to : both;
}

/** Numbers in pieces of at most `most` code points, and what is between them. */
function digits(from: usize, end: usize, most: u32): usize {
  const numeric = classAt(from) & NUMERIC;
  let to = from;
  for (let count: u32 = 0; to < end && (numeric == 0 || count < most); count++) {
    if ((classAt(to) & NUMERIC) != numeric) break;
    to += sequenceLength(load<u8>(to));
  }
  return to;
}

/** The end of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at `from`, or `from`; ignoring case takes U+017F for an s. */
export function contractionEnd(from: usize, end: usize, ignoreCase: bool): usize {
  if (from + 1 >= end || <u32>load<u8>(from) != APOSTROPHE) return from;
  const fold: u32 = ignoreCase ? 0x20 : 0;
  const first = <u32>load<u8>(from, 1);
  switch (first | fold) {
    case 0x73: // s
    case 0x74: // t
    case 0x6d: // m
    case 0x64: // d
      return from + 2;
    case 0x72: // r
    case 0x76: // v
      return from + 2 < end && (load<u8>(from, 2) | fold) == 0x65 ? from + 3 : from;
    case 0x6c: // l
      return from + 2 < end && (load<u8>(from, 2) | fold) == 0x6c ? from + 3 : from;
    default:
      return ignoreCase && first == 0xc5 && load<u8>(from, 2) == 0xbf ? from + 3 : from;
  }
}

/** The end of the run of code points from `at` on that have a bit of `mask`. */
// @ts-ignore: decorator
@inline
function runEnd(at: usize, end: usize, mask: u32): usize {
  let to = at;
  while (to < end && (classAt(to) & mask) != 0) to += sequenceLength(load<u8>(to));
  return to;
}

/** `\s*[\r\n]+` where asked for, then `\s+(?!\S)`, then `\s+`: a run of white space leaves its last one to the word behind it. */
function spaceEnd(from: usize, end: usize, toLineEnd: bool): usize {
  let to = from;
  let last = from;
  let line = from;
  while (to < end && (classAt(to) & WHITE) != 0) {
    last = to;
    to += sequenceLength(load<u8>(to));
    if (isLineEnd(load<u8>(last))) line = to;
  }
  if (toLineEnd && line > from) return line;
  return to == end || last == from ? to : last;
}

// @ts-ignore: decorator
@inline
function isLineEnd(byte: u32): bool {
  return byte == 0x0a || byte == 0x0d;
}
