/**
 * A lock file: one holder at a time, across processes. It is created whole (a link) and names its holder, so that the lock of a process that died
 * on this machine is taken over; the lock of another machine is respected until a person removes it.
 */
import { randomBytes } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HeadraceError, messageOf } from "./errors.ts";
import { hasEnded, parseOwner, thisProcess } from "./owner.ts";

/** A lock in hand. */
export interface Lock {
  /** Gives it back; a second call does nothing. */
  release(): void;
}

/**
 * Takes the lock, waiting at most `waitSeconds` for its holder; its folder is made where it is missing.
 * Throws ERR_LOCKED naming the holder, ERR_OUTPUT where nothing can be written.
 */
export async function acquireLock(path: string, waitSeconds = 0): Promise<Lock> {
  const mine = JSON.stringify(thisProcess());
  const pending = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const until = Date.now() + 1000 * waitSeconds;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(pending, mine);
  } catch (cause) {
    throw new HeadraceError(
      "ERR_OUTPUT",
      `cannot write ${dirname(path)}: ${messageOf(cause)}; choose another folder, or permit writing there`,
      { cause },
    );
  }
  for (;;) {
    writeFileSync(pending, mine);
    try {
      linkSync(pending, path);
      let held = true;
      return {
        release() {
          if (held && readOrNull(path) === mine) unlinkSync(path);
          held = false;
        },
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      unlinkSync(pending);
      removeLeftovers(path);
    }
    const seen = readOrNull(path);
    if (seen === null) continue;
    if (isStale(seen)) {
      takeAway(path, seen, pending);
      continue;
    }
    if (Date.now() >= until)
      throw new HeadraceError(
        "ERR_LOCKED",
        `${path} is held by ${describe(seen)}; wait for it to end, or remove the file if it has`,
      );
    await sleep(20 + 30 * Math.random());
  }
}

/** Runs `act` under a lock. */
export async function withLock<T>(path: string, waitSeconds: number, act: () => Promise<T>): Promise<T> {
  const lock = await acquireLock(path, waitSeconds);
  try {
    return await act();
  } finally {
    lock.release();
  }
}

/** Removes a stale lock by renaming it. A lock that another process took meanwhile is put back. */
function takeAway(path: string, judged: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const seen = readOrNull(aside);
  if (seen === null) return; // the new holder saw that its owner is dead, and removed it
  if (seen !== judged)
    try {
      linkSync(aside, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  rmSync(aside, { force: true });
}

function isStale(text: string): boolean {
  const owner = parseOwner(text);
  return owner !== null && hasEnded(owner);
}

/** Removes the files that processes left which were killed on their way to the lock. */
function removeLeftovers(path: string): void {
  const folder = dirname(path);
  const prefix = `${basename(path)}.`;
  let names: readonly string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    // Then they stay: they are in nobody's way.
  }
  for (const name of names) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{12}\.tmp$/.test(name.slice(prefix.length))) continue;
    const text = readOrNull(join(folder, name));
    if (text !== null && isStale(text)) rmSync(join(folder, name), { force: true });
  }
}

function describe(text: string): string {
  const seen = parseOwner(text);
  return seen ? `process ${seen.pid} on ${seen.host}` : JSON.stringify(text.slice(0, 80));
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
