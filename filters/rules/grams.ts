/**
 * n-grams of numbered words, exactly: an n-gram is numbered by the (n-1)-gram it begins with and its last word, in a table that compares
 * both, so that no hash can make two of them one.
 */
import type { Words } from "./words.ts";

/** The n-grams of the words of one text, for one n after the other. */
export interface Grams {
  readonly n: number;
  /** How many there are: words - n + 1, or 0. */
  readonly count: number;
  /** The number of the n-gram that begins at each word, in order of first appearance. */
  readonly ids: Int32Array;
  readonly distinct: number;
  /** Code points of the words of the n-gram that begins at a word, without spaces. */
  charactersAt(position: number): number;
}

/** Makes a counter that goes from 1-grams to `most`-grams and calls `visit` with each. Owns its memory. */
export function gramWalker(): (words: Words, most: number, visit: (grams: Grams) => void) => void {
  let ids = new Int32Array(4096);
  let sums = new Float64Array(4097);
  let table = new Int32Array(16_384);
  let heads = new Int32Array(4096);
  let lasts = new Int32Array(4096);

  return (words, most, visit) => {
    const { count } = words;
    if (ids.length < count) {
      const size = 2 ** Math.ceil(Math.log2(count));
      ids = new Int32Array(size);
      heads = new Int32Array(size);
      lasts = new Int32Array(size);
      sums = new Float64Array(size + 1);
      table = new Int32Array(size * 4);
    }
    for (let i = 0; i < count; i++) sums[i + 1] = sums[i]! + words.lengths[words.ids[i]!]!;
    ids.set(words.ids.subarray(0, count));
    let distinct = words.distinct;
    const mask = 2 ** Math.ceil(Math.log2(Math.max(2, count * 2))) - 1;
    for (let n = 1; n <= most && count - n + 1 > 0; n++) {
      if (n > 1) {
        table.fill(-1, 0, mask + 1);
        distinct = 0;
        for (let i = 0; i + n <= count; i++) {
          const head = ids[i]!;
          const last = words.ids[i + n - 1]!;
          let slot = (Math.imul(head, 0x9e3779b1) ^ Math.imul(last, 0x85ebca6b)) >>> 0;
          slot = (slot ^ (slot >>> 15)) & mask;
          let id = table[slot]!;
          while (id >= 0 && (heads[id] !== head || lasts[id] !== last)) {
            slot = (slot + 1) & mask;
            id = table[slot]!;
          }
          if (id < 0) {
            id = distinct++;
            heads[id] = head;
            lasts[id] = last;
            table[slot] = id;
          }
          ids[i] = id;
        }
      }
      visit({ n, count: count - n + 1, ids, distinct, charactersAt: (i) => sums[i + n]! - sums[i]! });
    }
  };
}
