/**
 * Byte-pair merging of one chunk: of all adjacent pairs that make a piece the best rank first, the leftmost among equals.
 * Up to 64 symbols are kept as bits of a word and scanned for every merge; more keep a heap.
 */
import { pairHash } from "./seams";
import { mergeFilter, mergeMask, mergeSlots, ranks, results as made } from "./tables";

/** Symbols that are kept as bits of a word. */
export const SHORT: u32 = 64;
const NEVER: u32 = 0xffffffff;

/** No merge; what `seen >> 42` is in a free slot. */
export const NONE: u32 = 0x3fffff;
const FREE: u64 = -1;
const KEY_BITS: u64 = 0x3ffffffffff;

/** A key is a rank and, in its low bits, a position. */
const POSITION_BITS: u32 = 6;

// @ts-ignore: decorator
@lazy const keys = memory.data(4 * SHORT, 16);
// @ts-ignore: decorator
@lazy const merges = memory.data(4 * SHORT, 16);

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

/** The merge of a pair, or NONE. */
// @ts-ignore: decorator
@inline
function findMerge(left: u32, right: u32): u32 {
  const hash = pairHash(left, right);
  if (((load<u32>(mergeFilter + ((hash >> 17) << 2)) >> (hash >> 12)) & 1) == 0) return NONE;
  const key = <u64>left | (<u64>right << 21);
  let slot = hash & mergeMask;
  while (true) {
    const seen = load<u64>(mergeSlots + (<usize>slot << 3));
    if ((seen & KEY_BITS) == key) return <u32>(seen >> 42);
    if (seen == FREE) return NONE;
    slot = (slot + 1) & mergeMask;
  }
}

// @ts-ignore: decorator
@inline
function rankOf(merge: u32): u32 {
  return ranks == 0 ? merge : load<u32>(ranks + (<usize>merge << 2));
}

/** The id that a merge makes. */
// @ts-ignore: decorator
@inline
function resultOf(merge: u32): u32 {
  return made == 0 ? merge : load<u32>(made + (<usize>merge << 2));
}

/** Notes the merge of the pair at `left` and `right`, and its key. */
// @ts-ignore: decorator
@inline
function look(symbols: usize, left: u32, right: u32): void {
  const merge = findMerge(load<u32>(symbols + (left << 2)), load<u32>(symbols + (right << 2)));
  note(left, merge, merge == NONE ? 0 : rankOf(merge));
}

/** Notes the merge of the pair that starts at `left`. */
// @ts-ignore: decorator
@inline
export function note(left: u32, merge: u32, rank: u32): void {
  store<u32>(merges + (left << 2), merge);
  store<u32>(keys + (left << 2), merge == NONE ? NEVER : (rank << POSITION_BITS) | left);
}

/** Merges up to 64 symbols whose pairs have been noted. */
export function mergeShort(symbols: usize, count: u32): u32 {
  const pairCount = count - 1;
  let alive: u64 = <u64>-1 >> (64 - count);
  while (true) {
    let best = NEVER;
    for (let i: u32 = 0; i < pairCount; i++) best = min(best, load<u32>(keys + (i << 2)));
    if (best == NEVER) break;
    const left = best & (SHORT - 1);
    store<u32>(symbols + (left << 2), resultOf(load<u32>(merges + (left << 2))));
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
    const merge = findMerge(load<u32>(symbols + (left << 2)), load<u32>(symbols + (right << 2)));
    if (merge == NONE || rankOf(merge) != <u32>(key >> 32)) continue;
    store<u32>(symbols + (left << 2), resultOf(merge));
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
  const found = findMerge(load<u32>(symbols + (left << 2)), load<u32>(symbols + (right << 2)));
  if (found == NONE) return;
  const key = (<u64>rankOf(found) << 32) | left;
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
