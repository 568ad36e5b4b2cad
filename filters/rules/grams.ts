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

  return ({ count, ids: wordIds, counts: wordCounts }, most, visit) => {
    if (ids.length < count) {
      const size = 2 ** Math.ceil(Math.log2(count));
      positions = new Int32Array(size);
      ids = new Int32Array(size);
      heads = new Int32Array(size);
      tails = new Int32Array(size);
      counts = new Int32Array(size);
      table = new Int32Array(size * 4);
    }
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const id = wordIds[i]!;
      if (wordCounts[id]! < 2) continue;
      positions[kept] = i;
      ids[kept++] = id;
    }
    for (let n = 2; n <= most; n++) {
      const { pairs, distinct } = lengthen(kept, { positions, ids, table, heads, tails, counts });
      kept = dropSingle(pairs, { positions, ids, counts });
      visit({ n, count: kept, positions, ids, distinct, counts });
    }
  };
}

interface Scratch extends Pick<Grams, "positions" | "ids" | "counts"> {
  readonly table: Int32Array;
  readonly heads: Int32Array;
  readonly tails: Int32Array;
}

/** From the (n-1)-grams at `positions[0, count)` to the n-grams that begin with two of them, numbered and counted, in the same place. */
function lengthen(
  count: number,
  { positions, ids, table, heads, tails, counts }: Scratch,
): { readonly pairs: number; readonly distinct: number } {
  let distinct = 0;
  let pairs = 0;
  if (count < 2) return { pairs, distinct };
  const mask = 2 ** Math.ceil(Math.log2(count * 2)) - 1;
  table.fill(-1, 0, mask + 1);
  let position = positions[0]!;
  let head = ids[0]!;
  for (let k = 1; k < count; k++) {
    const next = positions[k]!;
    const tail = ids[k]!;
    if (next === position + 1) {
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
    position = next;
    head = tail;
  }
  return { pairs, distinct };
}

/** Leaves those that are there more than once; returns how many. */
function dropSingle(
  count: number,
  { positions, ids, counts }: Pick<Scratch, "positions" | "ids" | "counts">,
): number {
  let kept = 0;
  for (let k = 0; k < count; k++) {
    const id = ids[k]!;
    positions[kept] = positions[k]!;
    ids[kept] = id;
    if (counts[id]! > 1) kept++;
  }
  return kept;
}
