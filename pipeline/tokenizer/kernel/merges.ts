/**
 * Byte-pair merging of one chunk: of all adjacent pairs that make a piece the best rank first, the leftmost among equals.
 * Up to 64 symbols are kept as bits of a word and scanned for every merge; more keep a heap.
 */
import { mergeLefts, mergeSlots } from "./tables";

/** Symbols that are kept as bits of a word. */
export const SHORT: u32 = 64;
const NEVER: u32 = 0xffffffff;

/** A pair's word in `mergeSlots` and `byteMerges`: right symbol, what the pair merges into, and the rank; all ones where it does not merge. */
const FREE: u64 = -1;
const SYMBOL: u32 = 0x1fffff;
const RESULT_AT: u64 = 21;
const RANK_AT: u64 = 42;

/** A key is a rank and, in its low bits, a position. */
const POSITION_BITS: u32 = 6;

// @ts-ignore: decorator
@lazy const keys = memory.data(4 * (SHORT + 7), 16);
// @ts-ignore: decorator
@lazy const merged = memory.data(4 * SHORT, 16);

/** Bytes of scratch memory behind `count` symbols that merging them takes. */
export function scratchBytes(count: u32): usize {
  return count <= SHORT ? 0 : 24 * <usize>count + 32;
}

/** Merges the `count` ids at `symbols` in place and returns how many are left. Longer lists use the memory behind them. */
export function mergeSymbols(symbols: usize, count: u32): u32 {
  if (count < 2) return count;
  if (count > SHORT) return mergeLong(symbols, count);
  for (let i: u32 = 0; i + 1 < count; i++) look(symbols, i, i + 1);
  return mergeShort(symbols, count);
}

/** A free place, where a pair is looked for that cannot merge: so nothing need be guessed about which pairs those are. */
// @ts-ignore: decorator
@lazy const freePlace = memory.data<u64>([0xffffffffffffffff, 0xffffffffffffffff], 16);

/** The word of a pair, or FREE. */
// @ts-ignore: decorator
@inline
function findMerge(left: u32, right: u32): u64 {
  const own = load<u64>(mergeLefts + (<usize>left << 3));
  const hash = right * 0x9e3779b1;
  const home = placeOf(own, hash);
  const place = select<usize>(home, freePlace, <u32>(own >> (32 + <u64>(hash >> 27))) & 1);
  const first = load<u64>(place);
  const second = load<u64>(place, 8);
  if ((<u32>first & SYMBOL) == right) return first;
  if ((<u32>second & SYMBOL) == right) return second;
  return second == FREE ? FREE : findFurther(own, hash, right);
}

/** The word of a pair whose own place others have taken, or FREE. */
function findFurther(own: u64, hash: u32, right: u32): u64 {
  while (true) {
    hash += 0x1000;
    const place = placeOf(own, hash);
    const first = load<u64>(place);
    const second = load<u64>(place, 8);
    if ((<u32>first & SYMBOL) == right) return first;
    if ((<u32>second & SYMBOL) == right) return second;
    if (second == FREE) return FREE;
  }
}

/** A place among those of a left symbol. */
// @ts-ignore: decorator
@inline
function placeOf(own: u64, hash: u32): usize {
  const last = ((<u32>1) << (<u32>own & 31)) - 1;
  return mergeSlots + (<usize>((<u32>own >> 5) + ((hash >> 12) & last)) << 4);
}

// @ts-ignore: decorator
@inline
function rankOf(word: u64): u32 {
  return <u32>(word >> RANK_AT);
}

// @ts-ignore: decorator
@inline
function resultOf(word: u64): u32 {
  return <u32>(word >> RESULT_AT) & SYMBOL;
}

// @ts-ignore: decorator
@inline
function look(symbols: usize, left: u32, right: u32): void {
  note(left, findMerge(load<u32>(symbols + (left << 2)), load<u32>(symbols + (right << 2))));
}

/** Notes the word of the pair that starts at `left`. */
// @ts-ignore: decorator
@inline
export function note(left: u32, word: u64): void {
  store<u32>(merged + (left << 2), resultOf(word));
  store<u32>(keys + (left << 2), word == FREE ? NEVER : (rankOf(word) << POSITION_BITS) | left);
}

/** Merges up to 64 symbols whose pairs have been noted. */
export function mergeShort(symbols: usize, count: u32): u32 {
  const keysEnd = keys + ((count - 1) << 2);
  for (let i: usize = 0; i < 28; i += 4) store<u32>(keysEnd + i, NEVER);
  let alive: u64 = <u64>-1 >> (64 - count);
  while (true) {
    const best = smallest(keysEnd);
    if (best == NEVER) break;
    const left = best & (SHORT - 1);
    store<u32>(symbols + (left << 2), load<u32>(merged + (left << 2)));
    // In two shifts, because a shift by 64 is none.
    const right = left + 1 + <u32>ctz((alive >> left) >> 1);
    alive &= ~((<u64>1) << right);
    store<u32>(keys + (right << 2), NEVER);
    const after = (alive >> left) >> 1;
    if (after != 0) look(symbols, left, left + 1 + <u32>ctz(after));
    else store<u32>(keys + (left << 2), NEVER);
    const before = alive & ((<u64>1 << left) - 1);
    if (before != 0) look(symbols, 63 - <u32>clz(before), left);
  }
  let kept: u32 = 0;
  for (; alive != 0; alive &= alive - 1)
    store<u32>(symbols + ((kept++) << 2), load<u32>(symbols + (<u32>ctz(alive) << 2)));
  return kept;
}

/** The smallest key before `end`, eight at a time; behind it are seven more at least that are NEVER. */
// @ts-ignore: decorator
@inline
function smallest(end: usize): u32 {
  let least = NEVER;
  for (let at = keys; at < end; at += 32) {
    const a = min(min(load<u32>(at), load<u32>(at, 4)), min(load<u32>(at, 8), load<u32>(at, 12)));
    const b = min(min(load<u32>(at, 16), load<u32>(at, 20)), min(load<u32>(at, 24), load<u32>(at, 28)));
    least = min(least, min(a, b));
  }
  return least;
}

let heap: usize = 0;
let heapSize: u32 = 0;
let next: usize = 0;
let previous: usize = 0;

/**
 * A linked list of symbols and a binary heap of candidates, rank * 2^32 + left position each, so that the smallest is the next merge.
 * A candidate is stale when its pair no longer makes the piece it was queued for.
 */
function mergeLong(symbols: usize, count: u32): u32 {
  next = symbols + (((<usize>count << 2) + 7) & ~7);
  previous = next + (<usize>count << 2);
  heap = previous + (<usize>count << 2);
  heapSize = 0;
  for (let i: u32 = 0; i < count; i++) {
    store<i32>(next + (i << 2), i + 1 < count ? i + 1 : -1);
    store<i32>(previous + (i << 2), <i32>i - 1);
  }
  for (let i: u32 = 0; i + 1 < count; i++) push(symbols, i);
  while (heapSize > 0) {
    const key = pop();
    const left = <u32>key;
    const right = load<i32>(next + (left << 2));
    if (right < 0) continue;
    const word = findMerge(load<u32>(symbols + (left << 2)), load<u32>(symbols + (right << 2)));
    if (word == FREE || rankOf(word) != <u32>(key >> 32)) continue;
    store<u32>(symbols + (left << 2), resultOf(word));
    const after = load<i32>(next + (right << 2));
    store<i32>(next + (left << 2), after);
    if (after >= 0) store<i32>(previous + (after << 2), left);
    // A dead symbol must not be taken for a live one by a candidate that still points at it.
    store<i32>(next + (right << 2), -1);
    const before = load<i32>(previous + (left << 2));
    if (before >= 0) push(symbols, before);
    if (after >= 0) push(symbols, left);
  }
  let kept: u32 = 0;
  for (let i: i32 = 0; i >= 0; i = load<i32>(next + (i << 2)))
    store<u32>(symbols + ((kept++) << 2), load<u32>(symbols + (i << 2)));
  return kept;
}

function push(symbols: usize, left: u32): void {
  const right = load<u32>(next + (left << 2));
  const word = findMerge(load<u32>(symbols + (left << 2)), load<u32>(symbols + (right << 2)));
  if (word == FREE) return;
  const key = (<u64>rankOf(word) << 32) | left;
  let at = heapSize++;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = load<u64>(heap + (<usize>parent << 3));
    if (above <= key) break;
    store<u64>(heap + (<usize>at << 3), above);
    at = parent;
  }
  store<u64>(heap + (<usize>at << 3), key);
}

function pop(): u64 {
  const top = load<u64>(heap);
  const key = load<u64>(heap + (--heapSize << 3));
  let at: u32 = 0;
  while (true) {
    let child: u32 = 2 * at + 1;
    if (child >= heapSize) break;
    let below = load<u64>(heap + (<usize>child << 3));
    if (child + 1 < heapSize) {
      const other = load<u64>(heap + (<usize>(child + 1) << 3));
      if (other < below) {
        below = other;
        child++;
      }
    }
    if (below >= key) break;
    store<u64>(heap + (<usize>at << 3), below);
    at = child;
  }
  store<u64>(heap + (<usize>at << 3), key);
  return top;
}
