/**
 * Opens an Arrow IPC file that headrace wrote: its columns, its dictionaries and the byte position of every buffer, by positioned reads.
 * Refuses what headrace does not write (compression, nulls, other types, delta dictionaries), naming it. Needs no Arrow library.
 */
import { closeSync, fstatSync } from "node:fs";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { type ArrowMessage, type Block, decodeFooter, decodeMessage } from "./arrow-metadata.ts";
import { type Column, elementBytes } from "./columns.ts";
import { openForReading, readExactly } from "./files.ts";

/** A stretch of a file. */
interface Region {
  readonly at: number;
  readonly bytes: number;
}

/** Where the buffers of a record batch lie: for a list column its offsets and its values, for any other its values. */
export interface ArrowBatch {
  readonly rows: number;
  /** In column order. `bytes` counts no padding. */
  readonly buffers: readonly Region[];
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

/** Opens an Arrow file. Costs three reads, three for each dictionary and one for each record batch. Throws ERR_SHARD. */
export function openArrowFile(path: string): ArrowFile {
  const handle = openForReading(path);
  try {
    return describe(handle, path);
  } catch (cause) {
    closeSync(handle);
    if (cause instanceof HeadraceError) throw cause;
    throw broken(path, `its metadata cannot be decoded (${messageOf(cause)})`, cause);
  }
}

function describe(handle: number, path: string): ArrowFile {
  const size = fstatSync(handle).size;
  const bytesAt = ({ at, bytes }: Region): Uint8Array => {
    if (at < 0 || bytes < 0 || at + bytes > size)
      throw broken(path, `it has ${size} bytes, and its metadata points to ${bytes} bytes at ${at}`);
    const data = new Uint8Array(bytes);
    readExactly(handle, data, at, path);
    return data;
  };

  if (size < 24) throw broken(path, `it has ${size} bytes, fewer than any Arrow file`);
  const tail = bytesAt({ at: size - 10, bytes: 10 });
  if (!isMagic(bytesAt({ at: 0, bytes: 6 })) || !isMagic(tail.subarray(4)))
    throw broken(path, "it does not begin and end with ARROW1, so it is cut or no Arrow file");
  const footerBytes = new DataView(tail.buffer).getInt32(0, true);
  const footer = decodeFooter(bytesAt({ at: size - 10 - footerBytes, bytes: footerBytes }));
  const { columns } = footer;
  if (typeof columns === "string") throw broken(path, columns);

  const messageAt = (block: Block) => {
    const message = decodeMessage(bytesAt({ at: block.at, bytes: block.headBytes }).subarray(8));
    const bodyAt = block.at + block.headBytes;
    if (message.bodyBytes !== block.bodyBytes || bodyAt + block.bodyBytes > size)
      throw broken(path, `the message at byte ${block.at} has another length than its footer says`);
    return { message, regions: regionsOf(message, block, bodyAt, path) };
  };

  const dictionaries: (readonly string[] | undefined)[] = columns
    .filter(({ kind }) => kind === "dictionary")
    .map(() => undefined);
  for (const block of footer.dictionaries) {
    const { message, regions } = messageAt(block);
    const { kind, dictionary, isDelta, rows } = message;
    if (kind !== "dictionary" || isDelta || dictionary >= dictionaries.length || dictionaries[dictionary])
      throw broken(path, `the message at byte ${block.at} is not the only dictionary of a column`);
    const [, offsets, values] = regions;
    if (!offsets || !values || offsets.bytes < 4 * (rows + 1))
      throw broken(path, `dictionary ${dictionary} has fewer offsets than strings`);
    const ends = new Int32Array(bytesAt({ at: offsets.at, bytes: 4 * (rows + 1) }).buffer);
    dictionaries[dictionary] = stringsOf(bytesAt(values), ends);
  }
  if (dictionaries.includes(undefined)) throw broken(path, "a dictionary column has no dictionary");

  const batches = footer.batches.map((block): ArrowBatch => {
    const { message, regions } = messageAt(block);
    if (message.kind !== "batch") throw broken(path, `the message at byte ${block.at} is no record batch`);
    return { rows: message.rows, buffers: columnBuffers(columns, message, regions, path) };
  });

  return {
    columns,
    metadata: footer.metadata,
    dictionaries: dictionaries as readonly (readonly string[])[],
    batches,
    read: (into, at) => {
      readExactly(handle, new Uint8Array(into.buffer, into.byteOffset, into.byteLength), at, path);
    },
    close: () => closeSync(handle),
  };
}

/** The buffers of a message in the file, each inside its body. */
function regionsOf(message: ArrowMessage, block: Block, bodyAt: number, path: string): readonly Region[] {
  if (message.compressed) throw broken(path, "it is compressed, which headrace neither writes nor reads");
  if (message.nodes.some(({ nulls }) => nulls > 0)) throw broken(path, "a column holds nulls");
  return message.buffers.map(({ at, bytes }) => {
    if (at + bytes > block.bodyBytes)
      throw broken(path, `a buffer of the message at byte ${block.at} lies outside it`);
    return { at: bodyAt + at, bytes };
  });
}

/** The buffers that hold data, in column order: Arrow puts a validity bitmap, here without meaning, before each column and list item. */
function columnBuffers(
  columns: readonly Column[],
  { rows, nodes }: ArrowMessage,
  regions: readonly Region[],
  path: string,
): readonly Region[] {
  const buffers: Region[] = [];
  for (const column of columns)
    for (const [level, width] of elementBytes(column).entries()) {
      const length = nodes[buffers.length]?.length ?? -1;
      const region = regions[2 * buffers.length + 1];
      const needed = (column.kind === "list" && level === 0 ? length + 1 : length) * width;
      if (!region || length < 0 || region.bytes < needed || (level === 0 && length !== rows))
        throw broken(path, `a record batch of ${rows} rows lacks values of column "${column.name}"`);
      buffers.push({ at: region.at, bytes: needed });
    }
  return buffers;
}

function stringsOf(data: Uint8Array, ends: Int32Array): readonly string[] {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return Array.from({ length: ends.length - 1 }, (_, i) => {
    const [from, to] = [ends[i]!, ends[i + 1]!];
    if (from < 0 || to < from || to > data.byteLength)
      throw new RangeError(`string ${i} runs from ${from} to ${to}`);
    return decoder.decode(data.subarray(from, to));
  });
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
