/**
 * Decodes the footer and the messages of an Arrow IPC file into plain data. Field numbers are those of Arrow's File.fbs, Schema.fbs and
 * Message.fbs, format version 1.5. Throws RangeError on metadata that points outside itself.
 */
import type { Column } from "./columns.ts";
import { FlatTable, int64At } from "./flatbuffer.ts";

/** Where a message lies in its file. */
export interface Block {
  readonly at: number;
  /** Its framing and metadata, before its body. */
  readonly headBytes: number;
  readonly bodyBytes: number;
}

/** What a file's footer says. */
export interface ArrowFooter {
  /** Or a sentence that names the first column of a type that headrace does not write. */
  readonly columns: readonly Column[] | string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly dictionaries: readonly Block[];
  readonly batches: readonly Block[];
}

/** A record batch, or the batch inside a dictionary message. */
export interface ArrowMessage {
  readonly kind: "batch" | "dictionary" | "other";
  readonly bodyBytes: number;
  /** Of a dictionary: the column it belongs to, and whether it only adds to another. */
  readonly dictionary: number;
  readonly isDelta: boolean;
  readonly rows: number;
  readonly nodes: readonly { readonly length: number; readonly nulls: number }[];
  /** Positions from the start of the body. */
  readonly buffers: readonly { readonly at: number; readonly bytes: number }[];
  readonly compressed: boolean;
}

/** Decodes a footer. */
export function decodeFooter(bytes: Uint8Array): ArrowFooter {
  const footer = FlatTable.root(bytes);
  const schema = footer.table(1);
  const pairs = schema?.tables(2).map((pair) => [pair.string(0), pair.string(1)] as const) ?? [];
  return {
    columns: schema ? columnsOf(schema) : "it has no schema",
    metadata: Object.fromEntries(pairs),
    dictionaries: blocksOf(footer, 2),
    batches: blocksOf(footer, 3),
  };
}

/** Decodes the metadata of a message, without its framing. */
export function decodeMessage(bytes: Uint8Array): ArrowMessage {
  const message = FlatTable.root(bytes);
  const kind = ({ 2: "dictionary", 3: "batch" } as const)[message.uint8(1)] ?? "other";
  const header = message.table(2);
  const dictionary = kind === "dictionary" ? header : undefined;
  const batch = dictionary ? dictionary.table(1) : header;
  const nodes = kind === "other" ? undefined : batch?.vector(1, 16);
  const buffers = kind === "other" ? undefined : batch?.vector(2, 16);
  const pairOf = (at: number) => [int64At(message.view, at), int64At(message.view, at + 8)] as const;
  return {
    kind,
    bodyBytes: message.int64(3),
    dictionary: dictionary?.int64(0) ?? 0,
    isDelta: dictionary?.uint8(2) === 1,
    rows: nodes && batch ? batch.int64(0) : 0,
    nodes: Array.from({ length: nodes?.length ?? 0 }, (_, i) => {
      const [length, nulls] = pairOf(nodes!.at + 16 * i);
      return { length, nulls };
    }),
    buffers: Array.from({ length: buffers?.length ?? 0 }, (_, i) => {
      const [at, bytes] = pairOf(buffers!.at + 16 * i);
      return { at, bytes };
    }),
    compressed: nodes !== undefined && batch?.table(3) !== undefined,
  };
}

function blocksOf(footer: FlatTable, field: number): readonly Block[] {
  const { length, at } = footer.vector(field, 24);
  return Array.from({ length }, (_, i) => {
    const place = at + 24 * i;
    return {
      at: int64At(footer.view, place),
      headBytes: footer.view.getInt32(place + 8, true),
      bodyBytes: int64At(footer.view, place + 16),
    };
  });
}

function columnsOf(schema: FlatTable): readonly Column[] | string {
  const columns: Column[] = [];
  let dictionaries = 0;
  for (const field of schema.tables(1)) {
    const column = columnOf(field, dictionaries);
    if (!column) return `column "${field.string(0)}" has a type that no file of headrace has`;
    if (column.kind === "dictionary") dictionaries++;
    columns.push(column);
  }
  return columns;
}

function columnOf(field: FlatTable, dictionaries: number): Column | undefined {
  const name = field.string(0);
  const type = typeOf(field);
  const dictionary = field.table(4);
  if (dictionary) {
    const index = dictionary.table(1);
    const isInt32 = !index || intName(index) === "int32";
    return type === "utf8" && isInt32 && dictionary.int64(0) === dictionaries
      ? { name, kind: "dictionary" }
      : undefined;
  }
  if (type === "list") {
    const item = field.tables(5).map(typeOf)[0];
    return item === "uint16" || item === "int32" ? { name, kind: "list", item } : undefined;
  }
  return type === "uint32" || type === "uint64" || type === "float32" ? { name, kind: type } : undefined;
}

function typeOf(field: FlatTable): string {
  const type = field.table(3);
  switch (type && field.uint8(2)) {
    case 2:
      return intName(type!);
    case 3:
      return type!.int16(0) === 1 ? "float32" : "another float";
    case 5:
      return "utf8";
    case 12:
      return "list";
    default:
      return "another type";
  }
}

function intName(type: FlatTable): string {
  return `${type.uint8(1) === 1 ? "" : "u"}int${type.int32(0)}`;
}
