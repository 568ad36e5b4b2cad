/**
 * The few Arrow column types that headrace's files use, and their translation to and from apache-arrow's schema.
 * A column has no nulls; its buffers are given and returned as typed arrays in the order of `columnBuffers`.
 */
import { Field, Schema } from "apache-arrow/schema";
import { DataType, Dictionary, Float32, Int32, List, Uint16, Uint32, Uint64, Utf8 } from "apache-arrow/type";

/** One column: a list of token ids, strings through a dictionary, or plain numbers. */
export type Column =
  | { readonly name: string; readonly kind: "list"; readonly item: "uint16" | "int32" }
  | { readonly name: string; readonly kind: "dictionary" }
  | { readonly name: string; readonly kind: "uint32" | "float32" | "uint64" };

/** The Arrow schema of columns. The n-th dictionary column has dictionary id n. */
export function arrowSchema(columns: readonly Column[], metadata: Readonly<Record<string, string>>): Schema {
  let dictionaries = 0;
  const fields = columns.map((column) => {
    switch (column.kind) {
      case "list": {
        const item = column.item === "uint16" ? new Uint16() : new Int32();
        return new Field(column.name, new List(new Field("item", item, true)), true);
      }
      case "dictionary":
        // The id is given: apache-arrow's default counts up over the process, and the file's bytes would depend on it.
        return new Field(column.name, new Dictionary(new Utf8(), new Int32(), dictionaries++), true);
      case "uint32":
        return new Field(column.name, new Uint32(), true);
      case "float32":
        return new Field(column.name, new Float32(), true);
      case "uint64":
        return new Field(column.name, new Uint64(), true);
      default:
        return column satisfies never;
    }
  });
  return new Schema(fields, new Map(Object.entries(metadata)));
}

/** The columns of an Arrow schema, or a sentence that names the first column of another type. */
export function columnsOf(schema: Schema): readonly Column[] | string {
  const columns: Column[] = [];
  let dictionaries = 0;
  for (const { name, type } of schema.fields) {
    const column = columnOf(name, type, dictionaries);
    if (!column) return `column "${name}" has type ${type}, which no file of headrace has`;
    if (column.kind === "dictionary") dictionaries++;
    columns.push(column);
  }
  return columns;
}

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

function columnOf(name: string, type: DataType, dictionaries: number): Column | undefined {
  const isInt = (of: DataType, signed: boolean, bits: number) =>
    DataType.isInt(of) && of.isSigned === signed && of.bitWidth === bits;
  if (DataType.isDictionary(type))
    return DataType.isUtf8(type.dictionary) && isInt(type.indices, true, 32) && type.id === dictionaries
      ? { name, kind: "dictionary" }
      : undefined;
  if (DataType.isList(type)) {
    const item: DataType = type.valueType;
    if (isInt(item, false, 16)) return { name, kind: "list", item: "uint16" };
    if (isInt(item, true, 32)) return { name, kind: "list", item: "int32" };
    return undefined;
  }
  if (isInt(type, false, 32)) return { name, kind: "uint32" };
  if (isInt(type, false, 64)) return { name, kind: "uint64" };
  // Precision 1 is SINGLE in Arrow's Schema.fbs.
  if (DataType.isFloat(type) && type.precision === 1) return { name, kind: "float32" };
  return undefined;
}
