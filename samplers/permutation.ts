/**
 * Keyed permutations of [0, n), computed by index (docs/format.md 2). No buffer, no index file, no state; 32-bit arithmetic only.
 */
import { type Key, mix32, wordAt } from "../core/random.ts";

/** Up to this size a permutation is a sorted table; the network is badly biased on tiny domains. */
const TABLE_SIZE = 4096;
const ROUNDS = 6;

/** A bijection of [0, size). */
export interface Permutation {
  readonly size: number;
  /** The value at a position in [0, size). */
  at(position: number): number;
  /** The position of a value in [0, size): the inverse of `at`. */
  positionOf(value: number): number;
}

/**
 * The permutation of [0, n) under a key, 1 <= n <= 2^32. A table of n words up to n = 4,096 (built at once);
 * above it a cycle-walking network of six rounds, under four passes on average and no memory.
 */
export function permutation(n: number, key: Key): Permutation {
  return n <= TABLE_SIZE ? table(n, key) : network(n, key);
}

/** Indices sorted by their word, ties by index: into buckets by the word's first bits, each kept sorted as it fills. */
function table(n: number, key: Key): Permutation {
  const shift = Math.min(31, Math.clz32(n - 1));
  const words = new Uint32Array(n);
  const firsts = new Uint16Array((0xffffffff >>> shift) + 2);
  for (let i = 0; i < n; i++) {
    words[i] = wordAt(key, i);
    firsts[(words[i]! >>> shift) + 1]!++;
  }
  for (let bucket = 1; bucket < firsts.length; bucket++) firsts[bucket]! += firsts[bucket - 1]!;
  const ends = firsts.slice();
  const values = new Uint16Array(n);
  for (let i = 0; i < n; i++) {
    const word = words[i]!;
    const first = firsts[word >>> shift]!;
    let at = ends[word >>> shift]!++;
    for (; at > first && words[values[at - 1]!]! > word; at--) values[at] = values[at - 1]!;
    values[at] = i;
  }
  let positions: Uint16Array | undefined;
  return {
    size: n,
    at: (position) => values[position]!,
    positionOf(value) {
      if (positions === undefined) {
        positions = new Uint16Array(n);
        for (let position = 0; position < n; position++) positions[values[position]!] = position;
      }
      return positions[value]!;
    },
  };
}

/** The halves swap each round, so an even round cuts the mixed word to the high half's width and an odd one to the low half's. */
function network(n: number, key: Key): Permutation {
  const bits = 32 - Math.clz32(n - 1);
  const highBits = Math.floor(bits / 2);
  const lowBits = bits - highBits;
  const highMask = 2 ** highBits - 1;
  const lowMask = 2 ** lowBits - 1;

  function forth(value: number): number {
    let left = value >>> lowBits;
    let right = value & lowMask;
    for (let round = 0; round < ROUNDS; round++) {
      const next = left ^ (mix32((right + key[round]!) | 0) & (round % 2 === 0 ? highMask : lowMask));
      left = right;
      right = next;
    }
    return ((left << lowBits) | right) >>> 0;
  }
  function back(value: number): number {
    let left = value >>> lowBits;
    let right = value & lowMask;
    for (let round = ROUNDS - 1; round >= 0; round--) {
      const before = right ^ (mix32((left + key[round]!) | 0) & (round % 2 === 0 ? highMask : lowMask));
      right = left;
      left = before;
    }
    return ((left << lowBits) | right) >>> 0;
  }
  function walk(step: (value: number) => number, from: number): number {
    let value = step(from);
    while (value >= n) value = step(value);
    return value;
  }
  return { size: n, at: (position) => walk(forth, position), positionOf: (value) => walk(back, value) };
}
