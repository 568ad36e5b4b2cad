/**
 * The few Arrow column types that headrace's files use, and the width of their buffers.
 * A column has no nulls; its buffers are given and returned as typed arrays in the order of `columnBuffers`.
 */

/** One column: a list of token ids, strings through a dictionary, or plain numbers. */
export type Column =
  | { readonly name: string; readonly kind: "list"; readonly item: "uint16" | "int32" }
  | { readonly name: string; readonly kind: "dictionary" }
  | { readonly name: string; readonly kind: "uint32" | "float32" | "uint64" };

/** Bytes of one element of each buffer of a column that has any: list offsets then values; indices; values. */
export function elementBytes(column: Column): readonly number[] {
  switch (column.kind) {
    case "list":
      return [4, column.item === "uint16" ? 2 : 4];
    case "uint64":
      return [8];
    case "dictionary":
    case "uint32":
    case "float32":
      return [4];
    default:
      return column satisfies never;
  }
}
