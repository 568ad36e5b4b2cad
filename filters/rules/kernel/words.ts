/**
 * Cuts a text into words as words.ts in the folder above does.
 */
import { DIGIT, KIND, LETTER, MARK, RUN, SPACE } from "./sign-kinds";
import { measures, text, toKind } from "./memory";
import { addressEnd, clitic, isWordKind, parts, runEnd } from "./joints";
import { isAbbreviation, isListed, packed } from "./short-words";
import { kindAt, textEnd } from "./signs";
import { sizeOf } from "./utf8";
import { addLetters, addMarks, addWord, beginWords, endWords } from "./word-list";

const LONGEST_MEASURE: usize = 4;
const LONGEST_ABBREVIATION: usize = 12;
const COMMA: u32 = 0x2c;
const FULL_STOP: u32 = 0x2e;
const SMALL_C: u32 = 0x63;
/** The bytes of `cannot`, the first as a small letter. */
const CANNOT: u64 = 0x746f6e6e6163;
const CANNOT_SIZE: usize = 6;
const CANNOT_BYTES: u64 = 0xffffffffffff;

/** Counts the words of the text that was read. */
export function readWords(): void {
  const end = textEnd;
  beginWords(<u32>(end - text));
  for (let at = text; at < end; ) {
    const kind = kindAt(at);
    if (kind == SPACE) at += spaceSize(at);
    else if (kind == LETTER) at = takeLetters(at);
    else if (kind == DIGIT) at = takeJoined(at, at, at, kind);
    else if (kind == MARK) {
      const end = at + sizeOf(load<u8>(at));
      addMarks(at, end, 1);
      at = end + usize(kindAt(end) == SPACE);
    } else {
      const start = at;
      while (kindAt(at) == kind) at++;
      if (kind == RUN && isWordKind(kindAt(at))) at = takeJoined(start, at, at, kind);
      else addMarks(start, at, <u32>(at - start));
    }
  }
  endWords();
}

/** Up to sixteen bytes of white space from `at` on. */
// @ts-ignore: decorator
@inline
function spaceSize(at: usize): usize {
  const kinds = v128.and(v128.load(at + toKind), v128.splat<i8>(<i8>KIND));
  return <usize>ctz(~v128.bitmask<i8>(v128.eq<i8>(kinds, v128.splat<i8>(<i8>SPACE))));
}

/** Takes the word that begins with the letter at `start`; returns where to go on. */
// @ts-ignore: decorator
@inline
function takeLetters(start: usize): usize {
  let end = start;
  let foreign: i32 = 0;
  while (true) {
    const kinds = v128.and(v128.load(end + toKind), v128.splat<i8>(<i8>KIND));
    const others = ~v128.bitmask<i8>(v128.eq<i8>(kinds, v128.splat<i8>(<i8>LETTER)));
    const count = ctz(others);
    foreign |= v128.bitmask<i8>(v128.load(end)) & ((1 << count) - 1);
    end += <usize>count;
    if (count < 16) break;
  }
  // A word that ends at white space, or at one mark before it, needs no second look.
  const kind = kindAt(end);
  const plain = kind == SPACE;
  if (kind == DIGIT || !(plain || kindAt(end + 1) == SPACE)) return takeJoined(start, start, end, LETTER);
  if (
    foreign != 0 ||
    (end - start == CANNOT_SIZE && (load<u8>(start) | 32) == SMALL_C) ||
    (!plain && load<u8>(end) == FULL_STOP && isStopped(start, end))
  )
    return takeStopped(start, end, LETTER);
  addLetters(start, end);
  return end + usize(plain);
}

/**
 * Takes the word that begins at `start`, whose joined part begins at `from` with letters or digits up to `known`, whatever joins it; returns where
 * to go on.
 */
function takeJoined(start: usize, from: usize, known: usize, kind: i32): usize {
  const end = runEnd(from, known);
  if (clitic < end) {
    addWord(start, clitic);
    addWord(clitic, end);
    return end;
  }
  const behind = end + sizeOf(load<u8>(end));
  if (kindAt(end) != SPACE && end > start && isWordKind(kindAt(behind)) && parts(end)) {
    const whole = addressEnd(start);
    if (whole > end) {
      addWord(start, whole);
      return whole;
    }
    takeRun(start, end);
    addWord(end, behind);
    return behind;
  }
  return takeStopped(start, end, kind);
}

/** Takes [start, end) with the full stop behind it where it is an abbreviation, else without. */
function takeStopped(start: usize, end: usize, kind: i32): usize {
  const stopped = load<u8>(end) == FULL_STOP && kind == LETTER && isStopped(start, end);
  if (stopped) addWord(start, end + 1);
  else takeRun(start, end);
  return stopped ? end + 1 : end;
}

/** Takes [start, end) as one word, or as two where it is a number with its unit, or `cannot`. */
function takeRun(start: usize, end: usize): void {
  const middle = kindAt(start) == DIGIT ? measureAt(start, end) : notAt(start, end);
  addWord(start, middle);
  if (middle < end) addWord(middle, end);
}

function isStopped(start: usize, end: usize): bool {
  return isAbbreviation(end - start > LONGEST_ABBREVIATION ? end - LONGEST_ABBREVIATION : start, end);
}

function measureAt(start: usize, end: usize): usize {
  let at = start;
  while (at < end && (kindAt(at) == DIGIT || load<u8>(at) == FULL_STOP || load<u8>(at) == COMMA)) at++;
  if (at == end || end - at > LONGEST_MEASURE) return end;
  return isListed(measures, packed(at, end - at)) ? at : end;
}

function notAt(start: usize, end: usize): usize {
  if (end - start != CANNOT_SIZE) return end;
  return ((load<u64>(start) & CANNOT_BYTES) | 32) == CANNOT ? start + 3 : end;
}
