/**
 * Merges as the kernel takes them (kernel/tables.ts): those of one left symbol together in memory, since they are asked for together.
 */
import { type KernelForm, type Table, table } from "./kernel-tables.ts";

/** Ranks are below this, which is that of no merge. */
export const MOST_RANKS = 0x3fffff;

/** Pairs that merge. */
export interface Merges {
  /** Triples of left, right and result. */
  readonly pairs: Int32Array;
  /** The rank of the pair with this number, whose result that is. */
  readonly rankOf: (pair: number, result: number) => number;
}

/** The tables of merges of `symbols` symbols, `byteSymbols` being the one that each byte is by itself, or -1. Linear in the pairs. */
export function mergeTables(merges: Merges, symbols: number, byteSymbols: Int32Array): KernelForm["tables"] {
  return [
    ...pairTables(merges, symbols),
    table("byteSymbols", byteSymbols),
    table("byteMerges", byteMerges(merges, byteSymbols)),
  ];
}

/** A hash table for every left symbol, of places of two slots, one of which at least stays free; those without pairs share a place. */
function pairTables({ pairs, rankOf }: Merges, symbols: number): readonly Table[] {
  const counts = new Int32Array(symbols);
  for (let i = 0; i < pairs.length; i += 3) counts[pairs[i]!]!++;
  const lefts = new Int32Array(2 * symbols);
  let places = 1;
  for (const [left, count] of counts.entries()) {
    if (count === 0) continue;
    const bits = Math.ceil(Math.log2((3 * count + 1) / 4));
    lefts[2 * left] = (places << 5) | bits;
    places += 2 ** bits;
  }
  const slots = new Int32Array(4 * places).fill(-1);
  for (let i = 0; i < pairs.length; i += 3) {
    const own = 2 * pairs[i]!;
    const right = pairs[i + 1]!;
    const hash = Math.imul(right, 0x9e3779b1);
    lefts[own + 1]! |= 1 << (hash >>> 27);
    const first = 4 * (lefts[own]! >>> 5);
    const mask = 4 * 2 ** (lefts[own]! & 31) - 1;
    let slot = 4 * (hash >>> 12);
    while (slots[first + (slot & mask) + 1] !== -1) slot += 2;
    setWord(slots, first + (slot & mask), right, pairs[i + 2]!, rankOf(i / 3, pairs[i + 2]!));
  }
  return [table("mergeLefts", lefts), table("mergeSlots", slots)];
}

/** right | result << 21 | rank << 42, in two halves. */
function setWord(words: Int32Array, at: number, right: number, result: number, rank: number): void {
  words[at] = right | (result << 21);
  words[at + 1] = (result >>> 11) | (rank << 10);
}

/** Such words by `left | right << 8`, as the kernel loads two bytes, all ones where the two do not merge. */
function byteMerges({ pairs, rankOf }: Merges, byteSymbols: Int32Array): Int32Array {
  const symbols = new Set(byteSymbols);
  const numbers = new Map<number, number>();
  for (let i = 0; i < pairs.length; i += 3)
    if (symbols.has(pairs[i]!) && symbols.has(pairs[i + 1]!))
      numbers.set(pairs[i]! * 2 ** 21 + pairs[i + 1]!, i / 3);
  const words = new Int32Array(2 ** 17).fill(-1);
  for (let both = 0; both < 2 ** 16; both++) {
    const right = byteSymbols[both >> 8]!;
    const pair = numbers.get(byteSymbols[both & 255]! * 2 ** 21 + right);
    if (pair === undefined) continue;
    const result = pairs[3 * pair + 2]!;
    setWord(words, 2 * both, right, result, rankOf(pair, result));
  }
  return words;
}
