/**
 * A checked reader of flatbuffers tables, as much as Arrow's metadata needs. Every position and length is compared with the bytes
 * at hand, so that a damaged file throws a RangeError; apache-arrow's decoder trusts them and can run out of memory on one flipped bit.
 */

/** A vector inside a table: `length` elements of a fixed size, the first at byte `at`. */
export interface FlatVector {
  readonly length: number;
  readonly at: number;
}

/** A table at byte `at`; fields go by their number in the schema file. An absent field is its default. */
export class FlatTable {
  readonly view: DataView;
  readonly #at: number;

  constructor(view: DataView, at: number) {
    this.view = view;
    this.#at = at;
  }

  /** The root table of a buffer. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new FlatTable(view, view.getUint32(0, true));
  }

  uint8(field: number): number {
    const at = this.#position(field);
    return at === undefined ? 0 : this.view.getUint8(at);
  }

  int16(field: number): number {
    const at = this.#position(field);
    return at === undefined ? 0 : this.view.getInt16(at, true);
  }

  int32(field: number): number {
    const at = this.#position(field);
    return at === undefined ? 0 : this.view.getInt32(at, true);
  }

  int64(field: number): number {
    const at = this.#position(field);
    return at === undefined ? 0 : int64At(this.view, at);
  }

  table(field: number): FlatTable | undefined {
    const at = this.#position(field);
    return at === undefined ? undefined : new FlatTable(this.view, at + this.view.getUint32(at, true));
  }

  string(field: number): string {
    const { length, at } = this.vector(field, 1);
    return new TextDecoder().decode(new Uint8Array(this.view.buffer, this.view.byteOffset + at, length));
  }

  /** A vector of structs or numbers of `bytes` each; one of length 0 where it is absent. */
  vector(field: number, bytes: number): FlatVector {
    const at = this.#position(field);
    if (at === undefined) return { length: 0, at: 0 };
    const start = at + this.view.getUint32(at, true);
    const length = this.view.getUint32(start, true);
    if (start + 4 + length * bytes > this.view.byteLength)
      throw new RangeError(`a vector of ${length} elements at byte ${start} of ${this.view.byteLength}`);
    return { length, at: start + 4 };
  }

  /** A vector of tables. */
  tables(field: number): readonly FlatTable[] {
    const { length, at } = this.vector(field, 4);
    return Array.from({ length }, (_, i) => {
      const place = at + 4 * i;
      return new FlatTable(this.view, place + this.view.getUint32(place, true));
    });
  }

  #position(field: number): number | undefined {
    const vtable = this.#at - this.view.getInt32(this.#at, true);
    const slot = 4 + 2 * field;
    if (slot + 2 > this.view.getUint16(vtable, true)) return undefined;
    const offset = this.view.getUint16(vtable + slot, true);
    return offset === 0 ? undefined : this.#at + offset;
  }
}

/** A 64-bit integer that is a count or a position: from 0, and exact in a double. Throws RangeError. */
export function int64At(view: DataView, at: number): number {
  const value = view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`a count of ${value} at byte ${at}`);
  return value;
}
