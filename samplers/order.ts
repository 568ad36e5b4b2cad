/**
 * Which row of a domain comes when: a keyed permutation a domain and epoch, computed by index (docs/format.md 2 and 3.2).
 * No buffer, no index file, no state; 32-bit arithmetic only. It gives up moving documents: neighbours in the stream stay
 * neighbours in every epoch, only the cuts between rows move.
 */
import { type Key, keyOf, mix32, offsetOf, wordAt } from "../core/random.ts";
import type { ScheduleHeader } from "./header.ts";
import { epochRows } from "./schedule-domain.ts";

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

/** A domain by name and length, as in a schedule's header. */
export interface OrderedDomain {
  readonly name: string;
  /** Tokens of the stream. */
  readonly tokens: number;
  /** Rows of an epoch where a pack plan makes them. */
  readonly rows?: number | undefined;
}

/** The rows of one epoch of one domain. */
export interface Epoch {
  /** 0 for the first pass over the domain. */
  readonly epoch: number;
  /** Token of the stream at which row 0 starts; 0 where rows are packed. */
  readonly offset: number;
  /** Place in the epoch -> row. */
  readonly permutation: Permutation;
}

/** The order of one domain's rows. */
export interface DomainOrder {
  /** Rows an epoch. */
  readonly rows: number;
  /** The epoch's keys; the last one asked for is kept. */
  epoch(epoch: number): Epoch;
  /** Token of the stream, read as a ring, at which a row of an epoch starts; of packed rows their number in the pack plan. */
  startOf(epoch: Epoch, row: number): number;
  /** When a row is served in an epoch: its ordinal among all rows that the domain ever gives. */
  ordinalOf(epoch: number, row: number): number;
}

/**
 * The permutation of [0, n) under a key, 1 <= n <= 2^32. A table of n words up to n = 4,096 (built at once);
 * above it a cycle-walking network of six rounds, under four passes on average and no memory.
 */
export function permutation(n: number, key: Key): Permutation {
  return n <= TABLE_SIZE ? table(n, key) : network(n, key);
}

/** What the order of a schedule's domains depends on beside the domain. */
export type OrderHeader = Pick<ScheduleHeader, "seed" | "rowTokens">;

/** The order of a domain of at least one row: a pure function of its arguments. */
export function domainOrder({ seed, rowTokens }: OrderHeader, domain: OrderedDomain): DomainOrder {
  const { name, tokens } = domain;
  const packed = domain.rows !== undefined;
  const rows = epochRows(domain, rowTokens);
  let known: Epoch | undefined;
  function epoch(number: number): Epoch {
    if (known?.epoch === number) return known;
    const key = keyOf("order", seed, name, number);
    const offset = packed ? 0 : offsetOf(key, tokens);
    known = { epoch: number, offset, permutation: permutation(rows, key) };
    return known;
  }
  return {
    rows,
    epoch,
    startOf: packed ? (_, row) => row : ({ offset }, row) => (offset + row * rowTokens) % tokens,
    ordinalOf: (number, row) => number * rows + epoch(number).permutation.positionOf(row),
  };
}

/** Position in batch `k` -> slot of its layout: the permutation of [0, batchRows) under key(`batch`, seed, k). */
export function batchOrder(seed: number, batch: number, batchRows: number): Permutation {
  return permutation(batchRows, keyOf("batch", seed, batch));
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
