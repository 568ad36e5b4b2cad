/**
 * Numbers for stretches of a text: equal stretches have equal numbers, in order of first appearance. Up to eight bytes are their own key, and of
 * longer ones the hash only finds: their bytes are compared.
 */
import type { Bytes } from "./bytes.ts";
import { grown } from "./grown.ts";

/** By size: the bits of a little-endian word of which so many bytes count. */
const MASKS = Int32Array.of(0, 0xff, 0xffff, 0xff_ffff, -1, -1, -1, -1, -1);
const KEYED = 8;

/** A table for one text after another. It owns its memory. */
export class Numbering {
  /** How many numbers were given. */
  distinct = 0;
  /** By number: where the stretch begins and ends for the first time. */
  starts = new Int32Array(1024);
  ends = new Int32Array(1024);
  #lows = new Int32Array(1024);
  #highs = new Int32Array(1024);
  #table = new Int32Array(1024);
  #mask = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));

  /** Begins a text; `expected` is about how many different stretches it has. */
  begin({ view }: Bytes, expected: number): void {
    this.#view = view;
    this.distinct = 0;
    this.#open(2 ** Math.ceil(Math.log2(Math.max(64, expected * 2))));
  }

  /** The number of [start, end); it is new where it equals `distinct` as it was before. */
  number(start: number, end: number): number {
    const view = this.#view;
    const size = end - start;
    let low = view.getInt32(start, true);
    let high: number;
    if (size <= KEYED) {
      low &= MASKS[size]!;
      high = size > 4 ? view.getInt32(start + 4, true) & MASKS[size - 4]! : 0;
    } else {
      high = view.getInt32(end - 4, true);
      for (let i = start + 4; i < end - 4; i += 4) {
        low = Math.imul(low ^ (low >>> 15), 0x2c1b3c6d) ^ view.getInt32(i, true);
      }
    }
    const table = this.#table;
    const mask = this.#mask;
    const lows = this.#lows;
    const highs = this.#highs;
    let slot = slotOf(low, high) & mask;
    for (let id = table[slot]!; id >= 0; id = table[slot]!) {
      if (lows[id] === low && highs[id] === high && this.ends[id]! - this.starts[id]! === size)
        if (size <= KEYED || this.#same(this.starts[id]!, start, end)) return id;
      slot = (slot + 1) & mask;
    }
    return this.#add(slot, low, high, start, end);
  }

  #add(slot: number, low: number, high: number, start: number, end: number): number {
    const id = this.distinct++;
    if (id === this.starts.length) {
      this.starts = grown(this.starts);
      this.ends = grown(this.ends);
      this.#lows = grown(this.#lows);
      this.#highs = grown(this.#highs);
    }
    this.starts[id] = start;
    this.ends[id] = end;
    this.#lows[id] = low;
    this.#highs[id] = high;
    this.#table[slot] = id;
    if (this.distinct * 2 > this.#mask) this.#rehash();
    return id;
  }

  /** Whether what begins at `first` is [start, end), which has more than eight bytes. */
  #same(first: number, start: number, end: number): boolean {
    const view = this.#view;
    const offset = first - start;
    for (let i = start; i < end - 4; i += 4)
      if (view.getInt32(i, true) !== view.getInt32(i + offset, true)) return false;
    return true;
  }

  #open(size: number): void {
    if (this.#table.length < size) this.#table = new Int32Array(size);
    this.#table.fill(-1, 0, size);
    this.#mask = size - 1;
  }

  #rehash(): void {
    this.#open((this.#mask + 1) * 2);
    for (let id = 0; id < this.distinct; id++) {
      let slot = slotOf(this.#lows[id]!, this.#highs[id]!) & this.#mask;
      while (this.#table[slot]! >= 0) slot = (slot + 1) & this.#mask;
      this.#table[slot] = id;
    }
  }
}

function slotOf(low: number, high: number): number {
  const hash = Math.imul(low, 0x9e3779b1) ^ Math.imul(high ^ (low >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 15);
}
