/**
 * The values of one field path in a record batch, as cells, a slice of rows at a time: of uncompressed buffers only the slice is in memory,
 * compressed buffers and those of views are decoded whole.
 */
import type { ArrowField } from "./arrow-fields.ts";
import type { ArrowBatch, ArrowRegion } from "./arrow-message.ts";
import type { Cell } from "./cells.ts";
import { decode } from "./codecs.ts";
import { numberBytes, numbersIn } from "./numbers.ts";
import type { TableFile } from "./table-file.ts";

/** A slice has at most so many rows, and where they are longer than one so many bytes of text. */
const SLICE_ROWS = 8192;
const SLICE_BYTES = 1024 * 1024;

/** The strings of dictionaries by id; null where one could not be read. */
export type Dictionaries = ReadonlyMap<number, readonly Cell[] | null>;

/** Reads the cells of a path. Rows must be asked for in ascending order. Methods throw an Error that says what is wrong. */
export interface ArrowValues {
  /** How many rows from `row` on make a slice. */
  fit(row: number): Promise<number>;
  /** The cells of rows [from, to). */
  cells(from: number, to: number): Promise<readonly Cell[]>;
  /** Position in the file up to which values have been read, where that is known. */
  readonly at: number | null;
}

/** Opens the values of a path of fields; `leads`: hash what is read, for the largest of the columns that are read side by side. */
export async function openArrowValues(
  file: TableFile,
  batch: ArrowBatch,
  path: readonly ArrowField[],
  dictionaries: Dictionaries,
  maxBytes: number,
  leads: boolean,
): Promise<ArrowValues> {
  const leaf = path.at(-1)!;
  const masks: (Bits | null)[] = [];
  for (const field of path) {
    const node = batch.nodes[field.node];
    if (node === undefined || node.rows !== batch.rows)
      throw new Error(`column \`${field.name}\` has ${node?.rows ?? "no"} of ${batch.rows} rows`);
    masks.push(node.nulls === 0 || !field.nullable ? null : await readBits(file, batch, field));
  }
  const strings = await openLeaf(file, batch, leaf, dictionaries, maxBytes, leads);
  const outer = masks.slice(0, -1);
  const own = masks.at(-1)!;
  return {
    fit: async (row) => Math.min(batch.rows - row, (await strings.fit?.(row)) ?? SLICE_ROWS),
    get at() {
      return strings.at?.() ?? null;
    },
    async cells(from, to) {
      const isThere = (row: number) => outer.every((mask) => mask === null || mask.has(row));
      const isNull = (row: number) => own !== null && !own.has(row);
      const values = await strings.cells(from, to, (row) => isThere(row) && !isNull(row));
      return values.map((value, i) => (isThere(from + i) ? (isNull(from + i) ? null : value) : undefined));
    },
  };
}

interface Leaf {
  fit?(row: number): Promise<number>;
  at?(): number | null;
  cells(from: number, to: number, valid: (row: number) => boolean): Promise<readonly Cell[]>;
}

async function openLeaf(
  file: TableFile,
  batch: ArrowBatch,
  field: ArrowField,
  dictionaries: Dictionaries,
  maxBytes: number,
  leads: boolean,
): Promise<Leaf> {
  const { dictionary, holds, number } = field;
  if (number !== null) {
    const width = numberBytes(number);
    const values = await openBuffer(file, batch, bufferOf(batch, field, 1), false);
    return {
      cells: async (from, to) => numbersIn(await values.read(width * from, width * to), number),
    };
  }
  if (holds !== null) {
    const cell = holds === "null" ? null : { holds };
    return { cells: async (from, to) => new Array<Cell>(to - from).fill(cell) };
  }
  if (dictionary !== null) {
    const values = dictionaries.get(dictionary.id);
    if (!values) throw new Error(`the dictionary of column \`${field.name}\` is missing or corrupt`);
    const indices = await openBuffer(file, batch, bufferOf(batch, field, 1), leads);
    return { cells: (from, to, valid) => byIndex(indices, dictionary.bytes, values, from, to, valid) };
  }
  if (field.layout === "views") return openViews(file, batch, field);
  const width = field.layout === "strings" ? 4 : 8;
  const offsets = await openBuffer(file, batch, bufferOf(batch, field, 1), false);
  const values = await openBuffer(file, batch, bufferOf(batch, field, 2), leads);
  if (batch.rows > 0 && offsets.bytes < width * (batch.rows + 1))
    throw new Error(`column \`${field.name}\` has fewer offsets than rows`);
  return new Strings(offsets, values, width, batch.rows, maxBytes);
}

async function byIndex(
  indices: ArrowBuffer,
  width: number,
  values: readonly Cell[],
  from: number,
  to: number,
  valid: (row: number) => boolean,
): Promise<readonly Cell[]> {
  const bytes = await indices.read(width * from, width * to);
  return Array.from({ length: to - from }, (_, i) => {
    if (!valid(from + i)) return undefined;
    const index = width === 8 ? Number(bytes.readBigUInt64LE(8 * i)) : bytes.readUIntLE(width * i, width);
    if (index >= values.length) throw new RangeError(`index ${index} in a dictionary of ${values.length}`);
    return values[index];
  });
}

/** Strings that lie one behind the other, cut by offsets. */
class Strings implements Leaf {
  readonly #offsets: ArrowBuffer;
  readonly #values: ArrowBuffer;
  readonly #width: 4 | 8;
  readonly #rows: number;
  readonly #maxBytes: number;
  /** Offsets of rows from #from on, one more than rows. */
  #ends: readonly number[] = [];
  #from = 0;
  #at: number | null = null;

  constructor(offsets: ArrowBuffer, values: ArrowBuffer, width: 4 | 8, rows: number, maxBytes: number) {
    this.#offsets = offsets;
    this.#values = values;
    this.#width = width;
    this.#rows = rows;
    this.#maxBytes = maxBytes;
  }

  at(): number | null {
    return this.#at;
  }

  async fit(row: number): Promise<number> {
    const ends = await this.#endsFrom(row, Math.min(this.#rows, row + SLICE_ROWS));
    let rows = 1;
    while (rows + 1 < ends.length && ends[rows + 1]! - ends[0]! <= SLICE_BYTES) rows++;
    return rows;
  }

  async cells(from: number, to: number): Promise<readonly Cell[]> {
    const ends = await this.#endsFrom(from, to);
    const lengths = Array.from({ length: to - from }, (_, i) => ends[i + 1]! - ends[i]!);
    this.#at = this.#values.positionOf(ends[to - from]!);
    if (lengths.every((length) => length <= this.#maxBytes)) {
      const bytes = await this.#values.read(ends[0]!, ends[to - from]!);
      return lengths.map((length, i) => bytes.subarray(ends[i]! - ends[0]!, ends[i]! - ends[0]! + length));
    }
    const cells: Cell[] = [];
    for (const [i, length] of lengths.entries())
      cells.push(
        length > this.#maxBytes ? { bytes: length } : await this.#values.read(ends[i]!, ends[i + 1]!),
      );
    return cells;
  }

  /** The offsets of rows [from, to) and of the end. */
  async #endsFrom(from: number, to: number): Promise<readonly number[]> {
    if (from < this.#from || to >= this.#from + this.#ends.length) {
      const upTo = Math.min(this.#rows, Math.max(to, from + SLICE_ROWS));
      const bytes = await this.#offsets.read(this.#width * from, this.#width * (upTo + 1));
      this.#ends = Array.from({ length: upTo + 1 - from }, (_, i) =>
        this.#width === 4 ? bytes.readInt32LE(4 * i) : Number(bytes.readBigInt64LE(8 * i)),
      );
      this.#from = from;
      for (const [i, end] of this.#ends.entries())
        if (end < (i === 0 ? 0 : this.#ends[i - 1]!) || end > this.#values.bytes)
          throw new RangeError(`offset ${end} of row ${from + i} is corrupt`);
    }
    return this.#ends.slice(from - this.#from, to - this.#from + 1);
  }
}

/** Strings of up to 12 bytes inside 16-byte views, longer ones in data buffers. */
async function openViews(file: TableFile, batch: ArrowBatch, field: ArrowField): Promise<Leaf> {
  const views = await openBuffer(file, batch, bufferOf(batch, field, 1), false);
  const data: Buffer[] = [];
  for (let i = 0; i < (batch.views[field.view] ?? 0); i++) {
    const buffer = await openBuffer(file, batch, bufferOf(batch, field, 2 + i), false);
    data.push(await buffer.read(0, buffer.bytes));
  }
  return {
    async cells(from, to, valid) {
      const bytes = await views.read(16 * from, 16 * to);
      return Array.from({ length: to - from }, (_, i) => {
        if (!valid(from + i)) return undefined;
        const length = bytes.readInt32LE(16 * i);
        if (length >= 0 && length <= 12) return bytes.subarray(16 * i + 4, 16 * i + 4 + length);
        const source = data[bytes.readInt32LE(16 * i + 8)];
        const at = bytes.readInt32LE(16 * i + 12);
        if (source === undefined || length < 0 || at < 0 || at + length > source.length)
          throw new RangeError(`the view of row ${from + i} is corrupt`);
        return source.subarray(at, at + length);
      });
    },
  };
}

/** One buffer of a batch. */
interface ArrowBuffer {
  /** Bytes when decompressed. */
  readonly bytes: number;
  read(from: number, to: number): Promise<Buffer>;
  /** Position in the file of a byte; null where the buffer is compressed. */
  positionOf(at: number): number | null;
}

async function openBuffer(
  file: TableFile,
  batch: ArrowBatch,
  index: number,
  leads: boolean,
): Promise<ArrowBuffer> {
  const region = batch.buffers[index];
  if (region === undefined) throw new Error(`buffer ${index} of ${batch.buffers.length} is missing`);
  const load = async (from: number, to: number) => {
    const buffer = Buffer.allocUnsafe(to - from);
    await (leads ? file.fillInOrder(buffer, from) : file.fill(buffer, from));
    return buffer;
  };
  if (batch.codec === null) return plainBuffer(region, load);
  if (region.bytes === 0) return wholeBuffer(Buffer.alloc(0));
  // A compressed buffer starts with the length of its content, -1 where it is stored as it is.
  if (region.bytes < 8) throw new RangeError(`a compressed buffer of ${region.bytes} bytes`);
  const stored = await load(region.at, region.at + region.bytes);
  const size = Number(stored.readBigInt64LE(0));
  if (size === -1) return wholeBuffer(stored.subarray(8));
  if (size < 0 || size > Number.MAX_SAFE_INTEGER) throw new RangeError(`a buffer of ${size} bytes`);
  return wholeBuffer(decode(batch.codec, stored.subarray(8), size));
}

function plainBuffer(
  { at, bytes }: ArrowRegion,
  load: (from: number, to: number) => Promise<Buffer>,
): ArrowBuffer {
  return {
    bytes,
    read: async (from, to) => {
      if (to > bytes) throw new RangeError(`byte ${to} of a buffer of ${bytes}`);
      return load(at + from, at + to);
    },
    positionOf: (offset) => at + offset,
  };
}

function wholeBuffer(content: Buffer): ArrowBuffer {
  return {
    bytes: content.length,
    read: async (from, to) => {
      if (to > content.length) throw new RangeError(`byte ${to} of a buffer of ${content.length}`);
      return content.subarray(from, to);
    },
    positionOf: () => null,
  };
}

/** Position of a buffer of a field. Columns of views before it have data buffers, too, which the schema does not count. */
function bufferOf(batch: ArrowBatch, field: ArrowField, which: number): number {
  return batch.views.slice(0, field.view).reduce((sum, count) => sum + count, field.buffer + which);
}

interface Bits {
  has(row: number): boolean;
}

async function readBits(file: TableFile, batch: ArrowBatch, field: ArrowField): Promise<Bits> {
  const buffer = await openBuffer(file, batch, bufferOf(batch, field, 0), false);
  const bytes = await buffer.read(0, Math.ceil(batch.rows / 8));
  return { has: (row) => ((bytes[Math.floor(row / 8)]! >> (row % 8)) & 1) === 1 };
}
