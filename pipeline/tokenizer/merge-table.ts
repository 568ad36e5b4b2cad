/**
 * Which two adjacent pieces merge, into what, and how soon: an open-addressed table of int32 quadruples, one cache line a look-up.
 */
import { normalIds, splits, type Vocabulary } from "./vocabulary.ts";

/** Pairs of pieces that merge. `slots` holds left, right, rank, result; left is -1 in a free slot. */
export interface MergeTable {
  readonly slots: Int32Array;
  readonly mask: number;
}

/** The merges of a vocabulary. Deterministic; the load factor stays below one half. */
export function mergeTable(vocabulary: Vocabulary): MergeTable {
  const all = [...splits(vocabulary.pieces, normalIds(vocabulary.pieces, vocabulary.types, "vocabulary"))];
  let size = 16;
  while (size < 2 * all.length) size *= 2;
  const table: MergeTable = { slots: new Int32Array(4 * size).fill(-1), mask: size - 1 };
  for (const { left, right, result } of all) {
    let slot = pairSlot(left, right, table.mask);
    while (table.slots[4 * slot]! >= 0) slot = (slot + 1) & table.mask;
    table.slots.set([left, right, vocabulary.ranks[result]!, result], 4 * slot);
  }
  return table;
}

/** Index into `slots` of the quadruple of a pair, or -1. Negative ids (byte pieces' place-holders) merge with nothing. */
export function findMerge(table: MergeTable, left: number, right: number): number {
  const { slots, mask } = table;
  let slot = pairSlot(left, right, mask);
  for (;;) {
    const at = 4 * slot;
    const seen = slots[at]!;
    if (seen < 0) return -1;
    if (seen === left && slots[at + 1] === right) return at;
    slot = (slot + 1) & mask;
  }
}

function pairSlot(left: number, right: number, mask: number): number {
  let h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  h ^= h >>> 15;
  return h & mask;
}
