/**
 * Sentences, brackets and placeholder text in the lines that C4's rules look at, as c4-quality.ts in the folder above finds them.
 */
import { ALPHANUMERIC, SPACE } from "./sign-kinds";
import { PHRASE, phrases, results, scratch, toKind } from "./memory";
import { beginLines, endsInDots, lineEnd, lineStart, nextLine, stripEnd, stripStart } from "./lines";
import { BRACKETS, PLACEHOLDERS, SENTENCES } from "./results";
import { isAbbreviation } from "./short-words";
import { codePoints, kindAt, signAt } from "./signs";
import { codeAt, sizeOf } from "./utf8";

/** In code points, which are no more than bytes. */
const LONGEST_WORD: usize = 1000;
const FEWEST_WORDS: u32 = 3;
const LONGEST_ABBREVIATION: usize = 12;
/** Bytes of a curly quote. */
const QUOTE_SIZE: usize = 3;
const FULL_STOP: u32 = 0x2e;
const BRACE: u32 = 0x7b;
const OPEN: u32 = 0x5b;
const CLOSE: u32 = 0x5d;
const KELVIN: u32 = 0x212a;
/** The letters at which phrases are looked for. */
const J: u32 = 0x6a;
const V: u32 = 0x76;
const K: u32 = 0x6b;
const M: u32 = 0x6d;
const F: u32 = 0x66;
/** The bit by which small letters differ from capitals. */
const SMALL: u32 = 0x20;
/** The host's phrases: one each at M, J, V and F, four at K. */
const PLACEHOLDER = 0;
const SCRIPT = 1;
const PRIVACY = 2;
const TERMS = 3;
const COOKIES = 4;
const ALL_PHRASES = 8;

let placeholders: u32 = 0;
let brackets: u32 = 0;
let sentences: u32 = 0;

/** Counts over the lines of the text that was read. */
export function readSentences(): void {
  placeholders = 0;
  brackets = 0;
  sentences = 0;
  beginLines();
  while (nextLine()) {
    const end = stripEnd(lineStart, lineEnd);
    // What ends in no mark still does so without its citations, unless its end is one.
    const last = <u32>load<u8>(end - 1);
    if (end == lineStart || !(isEnd(last) || last == CLOSE)) continue;
    const start = stripStart(lineStart, end);
    if (!hasWords(start, end)) continue;
    if (!addLine(start, end, true)) addLine(scratch, withoutCitations(start, end), false);
  }
  store<u32>(results, placeholders, 4 * PLACEHOLDERS);
  store<u32>(results, brackets, 4 * BRACKETS);
  store<u32>(results, sentences, 4 * SENTENCES);
}

/** Whether there are enough words between white space, and none that is too long. */
function hasWords(start: usize, end: usize): bool {
  if (hasLongWord(start, end)) return false;
  let words: u32 = 0;
  for (let at = start; at < end && words < FEWEST_WORDS; words++) {
    while (at < end && kindAt(at) != SPACE) at++;
    at = stripStart(at, end);
  }
  return words >= FEWEST_WORDS;
}

/** Looks from one white space for the last that a word of the greatest length may end at. */
function hasLongWord(start: usize, end: usize): bool {
  let from = start;
  while (end - from > LONGEST_WORD) {
    let at = from + LONGEST_WORD;
    while (at >= from && kindAt(at) != SPACE) at--;
    if (at >= from) {
      from = at + 1;
      continue;
    }
    at = from + LONGEST_WORD;
    while (at < end && kindAt(at) != SPACE) at++;
    if (<usize>codePoints(from, at) > LONGEST_WORD) return true;
    from = at;
  }
  return false;
}

/** Copies [start, end) and its kinds without its citations to the scratch memory; returns where the copy ends. */
function withoutCitations(start: usize, end: usize): usize {
  let out = scratch;
  for (let at = start; at < end; ) {
    const behind = load<u8>(at) == OPEN ? citationEnd(at, end) : at;
    if (behind > at) {
      at = behind;
      continue;
    }
    store<u8>(out, load<u8>(at));
    store<u8>(out + toKind, load<u8>(at + toKind));
    out++;
    at++;
  }
  return out;
}

/** Where the citation that begins at `start` ends (`[12]`, `[]`, `[edit]`, `[citation needed]`); `start` where none does. */
function citationEnd(start: usize, end: usize): usize {
  let at = start + 1;
  while (at < end && <u32>load<u8>(at) - 0x30 < 10) at++;
  if (at < end && load<u8>(at) == CLOSE) return at + 1;
  const left = end - start;
  // edit], citation needed]
  if (left >= 6 && load<u32>(start, 1) == 0x74696465 && load<u8>(start, 5) == CLOSE) return start + 6;
  if (left >= 17 && load<u64>(start, 1) == 0x6e6f697461746963 && load<u64>(start, 9) == 0x5d64656465656e20)
    return start + 17;
  return start;
}

/** Adds what is in one line, which is judged without its citations; does nothing and returns false where one may be in it. */
function addLine(start: usize, end: usize, mayHaveCitations: bool): bool {
  if (mayHaveCitations && load<u8>(end - 1) == CLOSE) return false;
  if (end == start) return true;
  const last = <u32>load<u8>(end - 1);
  if (!isEnd(last) || (last == FULL_STOP && endsInDots(start, end))) return true;
  /** A bit for each phrase that is there. */
  let said: u32 = 0;
  let bracket = false;
  let found: u32 = 1;
  for (let at = start; at < end; ) {
    const stops = stopsIn(at);
    if (stops == 0) {
      at += 16;
      continue;
    }
    at += <usize>ctz(stops);
    if (at >= end) break;
    const sign = codeAt(at);
    switch (sign) {
      case OPEN:
        if (mayHaveCitations) return false;
        break;
      case BRACE:
        bracket = true;
        break;
      case J:
      case J - SMALL:
        said |= phraseAt(SCRIPT, at, 1, start, end);
        break;
      case V:
      case V - SMALL:
        said |= phraseAt(PRIVACY, at, 1, start, end);
        break;
      case F:
      case F - SMALL:
        said |= phraseAt(TERMS, at, 1, start, end);
        break;
      case M:
      case M - SMALL:
        said |= phraseAt(PLACEHOLDER, at, 1, start, end);
        break;
      case K:
      case K - SMALL:
        for (let one = COOKIES; one < ALL_PHRASES; one++) said |= phraseAt(one, at, 1, start, end);
        break;
      case KELVIN:
        for (let one = COOKIES; one < ALL_PHRASES; one++) said |= phraseAt(one, at, 3, start, end);
        break;
      default:
        const behind = closersEnd(marksEnd(at, end), end);
        if (
          isFollowed(behind, end) &&
          !(sign == FULL_STOP && load<u8>(at, 1) != FULL_STOP && isAbbreviated(start, at))
        )
          found++;
        at = behind - 1;
    }
    at++;
  }
  if (said & (1 << PLACEHOLDER)) placeholders++;
  if (said & (1 << SCRIPT)) return true;
  if (bracket) brackets++;
  if ((said & ~((1 << PLACEHOLDER) | (1 << SCRIPT))) == 0) sentences += found;
  return true;
}

/** A bit for each of sixteen bytes at which to look closer: a notable sign, or a phrase's letter before the sign that follows it in the phrase. */
// @ts-ignore: decorator
@inline
function stopsIn(at: usize): u32 {
  const small = v128.splat<u8>(<u8>SMALL);
  const here = v128.or(v128.load(at), small);
  const next = v128.or(v128.load(at, 1), small);
  const beforeA = v128.or(v128.eq<u8>(here, v128.splat<u8>(<u8>J)), v128.eq<u8>(here, v128.splat<u8>(<u8>V)));
  const beforeBlank = v128.or(
    v128.eq<u8>(here, v128.splat<u8>(<u8>M)),
    v128.eq<u8>(here, v128.splat<u8>(<u8>F)),
  );
  const beforeI = v128.eq<u8>(here, v128.splat<u8>(<u8>K));
  const phrase = v128.or(
    v128.or(
      v128.and(beforeA, v128.eq<u8>(next, v128.splat<u8>(0x61))),
      v128.and(beforeI, v128.eq<u8>(next, v128.splat<u8>(0x69))),
    ),
    v128.and(beforeBlank, v128.eq<u8>(next, small)),
  );
  // NOTABLE is the highest bit of a kind.
  return <u32>v128.bitmask<i8>(v128.or(v128.load(at + toKind), phrase));
}

function isEnd(byte: u32): bool {
  return byte == 0x2e || byte == 0x21 || byte == 0x3f || byte == 0x22 || byte == 0x27;
}

/** . ! ? 。 ！ ？ */
// @ts-ignore: decorator
@inline
function isMark(code: u32): bool {
  return code == 0x2e || code == 0x21 || code == 0x3f || code == 0x3002 || code == 0xff01 || code == 0xff1f;
}

/** " ' ” ’ ) ] */
// @ts-ignore: decorator
@inline
function isCloser(code: u32): bool {
  return code == 0x22 || code == 0x27 || code == 0x201d || code == 0x2019 || code == 0x29 || code == 0x5d;
}

/** " ' “ ‘ ( [ */
// @ts-ignore: decorator
@inline
function isOpener(code: u32): bool {
  return code == 0x22 || code == 0x27 || code == 0x201c || code == 0x2018 || code == 0x28 || code == 0x5b;
}

function marksEnd(at: usize, end: usize): usize {
  while (at < end && isMark(codeAt(at))) at += sizeOf(load<u8>(at));
  return at;
}

function closersEnd(at: usize, end: usize): usize {
  while (at < end && isCloser(codeAt(at))) at += sizeOf(load<u8>(at));
  return at;
}

/** Whether white space and then, behind quotes or brackets, a letter or number comes: what ends before it is a sentence. */
function isFollowed(start: usize, end: usize): bool {
  let at = stripStart(start, end);
  if (at == start) return false;
  while (at < end && isOpener(codeAt(at))) at += sizeOf(load<u8>(at));
  return at < end && (signAt(at) & ALPHANUMERIC) != 0;
}

/** Whether the word before the full stop at `at` is an abbreviation. */
function isAbbreviated(start: usize, at: usize): bool {
  const first = at - start > LONGEST_ABBREVIATION ? at - LONGEST_ABBREVIATION : start;
  let from = at;
  while (from > first && kindAt(from - 1) != SPACE && !isOpenerEnd(from)) from--;
  return isAbbreviation(from, at);
}

/** Whether a quote or bracket that opens ends before `at`. */
function isOpenerEnd(at: usize): bool {
  const last = <u32>load<u8>(at - 1);
  if (last < 128) return isOpener(last);
  return sizeOf(load<u8>(at - QUOTE_SIZE)) == QUOTE_SIZE && isOpener(codeAt(at - QUOTE_SIZE));
}

/** The bit of a phrase if it is in [start, end) with its letter, of `size` bytes, at `at`, whatever the case of its ASCII letters; else 0. */
function phraseAt(which: i32, at: usize, size: usize, start: usize, end: usize): u32 {
  const phrase = phrases + <usize>which * PHRASE;
  const count = <usize>load<u8>(phrase);
  const offset = <usize>load<u8>(phrase, 1);
  const first = at - offset;
  const rest = at + size - offset - 1;
  if (first < start || rest + count > end) return 0;
  for (let i: usize = 0; i < offset; i++) if (small(load<u8>(first + i)) != load<u8>(phrase + i, 2)) return 0;
  for (let i = offset + 1; i < count; i++) if (small(load<u8>(rest + i)) != load<u8>(phrase + i, 2)) return 0;
  return 1 << which;
}

// @ts-ignore: decorator
@inline
function small(byte: u32): u32 {
  return byte - 0x41 < 26 ? byte | SMALL : byte;
}
