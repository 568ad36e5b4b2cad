/**
 * What is wrong with a path that should be a file to read, in words that follow the path in a sentence; and how one is opened.
 */
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readlink, stat } from "node:fs/promises";
import { HeadraceError } from "../core/errors.ts";

/** What the file system says of a path, links followed, or its error code. */
export async function statusOf(path: string): Promise<Stats | string> {
  try {
    return await stat(path);
  } catch (error) {
    return codeOf(error);
  }
}

/** What the system is short of when it gives these error codes: no fault of the file, which another time would be read. */
const SHORTAGES: Readonly<Record<string, string>> = {
  EMFILE: "this process has too many open files; raise its limit (ulimit -n) or give fewer --workers",
  ENFILE: "the system has too many open files; wait for other programs to end",
  ENOMEM: "there is no memory left; give fewer --workers",
};

/**
 * Opens a regular file for reading, or returns what is wrong with it. Never waits: opened in the usual way, a FIFO keeps its reader until
 * somebody writes to it. Throws ERR_RUNTIME where the machine is short of something, which must not become an incident of the file.
 */
export async function openInput(path: string): Promise<FileHandle | string> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await handle.stat();
    if (status.isFile()) return handle;
    await handle.close();
    return noFile(status);
  } catch (error) {
    await handle?.close().catch(() => {});
    const shortage = SHORTAGES[codeOf(error)];
    if (shortage !== undefined)
      throw new HeadraceError("ERR_RUNTIME", `cannot open ${path}: ${shortage}, then run again`, {
        cause: error,
      });
    return unreachable(path, codeOf(error));
  }
}

/** What a thing is that is no file. */
export function noFile(status: Stats): string {
  if (status.isDirectory()) return "is a folder named like a file; rename it";
  const kind = status.isFIFO() ? "FIFO" : status.isSocket() ? "socket" : "device";
  return `is a ${kind}, not a file; leave it out`;
}

/** What is wrong with a path that the file system gives an error code for. */
export async function unreachable(path: string, code: string): Promise<string> {
  if (code === "ELOOP") return "is a link that leads back to itself; remove it";
  if (code !== "ENOENT") return `cannot be read (${code}); permit it or leave it out`;
  const link = await lstat(path).catch(() => null);
  if (link?.isSymbolicLink()) return `is a link to ${await readlink(path)}, which does not exist`;
  // Node writes U+FFFD for what is not UTF-8 in a name, and finds no file of that name.
  if (path.includes("\ufffd")) return "has a name that is not UTF-8; rename it";
  return "does not exist; check the path";
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code ?? error);
}
