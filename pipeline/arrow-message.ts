/**
 * The messages of an Arrow stream, which an Arrow file is inside: where they lie and what their metadata says, checked against the file.
 */
import { FlatTable, int64At } from "../shards/flatbuffer.ts";
import { type ArrowSchema, decodeArrowSchema } from "./arrow-fields.ts";
import type { Codec } from "./codecs.ts";
import type { TableFile } from "./table-file.ts";

/** Longer metadata is taken for damage. */
const MAX_METADATA_BYTES = 64 * 1024 * 1024;
/** Zeros between the last message and the footer of a file. */
export const MAX_PADDING = 64;
const CONTINUATION = 0xffffffff;
const MAGIC = "ARROW1";
/** The magic at the start of a file, with its padding. */
export const MAGIC_BYTES = 8;

/** A buffer of a record batch in the file. */
export interface ArrowRegion {
  readonly at: number;
  readonly bytes: number;
}

/** A record batch, or the values of a dictionary. */
export interface ArrowBatch {
  readonly rows: number;
  readonly nodes: readonly { readonly rows: number; readonly nulls: number }[];
  readonly buffers: readonly ArrowRegion[];
  /** Data buffers of each column of views. */
  readonly views: readonly number[];
  /** What every buffer is compressed with; null for nothing. */
  readonly codec: Codec | null;
}

/** A message; it takes the bytes [from, to) of the file. */
export type ArrowMessage = { readonly from: number; readonly to: number } & (
  | { readonly kind: "schema"; readonly schema: ArrowSchema }
  | { readonly kind: "batch"; readonly batch: ArrowBatch }
  | {
      readonly kind: "dictionary";
      readonly batch: ArrowBatch;
      readonly id: number;
      readonly isDelta: boolean;
    }
  | { readonly kind: "other" }
  | { readonly kind: "end" }
);

/** The footer of an Arrow file. */
export interface ArrowFooter {
  /** Position of the footer. */
  readonly from: number;
  readonly schema: ArrowSchema;
  /** Where messages start, ascending. */
  readonly starts: readonly number[];
  /** How many of them are record batches. */
  readonly batches: number;
}

/** Reads the message at a position: two reads. Throws an Error that says what is wrong. */
export async function readArrowMessage(file: TableFile, from: number, end: number): Promise<ArrowMessage> {
  if (from + 8 > end) throw new Error(`it is cut ${end - from} bytes into a message`);
  const prefix = await file.read(from, from + 8);
  if (prefix.readUInt32LE(0) !== CONTINUATION)
    throw new Error(`there is no message at byte ${from} (${prefix.toString("hex", 0, 4)})`);
  const length = prefix.readInt32LE(4);
  if (length === 0) return { kind: "end", from, to: from + 8 };
  const bodyAt = from + 8 + length;
  if (length < 0 || length > MAX_METADATA_BYTES || bodyAt > end)
    throw new Error(`the message at byte ${from} is cut or has a corrupt length (${length})`);
  const message = FlatTable.root(await file.read(from + 8, bodyAt));
  const to = bodyAt + message.int64(3);
  if (to > end) throw new Error(`the message at byte ${from} is cut: it has ${to - from} bytes`);
  const header = message.table(2);
  const place = { from, to };
  if (message.int16(0) < 3) throw new Error(`the message at byte ${from} is of a version before 4`);
  if (header === undefined) throw new Error(`the message at byte ${from} has no header`);
  switch (message.uint8(1)) {
    case 1:
      return { ...place, kind: "schema", schema: decodeArrowSchema(header) };
    case 2: {
      const data = header.table(1);
      if (data === undefined) throw new Error(`the dictionary at byte ${from} has no values`);
      const batch = decodeBatch(data, bodyAt, to);
      return { ...place, kind: "dictionary", batch, id: header.int64(0), isDelta: header.uint8(2) !== 0 };
    }
    case 3:
      return { ...place, kind: "batch", batch: decodeBatch(header, bodyAt, to) };
    default:
      return { ...place, kind: "other" };
  }
}

/** Rows of all record batches, by their metadata: two reads a message. Throws an Error that says what is wrong. */
export async function arrowRows(file: TableFile): Promise<number> {
  const { starts, ends } = await arrowMagic(file);
  const end = starts || ends ? (await readArrowFooter(file)).from : file.bytes;
  let rows = 0;
  for (let at = starts ? MAGIC_BYTES : 0; at < end; ) {
    const message = await readArrowMessage(file, at, end);
    if (message.kind === "end") break;
    if (message.kind === "batch") rows += message.batch.rows;
    at = message.to;
  }
  return rows;
}

function decodeBatch(table: FlatTable, bodyAt: number, to: number): ArrowBatch {
  const { view } = table;
  const nodes = table.vector(1, 16);
  const buffers = table.vector(2, 16);
  const views = table.vector(4, 8);
  const compression = table.table(3);
  const codec = compression && (["LZ4_FRAME", "ZSTD"] as const)[compression.uint8(0)];
  if (compression && codec === undefined) throw new Error(`compression ${compression.uint8(0)} is not known`);
  return {
    rows: table.int64(0),
    nodes: Array.from({ length: nodes.length }, (_, i) => ({
      rows: int64At(view, nodes.at + 16 * i),
      nulls: int64At(view, nodes.at + 16 * i + 8),
    })),
    buffers: Array.from({ length: buffers.length }, (_, i) => {
      const region = {
        at: bodyAt + int64At(view, buffers.at + 16 * i),
        bytes: int64At(view, buffers.at + 16 * i + 8),
      };
      if (region.at + region.bytes > to) throw new RangeError(`buffer ${i} lies outside its message`);
      return region;
    }),
    views: Array.from({ length: views.length }, (_, i) => int64At(view, views.at + 8 * i)),
    codec: codec ?? null,
  };
}

/** Whether the file begins, and whether it ends, as an Arrow file and not as a stream. */
export async function arrowMagic(
  file: TableFile,
): Promise<{ readonly starts: boolean; readonly ends: boolean }> {
  if (file.bytes < 8) return { starts: false, ends: false };
  const [head, tail] = [await file.read(0, 6), await file.read(file.bytes - 6, file.bytes)];
  return { starts: head.toString("latin1") === MAGIC, ends: tail.toString("latin1") === MAGIC };
}

/** Reads the footer of an Arrow file. Throws an Error that says what is wrong. */
export async function readArrowFooter(file: TableFile): Promise<ArrowFooter> {
  const end = file.bytes - 10;
  if (end < 8) throw new Error(`it has ${file.bytes} bytes, fewer than any Arrow file`);
  const tail = await file.read(end, file.bytes);
  if (tail.toString("latin1", 4) !== MAGIC) throw new Error("it does not end with ARROW1, so it is cut");
  const bytes = tail.readInt32LE(0);
  const from = end - bytes;
  if (bytes < 8 || from < 8) throw new Error(`its footer of ${bytes} bytes is longer than the file`);
  const footer = FlatTable.root(await file.read(from, end));
  const schema = footer.table(1);
  if (schema === undefined) throw new Error("its footer has no schema");
  const startsOf = (field: number): readonly number[] => {
    const { length, at } = footer.vector(field, 24);
    return Array.from({ length }, (_, i) => int64At(footer.view, at + 24 * i));
  };
  const batches = startsOf(3);
  const starts = [...startsOf(2), ...batches].sort((a, b) => a - b);
  if (starts.some((start) => start < 8 || start >= from))
    throw new Error("its footer points outside the file");
  return { from, schema: decodeArrowSchema(schema), starts, batches: batches.length };
}
