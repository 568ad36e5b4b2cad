/**
 * Writes an Arrow IPC file (docs/format.md 1.1) straight from typed arrays: apache-arrow encodes the metadata, the framing is ours,
 * so that every byte position is known and no buffer is copied. Bytes depend on the arguments of the calls alone.
 */
import { createHash } from "node:crypto";
import { FileBlock, Footer } from "apache-arrow/ipc/metadata/file";
import * as metadata from "apache-arrow/ipc/metadata/message";
import { Field, Schema } from "apache-arrow/schema";
import { Dictionary, Float32, Int32, List, Uint16, Uint32, Uint64, Utf8 } from "apache-arrow/type";
import { attempt, openPending } from "../core/commit.ts";
import type { Column } from "./columns.ts";

/** An Arrow file that is being written. Calls may overlap: positions are given out in the order of the calls. */
export interface ArrowWriter {
  /** Writes the strings of the n-th dictionary column, once, before or after the batches that use them. */
  writeDictionary(id: number, values: readonly string[]): Promise<void>;
  /**
   * Writes a record batch from its columns' buffers: for a list offsets and values, for any other column one array.
   * Returns the byte position of each. The arrays must not change until the promise is fulfilled.
   */
  writeBatch(rows: number, buffers: readonly ArrayBufferView[]): Promise<readonly number[]>;
  /** Writes the footer and commits the file. */
  close(): Promise<{ readonly bytes: number; readonly sha256: string }>;
  /** Deletes what was written. Does nothing after `close`. */
  abort(): Promise<void>;
}

const MAGIC = new TextEncoder().encode("ARROW1");
const ZEROS = new Uint8Array(8);

/** Opens an Arrow file for writing. Throws ERR_OUTPUT, as do all its methods. */
export async function openArrowWriter(
  path: string,
  columns: readonly Column[],
  schemaMetadata: Readonly<Record<string, string>>,
): Promise<ArrowWriter> {
  const schema = arrowSchema(columns, schemaMetadata);
  const pending = await openPending(path);
  const hash = createHash("sha256");
  const dictionaryBlocks: FileBlock[] = [];
  const batchBlocks: FileBlock[] = [];
  let position = 0;

  async function append(pieces: readonly Uint8Array[]): Promise<void> {
    const at = position;
    for (const piece of pieces) position += piece.byteLength;
    const written = attempt(path, () => writeAll(pieces, at));
    for (const piece of pieces) hash.update(piece);
    await written;
  }

  async function writeAll(pieces: readonly Uint8Array[], at: number): Promise<void> {
    let rest = pieces.filter((piece) => piece.byteLength > 0);
    while (rest.length > 0) {
      // One call writes at most about 2 GiB (Linux), and may write less.
      const { bytesWritten } = await pending.handle.writev(rest, at);
      at += bytesWritten;
      rest = skipBytes(rest, bytesWritten);
    }
  }

  async function appendMessage(message: metadata.Message, body: Body, blocks: FileBlock[]): Promise<number> {
    const head = frame(metadata.Message.encode(message));
    blocks.push(new FileBlock(head.byteLength, body.byteLength, position));
    const bodyAt = position + head.byteLength;
    await append([head, ...body.pieces]);
    return bodyAt;
  }

  try {
    await append([MAGIC, ZEROS.subarray(0, 2), frame(encodeSchema(schema))]);
  } catch (error) {
    await pending.abort();
    throw error;
  }

  return {
    async writeDictionary(id, values) {
      const body = bodyOf([EMPTY, ...utf8(values)]);
      const batch = new metadata.RecordBatch(
        values.length,
        [new metadata.FieldNode(values.length, 0)],
        [...body.regions],
        null,
      );
      const message = metadata.Message.from(new metadata.DictionaryBatch(batch, id), body.byteLength);
      await appendMessage(message, body, dictionaryBlocks);
    },

    async writeBatch(rows, buffers) {
      const { nodes, views, given } = layOut(columns, rows, buffers);
      const body = bodyOf(views);
      const batch = new metadata.RecordBatch(rows, nodes, [...body.regions], null);
      const bodyAt = await appendMessage(metadata.Message.from(batch, body.byteLength), body, batchBlocks);
      return given.map((index) => bodyAt + body.regions[index]!.offset);
    },

    async close() {
      const footer = Footer.encode(new Footer(schema, undefined, batchBlocks, dictionaryBlocks));
      const length = new Uint8Array(4);
      new DataView(length.buffer).setInt32(0, footer.byteLength, true);
      await append([END_OF_STREAM, footer, length, MAGIC]);
      await pending.commit();
      return { bytes: position, sha256: hash.digest("hex") };
    },

    abort: () => pending.abort(),
  };
}

/** The Arrow schema of columns. The n-th dictionary column has dictionary id n. */
function arrowSchema(columns: readonly Column[], metadata: Readonly<Record<string, string>>): Schema {
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

/** The parts of a message's body: each starts at a multiple of 8. */
interface Body {
  readonly pieces: readonly Uint8Array[];
  readonly regions: readonly metadata.BufferRegion[];
  readonly byteLength: number;
}

const EMPTY = new Uint8Array(0);
const END_OF_STREAM = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/** Nodes and buffers in Arrow's order, with an empty validity buffer for each node; `given` are the places of the caller's buffers. */
function layOut(columns: readonly Column[], rows: number, buffers: readonly ArrayBufferView[]) {
  const nodes: metadata.FieldNode[] = [];
  const views: ArrayBufferView[] = [];
  const given: number[] = [];
  let next = 0;
  const node = (length: number) => {
    nodes.push(new metadata.FieldNode(length, 0));
    views.push(EMPTY);
  };
  const take = () => {
    given.push(views.length);
    views.push(buffers[next++]!);
  };
  for (const column of columns) {
    node(rows);
    take();
    if (column.kind !== "list") continue;
    node(buffers[next]!.byteLength / (column.item === "uint16" ? 2 : 4));
    take();
  }
  return { nodes, views, given };
}

function bodyOf(views: readonly ArrayBufferView[]): Body {
  const pieces: Uint8Array[] = [];
  const regions: metadata.BufferRegion[] = [];
  let at = 0;
  for (const view of views) {
    regions.push(new metadata.BufferRegion(at, view.byteLength));
    pieces.push(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    const padding = (8 - (view.byteLength % 8)) % 8;
    pieces.push(ZEROS.subarray(0, padding));
    at += view.byteLength + padding;
  }
  return { pieces, regions, byteLength: at };
}

/** The encapsulated form of a message's metadata: continuation marker, length, bytes, zeros up to a multiple of 8. */
function frame(message: Uint8Array): Uint8Array {
  const length = Math.ceil(message.byteLength / 8) * 8;
  const framed = new Uint8Array(8 + length);
  const view = new DataView(framed.buffer);
  view.setUint32(0, 0xffffffff, true);
  view.setInt32(4, length, true);
  framed.set(message, 8);
  return framed;
}

function encodeSchema(schema: Schema): Uint8Array {
  return metadata.Message.encode(metadata.Message.from(schema));
}

function utf8(values: readonly string[]): [Int32Array, Uint8Array] {
  const encoded = values.map((value) => new TextEncoder().encode(value));
  const offsets = new Int32Array(values.length + 1);
  for (const [i, bytes] of encoded.entries()) offsets[i + 1] = offsets[i]! + bytes.byteLength;
  const data = new Uint8Array(offsets[values.length]!);
  for (const [i, bytes] of encoded.entries()) data.set(bytes, offsets[i]!);
  return [offsets, data];
}

function skipBytes(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes;
  let first = 0;
  while (first < pieces.length && left >= pieces[first]!.byteLength) left -= pieces[first++]!.byteLength;
  const rest = pieces.slice(first);
  if (left > 0) rest[0] = rest[0]!.subarray(left);
  return rest;
}
