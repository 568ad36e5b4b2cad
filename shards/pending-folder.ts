/**
 * A folder that is there whole or not at all: filled beside its place under a hidden temporary name, then renamed.
 * Refuses a place that holds anything. The temporary name says whose it is, `.NAME.<host>-<pid>-<start>.<hex>.tmp`: what a killed process left
 * is removed by the next one that fills the same place on that machine. Another machine's may be deleted by hand once its process has ended.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { attempt, openPending, syncFolder } from "../core/commit.ts";
import { HeadraceError } from "../core/errors.ts";
import { hasEnded, type Owner, thisProcess } from "../core/owner.ts";

/** A file of a folder, as written. `path` is under the folder, with `/`. */
export interface WrittenFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A file that is being written front to back. */
export interface GrowingFile {
  /** Bytes so far. */
  readonly bytes: number;
  /** Appends. The bytes must not change until the promise is fulfilled. Throws ERR_OUTPUT. */
  write(data: ArrayBufferView): Promise<void>;
  /** Flushes and closes. */
  close(): Promise<WrittenFile>;
  /** Closes and deletes. Does nothing after `close`. */
  abort(): Promise<void>;
}

/** A folder that is being filled. */
export interface PendingFolder {
  /** Where it lies until `commit`. */
  readonly path: string;
  /** Opens a file under the folder; its own folders are made. */
  create(path: string): Promise<GrowingFile>;
  /** Gives the folder its final name, or another beside it that was not known before. Throws ERR_OUTPUT where something came to lie there meanwhile. */
  commit(as?: string): Promise<void>;
  /** Deletes all of it. Does nothing after `commit`. */
  abort(): Promise<void>;
}

/**
 * Begins a folder that will be `path`, and removes what dead processes of this machine left of it. Throws ERR_OUTPUT where `path` is a
 * file or a folder that is not empty.
 */
export async function openPendingFolder(path: string): Promise<PendingFolder> {
  const place = resolve(path);
  const parent = dirname(place);
  const tag = `${ownerTag(thisProcess())}.${randomBytes(6).toString("hex")}`;
  const temporary = join(parent, `.${basename(place)}.${tag}.tmp`);
  await refuseOccupied(place);
  await attempt(place, async () => {
    await mkdir(parent, { recursive: true });
    await removeAbandoned(place);
    await mkdir(temporary);
  });
  let ended = false;
  return {
    path: temporary,
    create: (name) => openGrowing(temporary, name),
    async commit(as = place) {
      await refuseOccupied(as);
      await attempt(as, async () => {
        await syncFolder(temporary);
        await rename(temporary, as);
        ended = true;
        await syncFolder(parent);
      });
    },
    async abort() {
      if (ended) return;
      ended = true;
      await rm(temporary, { recursive: true, force: true });
    },
  };
}

/** Removes the temporary folders of a place whose processes have ended. */
async function removeAbandoned(place: string): Promise<void> {
  const parent = dirname(place);
  const prefix = `.${basename(place)}.`;
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    const tag = /^(.+)\.[0-9a-f]{12}\.tmp$/.exec(name.slice(prefix.length))?.[1];
    const owner = tag === undefined ? null : parseOwnerTag(tag);
    if (owner !== null && hasEnded(owner)) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/** An owner in the name of a file. */
function ownerTag({ host, pid, started }: Owner): string {
  return `${encodeURIComponent(host)}-${pid}-${started ?? ""}`;
}

function parseOwnerTag(tag: string): Owner | null {
  const match = /^(.+)-([1-9]\d*)-(\d*)$/.exec(tag);
  if (!match) return null;
  const [, host, pid, started] = match as unknown as [string, string, string, string];
  try {
    return { host: decodeURIComponent(host), pid: Number(pid), started: started === "" ? null : started };
  } catch {
    return null;
  }
}

async function refuseOccupied(place: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(place);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    throw new HeadraceError(
      "ERR_OUTPUT",
      `${place} cannot be used as a folder: ${message}; choose another --out`,
      { cause: error },
    );
  }
  if (names.length > 0)
    throw new HeadraceError(
      "ERR_OUTPUT",
      `${place} is not empty (${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}); delete it or choose another --out`,
    );
}

async function openGrowing(folder: string, path: string): Promise<GrowingFile> {
  const pending = await openPending(join(folder, path));
  const hash = createHash("sha256");
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    async write(data) {
      const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const at = bytes;
      bytes += view.byteLength;
      hash.update(view);
      await attempt(path, async () => {
        // One call writes at most about 2 GiB (Linux), and may write less.
        for (let done = 0; done < view.byteLength; ) {
          const length = Math.min(view.byteLength - done, 2 ** 30);
          done += (await pending.handle.write(view, done, length, at + done)).bytesWritten;
        }
      });
    },
    async close() {
      await pending.commit();
      return { path, bytes, sha256: hash.digest("hex") };
    },
    abort: () => pending.abort(),
  };
}
