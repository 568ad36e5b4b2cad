/**
 * Which two adjacent pieces merge, into what, and how soon: an open-addressed table of int32 quadruples, one cache line a look-up.
 */
import type { Vocabulary } from "./vocabulary.ts";

/** Pairs of pieces that merge. `slots` holds left, right, rank, result; left is -1 in a free slot. */
export interface MergeTable {
  readonly slots: Int32Array;
  readonly mask: number;
}

/** The merges of a vocabulary. Deterministic; the load factor stays below one half. */
export function mergeTable({ splits, ranks }: Vocabulary): MergeTable {
  let size = 16;
  while (size < (2 * splits.length) / 3) size *= 2;
  const mask = size - 1;
  const slots = new Int32Array(4 * size).fill(-1);
  for (let i = 0; i < splits.length; i += 3) {
    const left = splits[i]!;
    const right = splits[i + 1]!;
    const result = splits[i + 2]!;
    let slot = pairSlot(left, right, mask);
    while (slots[4 * slot]! >= 0) slot = (slot + 1) & mask;
    slots[4 * slot] = left;
    slots[4 * slot + 1] = right;
    slots[4 * slot + 2] = ranks[result]!;
    slots[4 * slot + 3] = result;
  }
  return { slots, mask };
}

/** Index into `slots` of the quadruple of a pair, or -1. */
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
