/**
 * Exact counts in a fixed amount of memory: an open-addressing table from a key to a count.
 * A full table takes no new keys, so its counts stay true and probabilities made of them still sum to 1.
 */
import { mix32 } from "../../core/random.ts";

/** Load at which no new key is taken. */
const FULL = 0.75;

/** Counts of keys, which are whole numbers in [0, 2^52). */
export class CountTable {
  readonly slots: number;
  /** The key in a slot plus 1; 0 where the slot is free. */
  readonly keys: Float64Array;
  readonly counts: Uint32Array;
  #used: number;

  /** A table of 2^bits slots; with `keys` and `counts`, one that was saved. */
  constructor(
    bits: number,
    keys: Float64Array = new Float64Array(2 ** bits),
    counts: Uint32Array = new Uint32Array(2 ** bits),
  ) {
    this.slots = 2 ** bits;
    this.keys = keys;
    this.counts = counts;
    this.#used = keys.reduce((used, key) => used + (key === 0 ? 0 : 1), 0);
  }

  /** The slot of the key (`high` * 2^20 + `low` with low < 2^20), or -1. */
  find(high: number, low: number): number {
    const slot = this.#probe(high, low);
    return this.keys[slot] === 0 ? -1 : slot;
  }

  /** The slot of the key, taken if it was free; -1 if the table is full. The count is the caller's to raise. */
  take(high: number, low: number): number {
    const slot = this.#probe(high, low);
    if (this.keys[slot] !== 0) return slot;
    if (this.#used >= this.slots * FULL) return -1;
    this.#used++;
    this.keys[slot] = high * 2 ** 20 + low + 1;
    return slot;
  }

  /** How many keys it holds. */
  get used(): number {
    return this.#used;
  }

  #probe(high: number, low: number): number {
    const key = high * 2 ** 20 + low + 1;
    const mask = this.slots - 1;
    let slot = mix32(Math.imul(high, 0x9e3779b1) ^ low) & mask;
    for (let seen = this.keys[slot]!; seen !== 0 && seen !== key; seen = this.keys[slot]!)
      slot = (slot + 1) & mask;
    return slot;
  }
}
