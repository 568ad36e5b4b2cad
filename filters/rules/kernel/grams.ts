/**
 * Repeated n-grams of numbered words, exactly. An n-gram is numbered by the two (n-1)-grams in it. It can only be there twice where both of those
 * are, so each length looks at what was left of the one before, and most texts are done after four.
 */
import { results, scratch } from "./memory";
import { GRAMS, MOST_GRAM } from "./results";
import { begin, numberKey } from "./table";
import { countOf, idOf, wordCharacters, wordCount } from "./word-list";

/** Up to this length the most frequent n-gram is asked for, beyond it those that were there before. */
const MOST_TOP: u32 = 4;
const SEEN: u32 = 0x80000000;

/** The words at which the n-grams begin that are left, and the number of each, 4 bytes each; by number, how often it is there. */
let places: usize = 0;
let numbers: usize = 0;
let counts: usize = 0;

/** Leaves, by n, code points of the most frequent n-gram or of the repeated ones. The words must have been read. */
export function readGrams(): void {
  places = scratch;
  numbers = scratch + 4 * <usize>wordCount;
  counts = scratch + 8 * <usize>wordCount;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < wordCount; i++) {
    const id = idOf(i);
    put(kept, i, id);
    kept += u32(countOf(id) > 1);
  }
  for (let n: u32 = 2; n <= <u32>MOST_GRAM; n++) {
    kept = dropSingle(lengthen(kept));
    const characters = n > MOST_TOP ? repeatedCharacters(n, kept) : wordCount < n ? 0 : topCharacters(n, kept);
    store<u32>(results + 4 * <usize>n, characters, 4 * GRAMS);
  }
}

// @ts-ignore: decorator
@inline
function put(k: u32, place: u32, number: u32): void {
  store<u32>(places + 4 * <usize>k, place);
  store<u32>(numbers + 4 * <usize>k, number);
}

// @ts-ignore: decorator
@inline
function placeAt(k: u32): u32 {
  return load<u32>(places + 4 * <usize>k);
}

// @ts-ignore: decorator
@inline
function numberAt(k: u32): u32 {
  return load<u32>(numbers + 4 * <usize>k);
}

/** Where the count of a number lies. */
// @ts-ignore: decorator
@inline
function countAt(number: u32): usize {
  return counts + 4 * <usize>number;
}

/** From the (n-1)-grams that are left to the n-grams that begin with two of them, numbered and counted, in the same place. */
function lengthen(count: u32): u32 {
  if (count < 2) return 0;
  begin(count * 2);
  let distinct: u32 = 0;
  let pairs: u32 = 0;
  let place = placeAt(0);
  let head = numberAt(0);
  for (let k: u32 = 1; k < count; k++) {
    const next = placeAt(k);
    const tail = numberAt(k);
    if (next == place + 1) {
      const id = numberKey((<u64>head << 32) | tail, distinct);
      if (id == distinct) store<u32>(countAt(distinct++), 1);
      else store<u32>(countAt(id), load<u32>(countAt(id)) + 1);
      // What is written lies before what is read next.
      put(pairs++, place, id);
    }
    place = next;
    head = tail;
  }
  return pairs;
}

/** Leaves those that are there more than once; returns how many. */
function dropSingle(count: u32): u32 {
  let kept: u32 = 0;
  for (let k: u32 = 0; k < count; k++) {
    const number = numberAt(k);
    put(kept, placeAt(k), number);
    kept += u32(load<u32>(countAt(number)) > 1);
  }
  return kept;
}

/** Of the most frequent n-gram, the first of equals: its length with single spaces, times its count. */
function topCharacters(n: u32, count: u32): u32 {
  let best: u32 = 0;
  let most: u32 = 1;
  for (let k: u32 = 0; k < count; k++) {
    const often = load<u32>(countAt(numberAt(k)));
    if (often <= most) continue;
    most = often;
    best = placeAt(k);
  }
  return (wordCharacters(best, n) + n - 1) * most;
}

/** Of n-grams that were there before; the words of one are not counted again. */
function repeatedCharacters(n: u32, count: u32): u32 {
  let characters: u32 = 0;
  let next: u32 = 0;
  for (let k: u32 = 0; k < count; k++) {
    const place = placeAt(k);
    if (place < next) continue;
    const at = countAt(numberAt(k));
    const often = load<u32>(at);
    if (often & SEEN) {
      characters += wordCharacters(place, n);
      next = place + n;
    } else store<u32>(at, often | SEEN);
  }
  return characters;
}
