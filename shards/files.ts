/**
 * Synchronous positioned reads from many files through few open handles: the least recently used one is closed.
 * Gives up read-ahead: a caller that wants it reads larger pieces.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { HeadraceError, messageOf } from "../core/errors.ts";

/** Open files, shared by as many readers as wish to. */
export interface FilePool {
  /** Fills `into` from byte `at` of the file. Throws ERR_SHARD where the file is missing, unreadable or ends before. */
  read(path: string, into: Uint8Array, at: number): void;
  /** Positioned reads so far: one a call of `read`, and more only where the system returns less than was asked for. */
  readonly reads: number;
  /** Files opened so far. */
  readonly opened: number;
  /** Closes all files. The pool may be used on: files are opened again. */
  close(): void;
}

/** Opens a pool of at most `limit` open files. */
export function openFilePool(options?: {
  /** Open files at a time; default 64, at least 1. */ readonly limit?: number;
}): FilePool {
  const limit = Math.max(1, options?.limit ?? 64);
  /** In order of use, the least recent first. */
  const handles = new Map<string, number>();
  let reads = 0;
  let opened = 0;

  function handleOf(path: string): number {
    const known = handles.get(path);
    if (known !== undefined) {
      handles.delete(path);
      handles.set(path, known);
      return known;
    }
    const oldest = handles.entries().next();
    if (handles.size >= limit && !oldest.done) {
      handles.delete(oldest.value[0]);
      closeSync(oldest.value[1]);
    }
    const handle = openForReading(path);
    opened++;
    handles.set(path, handle);
    return handle;
  }

  return {
    read(path, into, at) {
      reads += readExactly(handleOf(path), into, at, path);
    },
    get reads() {
      return reads;
    },
    get opened() {
      return opened;
    },
    close() {
      for (const handle of handles.values()) closeSync(handle);
      handles.clear();
    },
  };
}

/** Opens a shard for reading; the caller closes the handle. Throws ERR_SHARD. */
export function openForReading(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw new HeadraceError(
      "ERR_SHARD",
      `cannot open ${path}: ${messageOf(cause)}; restore the file or build again`,
      {
        cause,
      },
    );
  }
}

/** Fills `into` from byte `at` of an open file and returns how many system calls that took. Throws ERR_SHARD where the file ends before. */
export function readExactly(handle: number, into: Uint8Array, at: number, path: string): number {
  let filled = 0;
  let calls = 0;
  while (filled < into.byteLength) {
    // Linux reads at most about 2 GiB a call, and Node refuses to ask for more.
    const length = Math.min(into.byteLength - filled, 2 ** 30);
    const read = readSync(handle, into, filled, length, at + filled);
    if (read === 0)
      throw new HeadraceError(
        "ERR_SHARD",
        `${path} ends at byte ${at + filled}, and ${into.byteLength} bytes from ${at} were expected; restore the file or build again`,
      );
    filled += read;
    calls++;
  }
  return calls;
}
