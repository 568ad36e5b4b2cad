/**
 * Which two adjacent pieces merge, into what, and how soon: an open-addressed table of int32 quadruples behind a filter of bits.
 */
import type { Vocabulary } from "./vocabulary.ts";

/** Pairs of pieces that merge. */
export interface MergeTable {
  /** Left, right, rank and result of a pair; left is -1 in a free slot. */
  readonly slots: Int32Array;
  readonly mask: number;
  /** A million bits, one set for every pair: 128 KiB that stay near the processor and answer nearly all pairs that do not merge. */
  readonly filter: Int32Array;
}

/** The merges of a SentencePiece vocabulary: every way to make a piece, at the rank of the piece. */
export function mergeTable({ splits, ranks }: Pick<Vocabulary, "splits" | "ranks">): MergeTable {
  return tableOf(splits, (_, result) => ranks[result]!);
}

/** Merges by their place in a list: triples of left, right and result. */
export function listedMergeTable(merges: Int32Array): MergeTable {
  return tableOf(merges, (place) => place);
}

/** Deterministic; the load factor stays below one half. */
function tableOf(splits: Int32Array, rankOf: (place: number, result: number) => number): MergeTable {
  let size = 16;
  while (size < (2 * splits.length) / 3) size *= 2;
  const mask = size - 1;
  const slots = new Int32Array(4 * size).fill(-1);
  const filter = new Int32Array(2 ** 15);
  for (let i = 0; i < splits.length; i += 3) {
    const left = splits[i]!;
    const right = splits[i + 1]!;
    const result = splits[i + 2]!;
    const hash = pairHash(left, right);
    filter[hash >>> 17]! |= 1 << (hash >>> 12);
    let slot = hash & mask;
    while (slots[4 * slot]! >= 0) slot = (slot + 1) & mask;
    slots[4 * slot] = left;
    slots[4 * slot + 1] = right;
    slots[4 * slot + 2] = rankOf(i / 3, result);
    slots[4 * slot + 3] = result;
  }
  return { slots, mask, filter };
}

/** Index into `slots` of the quadruple of a pair, or -1. */
export function findMerge(table: MergeTable, left: number, right: number): number {
  const hash = pairHash(left, right);
  if (((table.filter[hash >>> 17]! >>> (hash >>> 12)) & 1) === 0) return -1;
  const { slots, mask } = table;
  let slot = hash & mask;
  for (;;) {
    const at = 4 * slot;
    const seen = slots[at]!;
    if (seen < 0) return -1;
    if (seen === left && slots[at + 1] === right) return at;
    slot = (slot + 1) & mask;
  }
}

/** 32 bits; a shift count takes the low five bits of its operand, so `hash >>> 12` selects a bit of word `hash >>> 17`. */
function pairHash(left: number, right: number): number {
  const h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return h ^ (h >>> 15);
}
