/**
 * Rows of a table (parquet, Arrow) as they are read: the few values that a document needs, still as bytes, with the place they came from.
 * The readers of both formats give these; `rows.ts` makes documents of them.
 */
import type { Damage } from "./pieces.ts";

/**
 * A value of a row: the bytes of a string, a number where numbers are read, null, undefined where the row has no such field, and for what is not read
 * either what it holds instead of a string (`a number`) or its length in bytes, where that is more than is allowed.
 */
export type Cell =
  | Uint8Array
  | number
  | { readonly holds: string }
  | { readonly bytes: number }
  | null
  | undefined;

/** A field path as it is named in options: `meta.redpajama_set_name`. */
export interface FieldPath {
  readonly name: string;
  readonly keys: readonly string[];
}

/** The path of a name; a dot goes into an object. */
export function fieldPath(name: string): FieldPath {
  return { name, keys: name.split(".") };
}

/** The fields that are read of a table. */
export interface TableFields {
  /** In order of preference: the first that a row has is its text. */
  readonly text: readonly FieldPath[];
  readonly domain: FieldPath | null;
  /** Where the address is; absent where none is asked for. */
  readonly url?: FieldPath | null;
  /** Numbers are read of these. */
  readonly scores: readonly FieldPath[];
  /** Longer values need not be read. */
  readonly maxBytes: number;
}

/** Consecutive rows, or nothing but news about the stored bytes. */
export interface TableRows {
  /** 1-based number of the first row in the file. */
  readonly line: number;
  readonly rows: number;
  /** Text of each row; one list a field, in order of preference. */
  readonly text: readonly (readonly Cell[])[];
  /** Domain of each row; null where no such column is there. */
  readonly domain: readonly Cell[] | null;
  /** Address of each row; absent or null where it was not asked for or no such column is there. */
  readonly url?: readonly Cell[] | null;
  /** Values of each row; one list a score field, null where no such column is there. */
  readonly scores: readonly (readonly Cell[] | null)[];
  /** [byteFrom, byteTo) of the stored page or batch that the rows came from. */
  readonly byteFrom: number;
  readonly byteTo: number;
}

/** What comes out of a table, in order. The `stored` counts and the damaged ranges add up to the length of the file. */
export interface TablePiece {
  readonly rows: TableRows | null;
  /** How many more stored bytes have been read. */
  readonly stored: number;
  /** Stretches that could not be read, ascending, after all that earlier pieces reported. */
  readonly damage: readonly Damage[];
  /** Names of the columns, for messages. */
  readonly columns: readonly string[];
}
