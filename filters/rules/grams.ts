/**
 * Repeated n-grams of numbered words, exactly. An n-gram is numbered by the two (n-1)-grams in it, in a table that compares both. It can only
 * be there twice where both of those are, so each length looks at what was left of the one before, and most texts are done after four.
 */
import type { Words } from "./words.ts";

/** The n-grams of a text that are in it more than once; the arrays are longer than `count` and are reused by the next length. */
export interface Grams {
  readonly n: number;
  readonly count: number;
  /** Words at which they begin, ascending. */
  readonly positions: Int32Array;
  /** Their numbers: below `distinct`, equal for equal n-grams. */
  readonly ids: Int32Array;
  readonly distinct: number;
  /** By number: how often it is there. */
  readonly counts: Int32Array;
}

/** Makes a finder that goes from 2-grams to `most`-grams and calls `visit` with those of each length. Owns its memory. */
export function repeatedGrams(): (words: Words, most: number, visit: (grams: Grams) => void) => void {
  let positions = new Int32Array(4096);
  let ids = new Int32Array(4096);
  let table = new Int32Array(16_384);
  let heads = new Int32Array(4096);
  let tails = new Int32Array(4096);
  let counts = new Int32Array(4096);

  return (words, most, visit) => {
    if (ids.length < words.count) {
      const size = 2 ** Math.ceil(Math.log2(words.count));
      positions = new Int32Array(size);
      ids = new Int32Array(size);
      heads = new Int32Array(size);
      tails = new Int32Array(size);
      counts = new Int32Array(size);
      table = new Int32Array(size * 4);
    }
    let count = 0;
    for (let i = 0; i < words.count; i++) {
      const id = words.ids[i]!;
      if (words.counts[id]! < 2) continue;
      positions[count] = i;
      ids[count++] = id;
    }
    for (let n = 2; n <= most; n++) {
      const mask = 2 ** Math.ceil(Math.log2(Math.max(2, count * 2))) - 1;
      table.fill(-1, 0, mask + 1);
      let distinct = 0;
      let pairs = 0;
      for (let k = 0; k + 1 < count; k++) {
        const position = positions[k]!;
        if (positions[k + 1] !== position + 1) continue;
        const head = ids[k]!;
        const tail = ids[k + 1]!;
        let slot = Math.imul(head, 0x9e3779b1) ^ Math.imul(tail, 0x85ebca6b);
        slot = (slot ^ (slot >>> 15)) & mask;
        let id = table[slot]!;
        while (id >= 0 && (heads[id] !== head || tails[id] !== tail)) {
          slot = (slot + 1) & mask;
          id = table[slot]!;
        }
        if (id < 0) {
          id = distinct++;
          heads[id] = head;
          tails[id] = tail;
          counts[id] = 0;
          table[slot] = id;
        }
        counts[id]!++;
        // What is written lies before what is read next.
        positions[pairs] = position;
        ids[pairs++] = id;
      }
      count = 0;
      for (let k = 0; k < pairs; k++) {
        if (counts[ids[k]!]! < 2) continue;
        positions[count] = positions[k]!;
        ids[count++] = ids[k]!;
      }
      visit({ n, count, positions, ids, distinct, counts });
    }
  };
}
