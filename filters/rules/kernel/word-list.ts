/**
 * The words of a text in their order, as numbers, and the different ones with what the rules ask of them.
 */
import { DIGIT, KIND, LETTER, TRAIL } from "./sign-kinds";
import { ids, results, stopWords, WORD, words } from "./memory";
import { SOLID, SOLID_CHARACTERS, STOP_WORDS, WITH_LETTERS, WORDS } from "./results";
import { begin, isFull, numberStretch, widen } from "./table";
import { signAt } from "./signs";

/** What a word is made of: bits. */
const HAS_LETTER: u32 = 1;
const NOT_SYMBOL: u32 = 2;
/** Stop words have the first numbers, whether they are there or not. */
const MOST_STOP_WORDS: u32 = 15;

export let wordCount: u32 = 0;
let distinct: u32 = 0;
let listed: u32 = 0;

/** Begins the words of a text of so many bytes. */
export function beginWords(bytes: u32): void {
  wordCount = 0;
  begin(min(bytes >> 2, 4096));
  for (distinct = 0; distinct < MOST_STOP_WORDS; distinct++) {
    const start = stopWords + 8 * <usize>distinct;
    const size = <usize>load<u8>(start, 7);
    if (size == 0) break;
    numberStretch(start, start + size, distinct, words, WORD);
    put(distinct, start, start + size, (<u32>size << 2) | HAS_LETTER | NOT_SYMBOL);
  }
  listed = distinct;
}

/** Adds the word [start, end). */
export function addWord(start: usize, end: usize): void {
  addMade(start, end, madeOf(start, end));
}

/** The same for a word of ASCII letters. */
// @ts-ignore: decorator
@inline
export function addLetters(start: usize, end: usize): void {
  addMade(start, end, (<u32>(end - start) << 2) | HAS_LETTER | NOT_SYMBOL);
}

/** The same for a word without letters and digits, of so many code points. */
export function addMarks(start: usize, end: usize, characters: u32): void {
  addMade(start, end, characters << 2);
}

/** An entry is written behind the last, and stays there if the word is new: a branch would be guessed wrong too often. */
// @ts-ignore: decorator
@inline
function addMade(start: usize, end: usize, made: u32): void {
  put(distinct, start, end, made);
  const id = numberStretch(start, end, distinct, words, WORD);
  store<u32>(ids + 4 * <usize>wordCount, id);
  wordCount++;
  const entry = words + <usize>id * WORD;
  store<u32>(entry, load<u32>(entry, 8) + 1, 8);
  distinct += u32(id == distinct);
  if (isFull(distinct)) renumber();
}

// @ts-ignore: decorator
@inline
function put(id: u32, start: usize, end: usize, made: u32): void {
  const entry = words + <usize>id * WORD;
  store<u32>(entry, <u32>start);
  store<u32>(entry, <u32>end, 4);
  store<u32>(entry, 0, 8);
  store<u32>(entry, made, 12);
}

/** Puts the words into a table with more room. */
function renumber(): void {
  widen();
  for (let id: u32 = 0; id < distinct; id++) {
    const entry = words + <usize>id * WORD;
    numberStretch(load<u32>(entry), load<u32>(entry, 4), id, words, WORD);
  }
}

/** The code points of the word [start, end), times four, and what it is made of. */
function madeOf(start: usize, end: usize): u32 {
  let made: u32 = 0;
  let length: u32 = 0;
  for (let at = start; at < end; at++) {
    const sign = signAt(at);
    const kind = sign & KIND;
    if (kind == LETTER) made |= HAS_LETTER | NOT_SYMBOL;
    else if (kind == DIGIT) made |= NOT_SYMBOL;
    length += u32((sign & TRAIL) == 0);
  }
  return (length << 2) | made;
}

/** Leaves what Gopher's quality rules ask of the words. */
export function endWords(): void {
  let solid: u32 = 0;
  let characters: u32 = 0;
  let withLetters: u32 = 0;
  let stops: u32 = 0;
  for (let id: u32 = 0; id < listed; id++) stops += u32(countOf(id) != 0);
  const end = words + <usize>distinct * WORD;
  for (let entry = words; entry < end; entry += WORD) {
    const count = load<u32>(entry, 8);
    const made = load<u32>(entry, 12);
    if (made & NOT_SYMBOL) {
      solid += count;
      characters += (made >> 2) * count;
    }
    if (made & HAS_LETTER) withLetters += count;
  }
  store<u32>(results, wordCount, 4 * WORDS);
  store<u32>(results, solid, 4 * SOLID);
  store<u32>(results, characters, 4 * SOLID_CHARACTERS);
  store<u32>(results, withLetters, 4 * WITH_LETTERS);
  store<u32>(results, stops, 4 * STOP_WORDS);
}

/** The number of the word at a place in the text. */
// @ts-ignore: decorator
@inline
export function idOf(place: u32): u32 {
  return load<u32>(ids + 4 * <usize>place);
}

/** How often the word of a number is there. */
// @ts-ignore: decorator
@inline
export function countOf(id: u32): u32 {
  return load<u32>(words + <usize>id * WORD, 8);
}

/** Code points of `count` words from a place on, without spaces. */
export function wordCharacters(place: u32, count: u32): u32 {
  let characters: u32 = 0;
  for (let i = place; i < place + count; i++) characters += load<u32>(words + <usize>idOf(i) * WORD, 12) >> 2;
  return characters;
}
