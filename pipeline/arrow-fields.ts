/**
 * The schema of an Arrow file or stream: its columns, and for each the place of its nodes and buffers in a record batch.
 * Every type of the format is known by how many buffers it has; strings and structs are read, the rest is passed over.
 */
import type { FlatTable } from "../shards/flatbuffer.ts";
import type { FieldPath } from "./cells.ts";
import { integerType, type NumberType } from "./numbers.ts";

/** How the values of a column are laid out: strings with offsets of 4 or 8 bytes, strings by view, structs, or something not read. */
export type ArrowLayout = "strings" | "large strings" | "views" | "struct" | "other";

/** A column, or a field of a struct. */
export interface ArrowField {
  readonly name: string;
  readonly layout: ArrowLayout;
  /** What it holds instead of strings; null for strings. */
  readonly holds: string | null;
  /** How its numbers are stored; null where it holds something else, or numbers that are not read (decimals). */
  readonly number: NumberType | null;
  /** Where its values are indices into a dictionary: its id and the bytes of an index. */
  readonly dictionary: { readonly id: number; readonly bytes: number } | null;
  /** Position of its node, of its first buffer and of its count of data buffers in a record batch. */
  readonly node: number;
  readonly buffer: number;
  readonly view: number;
  /** Whether its first buffer is a validity bitmap. */
  readonly nullable: boolean;
  readonly children: readonly ArrowField[];
}

/** A schema. */
export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
}

/** The types by their number in Arrow's Schema.fbs: buffers of their own, layout, and what they hold. */
const TYPES: Readonly<Record<number, readonly [buffers: number, layout: ArrowLayout, holds: string | null]>> =
  {
    1: [0, "other", "null"],
    2: [2, "other", "a number"],
    3: [2, "other", "a number"],
    4: [3, "strings", null],
    5: [3, "strings", null],
    6: [2, "other", "a boolean"],
    7: [2, "other", "a number"],
    8: [2, "other", "a date"],
    9: [2, "other", "a time"],
    10: [2, "other", "a time"],
    11: [2, "other", "a time"],
    12: [2, "other", "a list"],
    13: [1, "struct", "an object"],
    15: [2, "other", "binary data"],
    16: [1, "other", "a list"],
    17: [2, "other", "an object"],
    18: [2, "other", "a time"],
    19: [3, "large strings", null],
    20: [3, "large strings", null],
    21: [2, "other", "a list"],
    22: [0, "other", "runs"],
    23: [2, "views", null],
    24: [2, "views", null],
    25: [3, "other", "a list"],
    26: [3, "other", "a list"],
  };
const UNION = 14;

/** Reads a schema table. Throws an Error or RangeError that says what is wrong. */
export function decodeArrowSchema(table: FlatTable): ArrowSchema {
  if (table.int16(0) !== 0) throw new Error("it is big-endian");
  const place = { node: 0, buffer: 0, view: 0 };
  return { fields: table.tables(1).map((field) => decodeField(field, place)) };
}

interface Place {
  node: number;
  buffer: number;
  view: number;
}

function decodeField(table: FlatTable, place: Place): ArrowField {
  const type = table.uint8(2);
  const encoding = table.table(4);
  const { node, buffer, view } = place;
  place.node++;
  if (encoding) {
    place.buffer += 2;
    const bits = encoding.table(1)?.int32(0) ?? 32;
    if (![8, 16, 32, 64].includes(bits)) throw new Error(`dictionary indices of ${bits} bits`);
    const [, layout, holds] = TYPES[type] ?? [0, "other" as const, "something unknown"];
    const dictionary = { id: encoding.int64(0), bytes: bits / 8 };
    return {
      name: table.string(0),
      layout,
      holds,
      number: null,
      dictionary,
      node,
      buffer,
      view,
      nullable: true,
      children: [],
    };
  }
  let [buffers, layout, holds] = TYPES[type] ?? [-1, "other" as const, null];
  // A union has the types of its members, and where it is dense their offsets.
  if (type === UNION)
    [buffers, layout, holds] = [table.table(3)?.int16(0) === 1 ? 2 : 1, "other", "one of several types"];
  if (buffers < 0) throw new Error(`column \`${table.string(0)}\` has a type that is not known (${type})`);
  place.buffer += buffers;
  if (layout === "views") place.view++;
  const nullable = buffers > 0 && type !== UNION;
  const number = numberType(type, table.table(3));
  const children = table.tables(5).map((child) => decodeField(child, place));
  const name = table.string(0);
  return { name, layout, holds, number, dictionary: null, node, buffer, view, nullable, children };
}

/** How the numbers of a column of integers (2) or floating point (3) are stored. */
function numberType(type: number, details: FlatTable | undefined): NumberType | null {
  if (type === 2) return integerType(details?.int32(0) ?? 0, details?.uint8(1) === 1);
  return type === 3 ? ((["half", "float", "double"] as const)[details?.int16(0) ?? 0] ?? null) : null;
}

/** The fields from a column to the field that a path names; undefined for nothing. A column of that whole name goes first. */
export function arrowPath(
  { fields }: ArrowSchema,
  { name, keys }: FieldPath,
): readonly ArrowField[] | undefined {
  const whole = fields.find((field) => field.name === name);
  if (whole) return [whole];
  const path: ArrowField[] = [];
  let level: readonly ArrowField[] = fields;
  for (const key of keys) {
    const field = level.find((candidate) => candidate.name === key);
    if (field === undefined) return undefined;
    path.push(field);
    level = field.layout === "struct" && field.dictionary === null ? field.children : [];
  }
  return path;
}
