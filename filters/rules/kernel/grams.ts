/**
 * Repeated n-grams of numbered words, exactly. An n-gram is numbered by the two (n-1)-grams in it. It can only be there twice where both of those
 * are, so each length looks at what was left of the one before, and most texts are done after four.
 */
import { results, scratch } from "./memory";
import { GRAMS, MOST_GRAM } from "./results";
import { begin, isFull, MULTIPLIER, numberKey, widen } from "./table";
import { countOf, idOf, wordCharacters, wordCount } from "./word-list";

/** Up to this length the most frequent n-gram is asked for, beyond it those that were there before. */
const MOST_TOP: u32 = 4;
const SEEN: u32 = 0x80000000;
/** Bytes of the filter for each pair that it sorts out, and between which powers of two. */
const FILTER: u32 = 4;
const LEAST_BITS: u32 = 6;
const MOST_BITS: u32 = 19;
/** The longest n-grams that are sorted out so: of longer ones most are there again. */
const MOST_FILTERED: u32 = 3;
const FEW_PAIRS: u32 = 4096;

/** The words at which the n-grams begin that are left, and the number of each, 4 bytes each; by number, how often it is there. */
let places: usize = 0;
let numbers: usize = 0;
let counts: usize = 0;
/** The two numbers of each pair, 8 bytes each. */
let keys: usize = 0;
/** By hash: 0, 1, or 2 for more pairs. */
let filter: usize = 0;

/** Leaves, by n, code points of the most frequent n-gram or of the repeated ones. The words must have been read. */
export function readGrams(): void {
  places = scratch;
  numbers = scratch + 4 * <usize>wordCount;
  counts = scratch + 8 * <usize>wordCount;
  keys = scratch + 12 * <usize>wordCount;
  filter = keys + 8 * <usize>wordCount;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < wordCount; i++) {
    const id = idOf(i);
    put(kept, i, id);
    kept += u32(countOf(id) > 1);
  }
  for (let n: u32 = 2; n <= <u32>MOST_GRAM; n++) {
    kept = dropSingle(lengthen(n, kept));
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

/** From the (n-1)-grams that are left to the n-grams that begin with two of them, numbered and counted, in the same place; returns how many. */
function lengthen(n: u32, count: u32): u32 {
  if (count < 2) return 0;
  const pairs = n > MOST_FILTERED ? pairUp(count) : pairUpFiltered(count);
  if (pairs == 0) return 0;
  // Large texts have far fewer different pairs than pairs, and a small table is a fast one.
  begin(min(pairs * 2, max(pairs / 2, FEW_PAIRS)));
  let distinct: u32 = 0;
  for (let k: u32 = 0; k < pairs; k++) {
    const number = numberKey(load<u64>(keys + 8 * <usize>k), distinct);
    const isNew = number == distinct;
    const at = countAt(number);
    store<u32>(at, select<u32>(0, load<u32>(at), isNew) + 1);
    store<u32>(numbers + 4 * <usize>k, number);
    distinct += u32(isNew);
    if (isFull(distinct)) {
      widen();
      distinct = 0;
      k = -1;
    }
  }
  return pairs;
}

/** Lists the pairs of what is left, without a branch; returns how many. */
function pairUp(count: u32): u32 {
  let pairs: u32 = 0;
  for (let k: u32 = 0; k < count - 1; k++) pairs = keep(pairs, k, isPair(k));
  return pairs;
}

/** The same but for pairs whose hash no other has: they are there once, as most short n-grams are. */
function pairUpFiltered(count: u32): u32 {
  const bits = min(max(32 - clz(count * FILTER - 1), LEAST_BITS), MOST_BITS);
  const shift = 64 - <u64>bits;
  memory.fill(filter, 0, <usize>1 << <usize>bits);
  for (let k: u32 = 0; k < count - 1; k++) {
    const at = filter + <usize>((keyAt(k) * MULTIPLIER) >> shift);
    store<u8>(at, min<u32>(<u32>load<u8>(at) + u32(isPair(k)), 2));
  }
  let pairs: u32 = 0;
  for (let k: u32 = 0; k < count - 1; k++) {
    const often = <u32>load<u8>(filter + <usize>((keyAt(k) * MULTIPLIER) >> shift)) == 2;
    pairs = keep(pairs, k, bool(u32(often) & u32(isPair(k))));
  }
  return pairs;
}

/** Lists the pair at k behind the `pairs` that are kept, and returns how many are if it is. What is written lies before what is read next. */
// @ts-ignore: decorator
@inline
function keep(pairs: u32, k: u32, isKept: bool): u32 {
  store<u32>(places + 4 * <usize>pairs, placeAt(k));
  store<u64>(keys + 8 * <usize>pairs, keyAt(k));
  return pairs + u32(isKept);
}

/** Whether what is left at k goes on with the next word at k + 1. */
// @ts-ignore: decorator
@inline
function isPair(k: u32): bool {
  return placeAt(k + 1) == placeAt(k) + 1;
}

// @ts-ignore: decorator
@inline
function keyAt(k: u32): u64 {
  return (<u64>numberAt(k) << 32) | <u64>numberAt(k + 1);
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
