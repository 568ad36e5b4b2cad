/**
 * Token data that another tool wrote, as the import sees it: documents one after another, whose lengths and ids can be read.
 * A format opens its files, checks that they are whole, and hands this out.
 */
import { closeSync, fstatSync } from "node:fs";
import type { TokenIds } from "../../core/document.ts";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { openForReading, readExactly } from "../files.ts";

/** Types of token values on disk. */
export type ValueType = "uint8" | "int16" | "uint16" | "int32" | "uint32" | "int64";

/** One file of tokens and its index. */
export interface ForeignTokens {
  /** The files that it consists of, as they were named. */
  readonly paths: readonly string[];
  /** Bytes of them all. */
  readonly bytes: number;
  readonly documents: number;
  readonly tokens: number;
  /** The file that holds the ids of all documents one after another from its first byte to its last. */
  readonly values: { readonly path: string; readonly type: ValueType };
  /** Tokens of documents [from, to). */
  lengths(from: number, to: number): Int32Array;
  /** Fills `into` with the ids from token `at` on, whatever type they have on disk. Throws ERR_INPUT at an id that does not fit it. */
  read(at: number, into: TokenIds): void;
  close(): void;
}

/** An open file of fixed-size values. */
export interface ValueFile {
  readonly path: string;
  readonly bytes: number;
  /** Fills `into` from byte `at`. Throws ERR_INPUT where the file ends before. */
  read(at: number, into: ArrayBufferView): void;
  close(): void;
}

/** Opens a file. Throws ERR_INPUT. */
export function openValues(path: string): ValueFile {
  const asInput = <T>(act: () => T): T => {
    try {
      return act();
    } catch (cause) {
      const what = messageOf(cause instanceof Error && cause.cause ? cause.cause : cause);
      throw new HeadraceError(
        "ERR_INPUT",
        `cannot read ${path}: ${what}; check the path, or copy the file anew`,
        { cause },
      );
    }
  };
  const handle = asInput(() => openForReading(path));
  return {
    path,
    bytes: fstatSync(handle).size,
    read: (at, into) => {
      const view = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
      asInput(() => readExactly(handle, view, at, path));
    },
    close: () => closeSync(handle),
  };
}

/** Bytes of a value. */
export const VALUE_BYTES: Readonly<Record<ValueType, number>> = {
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
};

/** Values that are converted at a time. */
const CHUNK = 1 << 20;

/** Reads ids of any type: straight where the types agree, else through a converted chunk. `at` counts values. */
export function readIds(file: ValueFile, type: ValueType, at: number, into: TokenIds): void {
  const width = VALUE_BYTES[type];
  if (type === (into instanceof Uint16Array ? "uint16" : "int32")) {
    file.read(at * width, into);
    return;
  }
  const largest = into instanceof Uint16Array ? 2 ** 16 - 1 : 2 ** 31 - 1;
  const values = arrayOf(type, Math.min(CHUNK, into.length));
  for (let done = 0; done < into.length; done += values.length) {
    const part = values.subarray(0, Math.min(values.length, into.length - done));
    file.read((at + done) * width, part);
    for (let i = 0; i < part.length; i++) {
      const id = Number(part[i]);
      if (id < 0 || id > largest)
        throw new HeadraceError(
          "ERR_INPUT",
          `token ${at + done + i} of ${file.path} is ${id}, and ids go from 0 to ${largest} here; name the tokenizer that made it`,
        );
      into[done + i] = id;
    }
  }
}

function arrayOf(type: ValueType, length: number) {
  switch (type) {
    case "uint8":
      return new Uint8Array(length);
    case "int16":
      return new Int16Array(length);
    case "uint16":
      return new Uint16Array(length);
    case "int32":
      return new Int32Array(length);
    case "uint32":
      return new Uint32Array(length);
    case "int64":
      return new BigInt64Array(length);
    default:
      return type satisfies never;
  }
}

/** An error about a foreign file, with the way out. */
export function foreignError(path: string, what: string): HeadraceError {
  return new HeadraceError(
    "ERR_INPUT",
    `${path}: ${what}; copy it anew, or write it again with the tool that made it`,
  );
}
