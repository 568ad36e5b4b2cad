/**
 * Byte-pair merging of one chunk by SentencePiece's rule: of all adjacent pairs that make a piece, the best rank first, the
 * leftmost among equals. Short chunks rescan (quadratic, but fastest there), long ones keep a heap (n log n).
 */
import { findMerge, type MergeTable } from "./merge-table.ts";

/** Up to this many symbols a rescan for every merge beats the heap. */
const SHORT = 48;

const NEVER = 0x7fffffff;

/** Merges `symbols[0, count)` in place and returns how many are left. Deterministic. */
export function mergeSymbols(table: MergeTable, symbols: Int32Array, count: number): number {
  return count <= SHORT ? mergeShort(table, symbols, count) : mergeLong(table, symbols, count);
}

const shortRanks = new Int32Array(SHORT + 1);
const shortResults = new Int32Array(SHORT + 1);

function mergeShort(table: MergeTable, symbols: Int32Array, length: number): number {
  const { slots } = table;
  const ranks = shortRanks;
  const results = shortResults;
  let pairs = length - 1;
  let best = -1;
  let bestRank = NEVER;
  for (let i = 0; i < pairs; i++) {
    const at = findMerge(table, symbols[i]!, symbols[i + 1]!);
    const rank = at < 0 ? NEVER : slots[at + 2]!;
    ranks[i] = rank;
    if (at >= 0) results[i] = slots[at + 3]!;
    if (rank < bestRank) {
      bestRank = rank;
      best = i;
    }
  }
  while (best >= 0) {
    symbols[best] = results[best]!;
    pairs--;
    for (let i = best + 1; i <= pairs; i++) symbols[i] = symbols[i + 1]!;
    for (let i = best; i < pairs; i++) {
      ranks[i] = ranks[i + 1]!;
      results[i] = results[i + 1]!;
    }
    if (best > 0) {
      const at = findMerge(table, symbols[best - 1]!, symbols[best]!);
      ranks[best - 1] = at < 0 ? NEVER : slots[at + 2]!;
      if (at >= 0) results[best - 1] = slots[at + 3]!;
    }
    if (best < pairs) {
      const at = findMerge(table, symbols[best]!, symbols[best + 1]!);
      ranks[best] = at < 0 ? NEVER : slots[at + 2]!;
      if (at >= 0) results[best] = slots[at + 3]!;
    }
    best = -1;
    bestRank = NEVER;
    for (let i = 0; i < pairs; i++)
      if (ranks[i]! < bestRank) {
        bestRank = ranks[i]!;
        best = i;
      }
  }
  return pairs + 1;
}

/**
 * A linked list of symbols and a binary heap of candidate merges, each a double: rank * 2^32 + left position, so that the smallest
 * is the next merge. A candidate is stale when its pair no longer makes the piece it was queued for.
 */
function mergeLong(table: MergeTable, symbols: Int32Array, length: number): number {
  const { slots } = table;
  const next = new Int32Array(length);
  const previous = new Int32Array(length);
  const heap = new Float64Array(2 * length + 2);
  let size = 0;
  for (let i = 0; i < length; i++) {
    next[i] = i + 1 < length ? i + 1 : -1;
    previous[i] = i - 1;
  }
  const push = (left: number): void => {
    const at = findMerge(table, symbols[left]!, symbols[next[left]!]!);
    if (at < 0) return;
    const key = slots[at + 2]! * 2 ** 32 + left;
    let i = size++;
    while (i > 0) {
      const parent = (i - 1) >>> 1;
      if (heap[parent]! <= key) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = key;
  };
  const pop = (): number => {
    const top = heap[0]!;
    const key = heap[--size]!;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= key) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = key;
    return top;
  };
  for (let i = 0; i + 1 < length; i++) push(i);
  while (size > 0) {
    const key = pop();
    const rank = Math.floor(key / 2 ** 32);
    const left = key - rank * 2 ** 32;
    const right = next[left]!;
    if (right < 0) continue;
    const at = findMerge(table, symbols[left]!, symbols[right]!);
    if (at < 0 || slots[at + 2] !== rank) continue;
    symbols[left] = slots[at + 3]!;
    next[left] = next[right]!;
    if (next[right]! >= 0) previous[next[right]!] = left;
    // A dead symbol must not be taken for a live one by a candidate that still points at it.
    next[right] = -1;
    if (previous[left]! >= 0) push(previous[left]!);
    if (next[left]! >= 0) push(left);
  }
  let count = 0;
  for (let i = 0; i >= 0; i = next[i]!) symbols[count++] = symbols[i]!;
  return count;
}
