/**
 * Files that are there whole or not at all: written under a temporary name, flushed to the disk, renamed, and the folder flushed.
 * After a crash the last good state is readable; what is left over ends in `.tmp` and may be deleted.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HeadraceError, messageOf } from "./errors.ts";

/** A file that is being written. */
export interface PendingFile {
  readonly handle: FileHandle;
  /** Flushes, closes, renames to the final name (replacing what is there) and flushes the folder. */
  commit(): Promise<void>;
  /** Closes and deletes. Does nothing after `commit` or another `abort`. */
  abort(): Promise<void>;
}

/** Opens a temporary file beside `path`, whose folder is made where it is missing. Throws ERR_OUTPUT. */
export async function openPending(path: string): Promise<PendingFile> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  const handle = await attempt(path, async () => {
    await mkdir(folder, { recursive: true });
    return open(temporary, "wx");
  });
  let ended = false;
  return {
    handle,
    async commit() {
      await attempt(path, async () => {
        await handle.sync();
        await handle.close();
        await rename(temporary, path);
        ended = true;
        await syncFolder(folder);
      });
    },
    async abort() {
      if (ended) return;
      ended = true;
      await handle.close().catch(() => {});
      await rm(temporary, { force: true });
    },
  };
}

/** Writes a file whole or not at all. Throws ERR_OUTPUT, leaving what was there before. */
export async function writeFileWhole(path: string, data: string | Uint8Array): Promise<void> {
  const pending = await openPending(path);
  try {
    await attempt(path, () => pending.handle.writeFile(data));
    await pending.commit();
  } finally {
    await pending.abort();
  }
}

/**
 * Removes what crashes left in a folder of the files whose name `owns` knows. For who has the folder to itself: the temporary files of a process
 * that is writing there now would go too.
 */
export async function removeLeftovers(folder: string, owns: (name: string) => boolean): Promise<void> {
  for (const entry of await readdir(folder)) {
    const name = /^\.(.+)\.[0-9a-f]{12}\.tmp$/.exec(entry)?.[1];
    if (name !== undefined && owns(name)) await rm(join(folder, entry), { force: true });
  }
}

/**
 * Writes a file whole unless one is there, which is left as it is. Returns whether this call made it: of several at once, on one machine or
 * many, exactly one does. Throws ERR_OUTPUT.
 */
export async function writeFileOnce(path: string, data: string | Uint8Array): Promise<boolean> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  return await attempt(path, async () => {
    try {
      await mkdir(dirname(path), { recursive: true });
      const handle = await open(temporary, "wx");
      try {
        await handle.writeFile(data);
        await handle.sync();
      } finally {
        await handle.close();
      }
      try {
        await link(temporary, path);
      } catch (error) {
        // Over NFS a link that was made may be said to exist already; the count of links tells.
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        if ((await stat(temporary)).nlink !== 2) return false;
      }
      await syncFolder(dirname(path));
      return true;
    } finally {
      await rm(temporary, { force: true });
    }
  });
}

/**
 * Flushes a folder's list of names, without which a renamed file may be gone after a power cut. Where a file system has no such flush (some of
 * SMB and of FUSE), nothing can be done about that, and nothing is.
 */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } catch (error) {
    if (!NO_FLUSH.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    await handle.close();
  }
}

/** What `fsync` of a folder says where there is none. */
const NO_FLUSH: readonly string[] = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EBADF"];

/** Runs `write`; what it throws comes back as ERR_OUTPUT naming `path`. */
export async function attempt<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause;
    throw cannotWrite(path, cause);
  }
}

/** The error of a write to `path` that failed. */
export function cannotWrite(path: string, cause: unknown): HeadraceError {
  return new HeadraceError(
    "ERR_OUTPUT",
    `cannot write ${path}: ${messageOf(cause)}; free space or permit writing there, then run again`,
    { cause },
  );
}
