/**
 * One page of a parquet column: its header, and its values as cells. Headers and deltas are decoded by hyparquet, the rest here: strings
 * stay bytes (hyparquet's decoder drops a leading U+FEFF), and every page must hold exactly what its header says.
 */
import { crc32 } from "node:zlib";
import { parquetHeader } from "hyparquet/src/column.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import type { Cell } from "./cells.ts";
import { type Codec, decode } from "./codecs.ts";
import { type NumberType, numberBytes, numbersIn } from "./numbers.ts";
import type { ParquetColumn } from "./parquet-footer.ts";
import { decodeHybrid } from "./parquet-levels.ts";

/** A value that is read: the bytes of a string, or a number. */
export type ParquetValue = Buffer | number;

/** What the header of a page says. */
export interface PageHeader {
  readonly kind: "dictionary" | "data" | "other";
  /** Bytes of the header itself, and of what follows it, as stored. */
  readonly headerBytes: number;
  readonly bodyBytes: number;
  /** Bytes of the body when decompressed. */
  readonly size: number;
  /** Values of a dictionary, rows of a data page. */
  readonly rows: number;
  readonly encoding: string;
  /** CRC-32 of the body as stored, where the writer left one. */
  readonly crc: number | null;
  /** Levels that stand uncompressed before the values, in a data page of version 2. */
  readonly levels: {
    readonly repetition: number;
    readonly definition: number;
    readonly compressed: boolean;
    readonly nulls: number;
  } | null;
}

/** Decodes the header that `bytes` start with. Throws an Error where they do not, or are too few. */
export function decodePageHeader(bytes: Uint8Array): PageHeader {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  const header = parquetHeader(reader);
  const { data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary } = header;
  const known =
    header.type === "DICTIONARY_PAGE"
      ? dictionary
      : header.type === "DATA_PAGE"
        ? v1
        : header.type === "DATA_PAGE_V2"
          ? v2
          : undefined;
  const other = header.type === "INDEX_PAGE";
  const bodyBytes = header.compressed_page_size;
  const size = header.uncompressed_page_size;
  const rows = other ? 0 : known?.num_values;
  if (!isCount(bodyBytes) || !isCount(size) || !isCount(rows)) throw new Error("its header is corrupt");
  if (v1 && header.type === "DATA_PAGE" && v1.definition_level_encoding !== "RLE")
    throw new Error(`its levels are ${v1.definition_level_encoding}`);
  return {
    kind: header.type === "DICTIONARY_PAGE" ? "dictionary" : other ? "other" : "data",
    headerBytes: reader.offset,
    bodyBytes,
    size,
    rows,
    encoding: known?.encoding ?? "",
    crc: header.crc === undefined ? null : header.crc >>> 0,
    levels:
      header.type === "DATA_PAGE_V2" && v2
        ? {
            repetition: v2.repetition_levels_byte_length,
            definition: v2.definition_levels_byte_length,
            compressed: v2.is_compressed !== false,
            nulls: v2.num_nulls,
          }
        : null,
  };
}

/** The values of a dictionary page: numbers where `number` says how they are stored, else strings. Throws an Error that says what is wrong. */
export function decodeDictionary(
  header: PageHeader,
  body: Uint8Array,
  codec: Codec,
  number: NumberType | null,
): readonly ParquetValue[] {
  checkCrc(header, body);
  const page = decode(codec, body, header.size);
  return number === null ? plainStrings(page, header.rows) : plainNumbers(page, header.rows, number);
}

/** The cells of a data page, one a row. Throws an Error that says what is wrong. */
export function decodeDataPage(
  header: PageHeader,
  body: Uint8Array,
  column: ParquetColumn,
  codec: Codec,
  dictionary: readonly ParquetValue[] | null,
): readonly Cell[] {
  checkCrc(header, body);
  const { rows } = header;
  const { levels, values } = header.levels
    ? splitVersion2(header, header.levels, body, codec)
    : splitVersion1(header, body, column, codec);
  const defined = column.level === 0 ? null : decodeHybrid(levels, 32 - Math.clz32(column.level), rows);
  let count = rows;
  if (defined) {
    for (const level of defined) {
      if (level > column.level) throw new RangeError(`a definition level of ${level}`);
      if (level < column.level) count--;
    }
    if (header.levels && rows - count !== header.levels.nulls)
      throw new RangeError(`${rows - count} nulls, ${header.levels.nulls} stated`);
  }
  const known = valuesOf(header.encoding, values, count, column, dictionary);
  const value: (i: number) => Cell = known ? (i) => known[i]! : () => ({ holds: column.holds ?? "" });
  if (count === rows) return known ?? Array.from({ length: rows }, (_, i) => value(i));
  const nullLevel = column.optional ? column.level - 1 : -1;
  const cells = new Array<Cell>(rows);
  for (let row = 0, next = 0; row < rows; row++) {
    const level = defined![row]!;
    cells[row] = level === column.level ? value(next++) : level === nullLevel ? null : undefined;
  }
  return cells;
}

interface PageParts {
  readonly levels: Uint8Array;
  readonly values: Buffer;
}

function splitVersion1(header: PageHeader, body: Uint8Array, column: ParquetColumn, codec: Codec): PageParts {
  const page = decode(codec, body, header.size);
  if (column.level === 0) return { levels: page.subarray(0, 0), values: page };
  const bytes = page.readUInt32LE(0);
  if (4 + bytes > page.length) throw new RangeError(`levels of ${bytes} bytes in a page of ${page.length}`);
  return { levels: page.subarray(4, 4 + bytes), values: page.subarray(4 + bytes) };
}

function splitVersion2(
  header: PageHeader,
  { repetition, definition, compressed }: NonNullable<PageHeader["levels"]>,
  body: Uint8Array,
  codec: Codec,
): PageParts {
  const before = repetition + definition;
  if (!isCount(repetition) || !isCount(definition) || before > body.length || before > header.size)
    throw new RangeError(`levels of ${repetition} and ${definition} bytes in a page of ${body.length}`);
  const values = body.subarray(before);
  return {
    levels: body.subarray(repetition, before),
    values: decode(compressed ? codec : "UNCOMPRESSED", values, header.size - before),
  };
}

/** The values of a page, without its nulls; null where the column holds what is not read. */
function valuesOf(
  encoding: string,
  values: Buffer,
  count: number,
  { holds, number }: ParquetColumn,
  dictionary: readonly ParquetValue[] | null,
): readonly ParquetValue[] | null {
  if (holds !== null && number === null) return null;
  if (encoding === "PLAIN_DICTIONARY" || encoding === "RLE_DICTIONARY")
    return indexed(values, count, dictionary);
  return number === null ? stringsOf(encoding, values, count) : numbersOf(encoding, values, count, number);
}

function indexed(
  values: Buffer,
  count: number,
  dictionary: readonly ParquetValue[] | null,
): readonly ParquetValue[] {
  if (count === 0) return [];
  if (dictionary === null) throw new Error("it needs a dictionary page, and none is there");
  if (values.length === 0) throw new RangeError("it has no indices");
  const indices = decodeHybrid(values.subarray(1), values[0]!, count);
  return Array.from(indices, (index) => {
    const value = dictionary[index];
    if (value === undefined) throw new RangeError(`index ${index} in a dictionary of ${dictionary.length}`);
    return value;
  });
}

function numbersOf(encoding: string, values: Buffer, count: number, type: NumberType): readonly number[] {
  switch (encoding) {
    case "PLAIN":
      return plainNumbers(values, count, type);
    case "BYTE_STREAM_SPLIT": {
      const width = numberBytes(type);
      const bytes = Buffer.alloc(values.length);
      for (let b = 0; b < width; b++)
        for (let i = 0; i < count; i++) bytes[i * width + b] = values[b * count + i]!;
      return plainNumbers(bytes, count, type);
    }
    case "DELTA_BINARY_PACKED": {
      if (count === 0) return [];
      const is64 = numberBytes(type) === 8;
      const integers = is64 ? new BigInt64Array(count) : new Int32Array(count);
      const reader = { view: new DataView(values.buffer, values.byteOffset, values.byteLength), offset: 0 };
      deltaBinaryUnpack(reader, count, integers);
      return plainNumbers(Buffer.from(integers.buffer), count, type);
    }
    default:
      throw new Error(`its encoding is ${encoding || "unknown"}, which numbers cannot have`);
  }
}

function plainNumbers(bytes: Buffer, count: number, type: NumberType): readonly number[] {
  if (count * numberBytes(type) !== bytes.length)
    throw new RangeError(`${count} numbers in ${bytes.length} bytes`);
  return numbersIn(bytes, type);
}

function stringsOf(encoding: string, values: Buffer, count: number): readonly Buffer[] {
  switch (encoding) {
    case "PLAIN":
      return plainStrings(values, count);
    case "DELTA_LENGTH_BYTE_ARRAY":
      return deltaStrings(values, count, false);
    case "DELTA_BYTE_ARRAY":
      return deltaStrings(values, count, true);
    default:
      throw new Error(`its encoding is ${encoding || "unknown"}, which strings cannot have`);
  }
}

function plainStrings(bytes: Buffer, count: number): readonly Buffer[] {
  if (4 * count > bytes.length) throw new RangeError(`${count} strings in ${bytes.length} bytes`);
  const strings = new Array<Buffer>(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const from = at + 4;
    if (from > bytes.length) throw new RangeError(`${i} strings of ${count}`);
    at = from + bytes.readUInt32LE(at);
    if (at > bytes.length) throw new RangeError(`string ${i} of ${count} runs over`);
    strings[i] = bytes.subarray(from, at);
  }
  if (at !== bytes.length) throw new RangeError(`${bytes.length - at} bytes follow its ${count} strings`);
  return strings;
}

/** DELTA_LENGTH_BYTE_ARRAY, or with `prefixes` DELTA_BYTE_ARRAY, where a string shares its start with the one before. */
function deltaStrings(bytes: Buffer, count: number, prefixes: boolean): readonly Buffer[] {
  if (count === 0) return [];
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  const shared = new Int32Array(count);
  if (prefixes) deltaBinaryUnpack(reader, count, shared);
  const lengths = new Int32Array(count);
  deltaBinaryUnpack(reader, count, lengths);
  let at = reader.offset;
  let before: Buffer = bytes.subarray(0, 0);
  const strings = Array.from(lengths, (length, i) => {
    const prefix = shared[i]!;
    if (length < 0 || at + length > bytes.length || prefix < 0 || prefix > before.length)
      throw new RangeError(`string ${i} of ${count} runs over`);
    const suffix = bytes.subarray(at, at + length);
    at += length;
    before = prefix === 0 ? suffix : Buffer.concat([before.subarray(0, prefix), suffix]);
    return before;
  });
  if (at !== bytes.length) throw new RangeError(`${bytes.length - at} bytes follow its ${count} strings`);
  return strings;
}

function checkCrc({ crc }: PageHeader, body: Uint8Array): void {
  if (crc !== null && crc32(body) !== crc) throw new Error("its check sum is wrong");
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
