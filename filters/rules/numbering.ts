/**
 * Numbers for stretches of a text: equal stretches have equal numbers, in order of first appearance. Hashes only find; units are compared.
 */

/** Multiplier of the hash: h = imul(h ^ unit, PRIME) from 0. */
export const PRIME = 0x01000193;

/** A table for one text after another. It owns its memory. */
export class Numbering {
  /** How many numbers were given. */
  distinct = 0;
  /** By number: where the stretch begins and ends for the first time. */
  starts = new Int32Array(1024);
  ends = new Int32Array(1024);
  #hashes = new Int32Array(1024);
  #table = new Int32Array(1024);
  #mask = 0;
  #units: Uint16Array = new Uint16Array(0);

  /** Begins a text; `expected` is about how many different stretches it has. */
  begin(units: Uint16Array, expected: number): void {
    this.#units = units;
    this.distinct = 0;
    this.#open(2 ** Math.ceil(Math.log2(Math.max(64, expected * 2))));
  }

  /** The number of [start, end), whose hash is `hash`; it is new where it equals `distinct` as it was before. */
  number(start: number, end: number, hash: number): number {
    const table = this.#table;
    const mask = this.#mask;
    let slot = slotOf(hash) & mask;
    for (let id = table[slot]!; id >= 0; slot = (slot + 1) & mask, id = table[slot]!)
      if (this.#hashes[id] === hash && this.#same(id, start, end)) return id;
    const id = this.distinct++;
    if (id === this.starts.length) this.#grow();
    this.starts[id] = start;
    this.ends[id] = end;
    this.#hashes[id] = hash;
    table[slot] = id;
    if (this.distinct * 2 > mask) this.#rehash();
    return id;
  }

  #same(id: number, start: number, end: number): boolean {
    const units = this.#units;
    const offset = this.starts[id]! - start;
    if (this.ends[id]! - end !== offset) return false;
    for (let i = start; i < end; i++) if (units[i] !== units[i + offset]) return false;
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
      let slot = slotOf(this.#hashes[id]!) & this.#mask;
      while (this.#table[slot]! >= 0) slot = (slot + 1) & this.#mask;
      this.#table[slot] = id;
    }
  }

  #grow(): void {
    this.starts = grown(this.starts);
    this.ends = grown(this.ends);
    this.#hashes = grown(this.#hashes);
  }
}

function slotOf(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x9e3779b1) >>> 12;
}

/** The same array with room for twice as much. */
export function grown<T extends Int32Array | Uint8Array>(from: T): T {
  const to = new (from.constructor as new (length: number) => T)(from.length * 2);
  to.set(from);
  return to;
}
