/**
 * Loaded before a command (`node --import`), in its main thread and in every worker: what happens at the n-th operation that the process
 * does on files whose path matches. It kills its own process group (before the operation, or with half of a write on the disk), or the
 * operation fails as a disk fails. Without a fault it only writes the operations down. `HEADRACE_FAULT` holds a `Fault` as JSON.
 */
import fs, { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { resolve, sep } from "node:path";

/** An operation that can be struck. `write` takes in `writev` and `writeFile`; the others are the calls of those names. */
export type Operation = "open" | "write" | "sync" | "close" | "rename" | "mkdir" | "link" | "unlink" | "rm";

/** What is to happen, and when. */
export interface Fault {
  /** Operations on paths under this folder count. */
  readonly root: string;
  /** What counts, of all threads together: matches the name of the operation, a space, and the path under the root, with `/`. */
  readonly pattern: string;
  /** The number, from 1, of the operation that is struck; 0: none. */
  readonly at: number;
  /**
   * `kill`: SIGKILL to the process group before the operation. `torn`: the same after half of a write. `short`: a write that says it wrote
   * half. Else the operation fails with this error, of a write after half of it.
   */
  readonly act: "kill" | "torn" | "short" | "ENOSPC" | "EIO" | "EMFILE";
  /** One line of `LINE` bytes for each operation that counted: its name, a space, its path, spaces, a line feed. */
  readonly log: string;
}

/** Bytes of a line of the log. */
export const LINE = 192;

const text = process.env["HEADRACE_FAULT"];
if (text !== undefined) strike(JSON.parse(text) as Fault);

function strike(fault: Fault): void {
  const root = resolve(fault.root) + sep;
  const pattern = new RegExp(fault.pattern);
  const log = openSync(fault.log, "a");
  const paths = new WeakMap<object, string>();

  /** Counts an operation. Returns what is to be done to it, or null. */
  const count = (operation: Operation, path: unknown): Fault["act"] | null => {
    if (typeof path !== "string") return null;
    const full = resolve(path);
    const name = `${full}${sep}` === root ? "." : full.startsWith(root) ? full.slice(root.length) : null;
    if (name === null || !pattern.test(`${operation} ${name}`)) return null;
    writeSync(log, `${`${operation} ${name}`.slice(0, LINE - 1).padEnd(LINE - 1)}\n`);
    const number = fstatSync(log).size / LINE;
    if (fault.at === 0 || number < fault.at || !first()) return null;
    if (fault.act === "kill") die();
    return fault.act;
  };

  /** Whether no thread has struck yet. */
  const first = (): boolean => {
    try {
      closeSync(openSync(`${fault.log}.struck`, "wx"));
      return true;
    } catch {
      return false;
    }
  };

  // Originals, because what follows replaces them.
  const promises = { ...fs.promises };
  const sync = { ...fs };

  const around =
    <Arguments extends readonly unknown[], Result>(
      operation: Operation,
      call: (...given: Arguments) => Result,
      pathAt = 0,
    ) =>
    (...given: Arguments): Result => {
      const act = count(operation, given[pathAt]);
      if (act !== null) throw failure(act, operation);
      return call(...given);
    };
  const later =
    <Arguments extends readonly unknown[], Result>(
      operation: Operation,
      call: (...given: Arguments) => Promise<Result>,
      pathAt = 0,
    ) =>
    async (...given: Arguments): Promise<Result> =>
      around(operation, call, pathAt)(...given);

  Object.assign(fs.promises, {
    rename: later("rename", promises.rename, 1),
    mkdir: later("mkdir", promises.mkdir),
    rm: later("rm", promises.rm),
    link: later("link", promises.link, 1),
    unlink: later("unlink", promises.unlink),
    async open(...given: Parameters<typeof promises.open>) {
      const act = count("open", given[0]);
      if (act !== null) throw failure(act, "open");
      const handle = await promises.open(...given);
      paths.set(handle, String(given[0]));
      // Every handle has a `close` of its own.
      const { close } = handle;
      handle.close = async () => {
        const struck = count("close", given[0]);
        await close();
        if (struck !== null) throw failure(struck, "close");
      };
      patchHandle(Object.getPrototypeOf(handle));
      return handle;
    },
  });
  Object.assign(fs, {
    renameSync: around("rename", sync.renameSync, 1),
    mkdirSync: around("mkdir", sync.mkdirSync),
    rmSync: around("rm", sync.rmSync),
    unlinkSync: around("unlink", sync.unlinkSync),
    linkSync: around("link", sync.linkSync, 1),
    writeFileSync: around("write", sync.writeFileSync),
    openSync: around("open", sync.openSync),
  });
  syncBuiltinESMExports();

  let patched = false;
  /** Replaces the methods of open files. */
  function patchHandle(handle: fs.promises.FileHandle): void {
    if (patched) return;
    patched = true;
    const { write, writev, writeFile, sync: flush } = handle;
    const plain = (of: fs.promises.FileHandle, ...given: Parameters<WriteBytes>) =>
      (write as WriteBytes).apply(of, given);
    Object.assign(handle, {
      async write(
        this: fs.promises.FileHandle,
        data: Uint8Array,
        offset = 0,
        length?: number,
        position?: number,
      ) {
        const act = count("write", paths.get(this));
        const bytes = length ?? data.byteLength - offset;
        if (act === null) return plain(this, data, offset, bytes, position);
        const half = await plain(this, data, offset, bytes >> 1, position);
        if (act === "short") return half;
        throw failure(act, "write");
      },
      async writev(
        this: fs.promises.FileHandle,
        parts: readonly NodeJS.ArrayBufferView[],
        position?: number,
      ) {
        const act = count("write", paths.get(this));
        if (act === null) return writev.call(this, parts, position);
        const bytes = Buffer.concat(
          parts.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
        );
        const { bytesWritten } = await plain(this, bytes, 0, bytes.length >> 1, position);
        if (act === "short") return { bytesWritten, buffers: parts };
        throw failure(act, "writev");
      },
      async writeFile(this: fs.promises.FileHandle, data: string | Uint8Array) {
        const act = count("write", paths.get(this));
        // What is short inside writeFile is written on there; nothing of it is seen outside.
        if (act === null || act === "short") return writeFile.call(this, data);
        const bytes = Buffer.from(data as Uint8Array);
        await writeFile.call(this, bytes.subarray(0, bytes.length >> 1));
        throw failure(act, "write");
      },
      async sync(this: fs.promises.FileHandle) {
        const act = count("sync", paths.get(this));
        if (act !== null) throw failure(act, "fsync");
        return flush.call(this);
      },
    });
  }
}

/** The form of `write` that is used here. */
type WriteBytes = (
  data: Uint8Array,
  offset: number,
  length: number,
  position: number | undefined,
) => Promise<{ readonly bytesWritten: number; readonly buffer: Uint8Array }>;

function die(): never {
  process.kill(0, "SIGKILL");
  for (;;); // the signal comes at once, and nothing may happen before it does
}

function failure(act: Fault["act"], call: string): Error {
  if (act === "torn") die();
  const reason = {
    ENOSPC: "no space left on device",
    EIO: "i/o error",
    EMFILE: "too many open files",
    kill: "",
    short: "",
  }[act];
  return Object.assign(new Error(`${act}: ${reason}, ${call}`), { code: act, syscall: call });
}
