/**
 * The words of a text in their order, as numbers, and the different ones with what the rules ask of them.
 */
import { DIGIT, KIND, LETTER, TRAIL } from "./sign-kinds";
import { ids, results, stopWords, WORD, words } from "./memory";
import { SOLID, SOLID_CHARACTERS, STOP_WORDS, WITH_LETTERS, WORDS } from "./results";
import { isListed, packed } from "./short-words";
import { begin, isFull, numberStretch, widen } from "./table";
import { signAt } from "./signs";

/** What a word is made of: bits. */
const HAS_LETTER: u32 = 1;
const NOT_SYMBOL: u32 = 2;
const LONGEST_STOP_WORD: usize = 4;

export let wordCount: u32 = 0;
let distinct: u32 = 0;

/** Begins the words of a text of so many bytes. */
export function beginWords(bytes: u32): void {
  wordCount = 0;
  distinct = 0;
  begin(min(bytes >> 2, 4096));
}

/** Adds the word [start, end). */
export function addWord(start: usize, end: usize): void {
  const id = numberStretch(start, end, distinct, words, WORD);
  const entry = words + <usize>id * WORD;
  store<u32>(ids + 4 * <usize>wordCount, id);
  wordCount++;
  if (id == distinct) addEntry(entry, start, end);
  else store<u32>(entry, load<u32>(entry, 8) + 1, 8);
}

function addEntry(entry: usize, start: usize, end: usize): void {
  let made: u32 = 0;
  let length: u32 = 0;
  for (let at = start; at < end; at++) {
    const sign = signAt(at);
    const kind = sign & KIND;
    if (kind == LETTER) made |= HAS_LETTER | NOT_SYMBOL;
    else if (kind == DIGIT) made |= NOT_SYMBOL;
    length += u32((sign & TRAIL) == 0);
  }
  store<u32>(entry, <u32>start);
  store<u32>(entry, <u32>end, 4);
  store<u32>(entry, 1, 8);
  store<u32>(entry, (length << 2) | made, 12);
  if (!isFull(++distinct)) return;
  widen();
  for (let id: u32 = 0; id < distinct; id++) {
    const other = words + <usize>id * WORD;
    numberStretch(load<u32>(other), load<u32>(other, 4), id, words, WORD);
  }
}

/** Leaves what Gopher's quality rules ask of the words. */
export function endWords(): void {
  let solid: u32 = 0;
  let characters: u32 = 0;
  let withLetters: u32 = 0;
  let stops: u32 = 0;
  const end = words + <usize>distinct * WORD;
  for (let entry = words; entry < end; entry += WORD) {
    const count = load<u32>(entry, 8);
    const made = load<u32>(entry, 12);
    if (made & NOT_SYMBOL) {
      solid += count;
      characters += (made >> 2) * count;
    }
    if ((made & HAS_LETTER) == 0) continue;
    withLetters += count;
    const start = <usize>load<u32>(entry);
    const size = <usize>load<u32>(entry, 4) - start;
    if (size <= LONGEST_STOP_WORD && isListed(stopWords, packed(start, size))) stops++;
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
