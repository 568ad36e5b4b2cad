/**
 * Opens an Arrow IPC file that headrace wrote: its columns, its dictionaries and the byte position of every buffer, by positioned reads.
 * Refuses what headrace does not write (compression, nulls, other types, delta dictionaries), naming it.
 */
import { closeSync, fstatSync } from "node:fs";
import { type FileBlock, Footer } from "apache-arrow/ipc/metadata/file";
import { Message, type RecordBatch } from "apache-arrow/ipc/metadata/message";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { type Column, columnsOf, elementBytes } from "./columns.ts";
import { openForReading, readExactly } from "./files.ts";

/** Where the buffers of a record batch lie: for a list column its offsets and its values, for any other its values. */
export interface ArrowBatch {
  readonly rows: number;
  /** In column order. `bytes` counts no padding. */
  readonly buffers: readonly { readonly at: number; readonly bytes: number }[];
}

/** An open Arrow file. */
export interface ArrowFile {
  readonly columns: readonly Column[];
  readonly metadata: Readonly<Record<string, string>>;
  /** The strings of each dictionary column. */
  readonly dictionaries: readonly (readonly string[])[];
  readonly batches: readonly ArrowBatch[];
  /** Fills `into` from byte `at`. Throws ERR_SHARD where the file ends before. */
  read(into: ArrayBufferView, at: number): void;
  close(): void;
}

/** Opens an Arrow file. Costs three reads, and two for each dictionary and one for each record batch. Throws ERR_SHARD. */
export function openArrowFile(path: string): ArrowFile {
  const handle = openForReading(path);
  try {
    return describe(handle, path);
  } catch (cause) {
    closeSync(handle);
    if (cause instanceof HeadraceError) throw cause;
    // The decoders of apache-arrow trust their input; on a broken file they fail in many ways.
    throw broken(path, `its metadata cannot be decoded (${messageOf(cause)})`, cause);
  }
}

function describe(handle: number, path: string): ArrowFile {
  const size = fstatSync(handle).size;
  const bytesAt = (at: number, length: number): Uint8Array => {
    if (at < 0 || length < 0 || at + length > size)
      throw broken(path, `it has ${size} bytes, and its metadata points to ${length} bytes at ${at}`);
    const bytes = new Uint8Array(length);
    readExactly(handle, bytes, at, path);
    return bytes;
  };

  if (size < 24) throw broken(path, `it has ${size} bytes, fewer than any Arrow file`);
  const tail = bytesAt(size - 10, 10);
  if (!isMagic(bytesAt(0, 6)) || !isMagic(tail.subarray(4)))
    throw broken(path, "it does not begin and end with ARROW1, so it is cut or no Arrow file");
  const footerBytes = new DataView(tail.buffer).getInt32(0, true);
  const footer = Footer.decode(bytesAt(size - 10 - footerBytes, footerBytes));
  if ((footer.numRecordBatches + footer.numDictionaries) * 24 > footerBytes)
    throw broken(path, `its footer of ${footerBytes} bytes names ${footer.numRecordBatches} batches`);
  const columns = columnsOf(footer.schema);
  if (typeof columns === "string") throw broken(path, columns);

  const messageAt = (block: FileBlock) => {
    const message = Message.decode(bytesAt(block.offset, block.metaDataLength).subarray(8));
    const bodyAt = block.offset + block.metaDataLength;
    if (message.bodyLength !== block.bodyLength || bodyAt + block.bodyLength > size)
      throw broken(path, `the message at byte ${block.offset} has another length than its footer says`);
    return { message, bodyAt };
  };

  const dictionaries: string[][] = columns.filter(({ kind }) => kind === "dictionary").map(() => []);
  const seen = new Set<number>();
  for (const block of footer.dictionaryBatches()) {
    const { message, bodyAt } = messageAt(block);
    const header = message.isDictionaryBatch() ? message.header() : undefined;
    if (!header || header.isDelta || seen.has(header.id) || !dictionaries[header.id])
      throw broken(path, `the message at byte ${block.offset} is not the only dictionary of a column`);
    seen.add(header.id);
    const batch = header.data;
    const [, offsets, values] = regionsOf(batch, bodyAt, block, path);
    const ends = new Int32Array(batch.length + 1);
    if (offsets!.bytes < ends.byteLength) throw broken(path, `dictionary ${header.id} has too few offsets`);
    readExactly(handle, new Uint8Array(ends.buffer), offsets!.at, path);
    const data = bytesAt(values!.at, values!.bytes);
    dictionaries[header.id] = Array.from({ length: batch.length }, (_, i) =>
      new TextDecoder("utf-8", { fatal: true }).decode(data.subarray(ends[i], ends[i + 1])),
    );
  }
  if (seen.size < dictionaries.length) throw broken(path, "a dictionary column has no dictionary");

  const batches: ArrowBatch[] = [];
  for (const block of footer.recordBatches()) {
    const { message, bodyAt } = messageAt(block);
    if (!message.isRecordBatch())
      throw broken(path, `the message at byte ${block.offset} is not a record batch`);
    const header = message.header();
    batches.push({
      rows: header.length,
      buffers: columnBuffers(columns, header, regionsOf(header, bodyAt, block, path), path),
    });
  }

  return {
    columns,
    metadata: Object.fromEntries(footer.schema.metadata),
    dictionaries,
    batches,
    read: (into, at) => {
      readExactly(handle, new Uint8Array(into.buffer, into.byteOffset, into.byteLength), at, path);
    },
    close: () => closeSync(handle),
  };
}

type Region = { readonly at: number; readonly bytes: number };

/** The buffers of a message, each inside its body. */
function regionsOf(batch: RecordBatch, bodyAt: number, block: FileBlock, path: string): readonly Region[] {
  if (batch.compression) throw broken(path, "it is compressed, which headrace neither writes nor reads");
  if (batch.nodes.some(({ nullCount }) => nullCount !== 0)) throw broken(path, "a column holds nulls");
  return batch.buffers.map(({ offset, length }) => {
    if (offset < 0 || length < 0 || offset + length > block.bodyLength)
      throw broken(path, `a buffer of the message at byte ${block.offset} lies outside it`);
    return { at: bodyAt + offset, bytes: length };
  });
}

/** The buffers that hold data, in column order: Arrow puts a validity bitmap, here without meaning, before each column and list item. */
function columnBuffers(
  columns: readonly Column[],
  batch: RecordBatch,
  regions: readonly Region[],
  path: string,
): readonly Region[] {
  const buffers: Region[] = [];
  let node = 0;
  let region = 0;
  for (const column of columns) {
    const bytes = elementBytes(column);
    for (const [level, width] of bytes.entries()) {
      const isOffsets = column.kind === "list" && level === 0;
      const length = batch.nodes[node++]?.length ?? -1;
      const found = regions[region + 1];
      const needed = (length + (isOffsets ? 1 : 0)) * width;
      if (!found || length < 0 || found.bytes < needed || (level === 0 && length !== batch.length))
        throw broken(
          path,
          `a record batch of ${batch.length} documents lacks values of column "${column.name}"`,
        );
      buffers.push({ at: found.at, bytes: needed });
      region += 2;
    }
  }
  return buffers;
}

function isMagic(bytes: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(bytes) === "ARROW1";
}

function broken(path: string, what: string, cause?: unknown): HeadraceError {
  return new HeadraceError(
    "ERR_SHARD",
    `${path} is not a file that headrace wrote: ${what}; restore it or build again`,
    { cause },
  );
}
