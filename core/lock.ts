/**
 * A lock file: one holder at a time, across processes. It is created whole (a link) and names its holder, so that the lock of a process that died
 * on this machine is taken over; the lock of another machine is respected until a person removes it.
 */
import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HeadraceError, messageOf } from "./errors.ts";
import { integer, nullable, object, parseJson, string } from "./parse.ts";

/** A lock in hand. */
export interface Lock {
  /** Gives it back; a second call does nothing. */
  release(): void;
}

const holder = object({ pid: integer(1), host: string, started: nullable(string) });

/**
 * Takes the lock, waiting at most `waitSeconds` for its holder; its folder is made where it is missing.
 * Throws ERR_LOCKED naming the holder, ERR_OUTPUT where nothing can be written.
 */
export async function acquireLock(path: string, waitSeconds = 0): Promise<Lock> {
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), started: startOf(process.pid) });
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
  if (readFileSync(aside, "utf8") !== judged)
    try {
      linkSync(aside, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  unlinkSync(aside);
}

function isStale(text: string): boolean {
  const { pid, host, started } = parseHolder(text) ?? {};
  if (pid === undefined || host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
  const now = startOf(pid);
  return started !== null && now !== null && started !== now;
}

/** When a process started, in clock ticks since boot, so that a number used again is not taken for its holder; null where the system does not say. */
function startOf(pid: number): string | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  return stat === null ? null : (stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null);
}

function describe(text: string): string {
  const seen = parseHolder(text);
  return seen ? `process ${seen.pid} on ${seen.host}` : JSON.stringify(text.slice(0, 80));
}

function parseHolder(text: string): ReturnType<typeof holder> | null {
  try {
    return parseJson(text, holder, "lock");
  } catch {
    return null;
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
