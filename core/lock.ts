/**
 * A lock file: one holder at a time, across processes and, on a shared file system, machines. It is created whole (a link) and names its
 * holder. The lock of a process that died on this machine is taken over; that of another machine is respected until a person removes it, or,
 * where it gives signs of life, until it has given none for a stated time.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { HeadraceError, messageOf } from "./errors.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { describeHolder, holderText, isBrief, lifeOf } from "./lock-holder.ts";

/** Seconds between two signs of life. */
const BEAT_SECONDS = 10;
/**
 * Seconds of silence after which the lock of another machine is taken over: a dozen beats, and twice the minute for which an NFS client
 * may show an old time of change (nfs(5), acregmax).
 */
const SILENCE_SECONDS = 120;
/** Seconds that anyone waits for one holder of a brief lock. */
const BRIEF_SECONDS = 60;
/** A lock that can be seen but not read so many times in a row is not waited for. */
const MOST_MISSES = 200;

/** A lock in hand. */
export interface Lock {
  /** Throws ERR_LOCKED where the lock was taken over, as from a machine that slept: its holder must write nothing more. */
  requireHeld(): void;
  /** Gives it back; a second call does nothing. */
  release(): void;
}

/** How a lock is held, and what becomes of another's. */
export interface LockOptions {
  /** Give signs of life, so that other machines may take the lock over when this one is gone. Default false. */
  readonly heartbeat?: boolean;
  /** Seconds between two of them. Default 10; above 0. */
  readonly everySeconds?: number;
  /** It is held for moments only: others wait up to a minute for it, whatever they would wait for a lock. Default false. */
  readonly brief?: boolean;
  /** Seconds without a sign of life after which the lock of another machine is taken over. Default 120; above 0. */
  readonly silenceSeconds?: number;
  /** Is told in a sentence when a holder's life is in doubt, and when its lock is taken over. */
  readonly onNote?: (sentence: string) => void;
}

/**
 * Takes the lock, waiting at most `waitSeconds` for a holder that lives; its folder is made where it is missing.
 * Throws ERR_LOCKED naming the holder, ERR_OUTPUT where nothing can be written.
 */
export async function acquireLock(path: string, waitSeconds = 0, options: LockOptions = {}): Promise<Lock> {
  const { brief = false, silenceSeconds = SILENCE_SECONDS, onNote } = options;
  const everySeconds = options.heartbeat ? (options.everySeconds ?? BEAT_SECONDS) : null;
  const mine = holderText({ brief, ...(everySeconds !== null && { everySeconds }) });
  const pending = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const until = performance.now() + 1000 * waitSeconds;
  const silence = new Silence();
  let misses = 0;
  for (;;) {
    if (linked(pending, path, mine)) {
      removeLeftovers(path);
      return hold(path, mine, everySeconds);
    }
    const seen = look(path);
    if (seen === null) {
      if (++misses > MOST_MISSES)
        throw new HeadraceError("ERR_LOCKED", `${path} is there and cannot be read; remove it`);
      await sleep(10 * Math.random());
      continue;
    }
    misses = 0;
    const life = lifeOf(seen.text);
    const { beats, seconds, first, since } = silence.heard(seen);
    if (life === "dead" || (life === "silent" && seconds >= silenceSeconds)) {
      if (life === "silent")
        onNote?.(
          `${path} was held by ${describeHolder(seen.text)}, which has given no sign of life for ${silenceSeconds} s; it is taken over`,
        );
      takeAway(path, seen.text, pending);
      continue;
    }
    if (life === "silent" && beats === 0) {
      if (first)
        onNote?.(
          `${path} is held by ${describeHolder(seen.text)}; unless it gives a sign of life within ${silenceSeconds} s it is taken over`,
        );
      await sleep(1000 * Math.min(1, silenceSeconds / 10));
      continue;
    }
    if (performance.now() >= Math.max(until, isBrief(seen.text) ? since + 1000 * BRIEF_SECONDS : 0))
      throw new HeadraceError(
        "ERR_LOCKED",
        `${path} is held by ${describeHolder(seen.text)}; wait for it to end, or remove the file if it has`,
      );
    await sleep(20 + 30 * Math.random());
  }
}

/** Runs `act` under a lock. */
export async function withLock<T>(
  path: string,
  waitSeconds: number,
  act: () => Promise<T>,
  options?: LockOptions,
): Promise<T> {
  const lock = await acquireLock(path, waitSeconds, options);
  try {
    return await act();
  } finally {
    lock.release();
  }
}

/** Who holds a lock, in words; null where nobody does, or a process of this machine that is dead. Waits for no sign of life. */
export function lockHolder(path: string): string | null {
  const text = look(path)?.text;
  return text === undefined || lifeOf(text) === "dead" ? null : describeHolder(text);
}

/** Puts the lock in place by a link, which is there whole or not at all. False where one is there. Throws ERR_OUTPUT. */
function linked(pending: string, path: string, text: string): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(pending, text);
    try {
      linkSync(pending, path);
      return true;
    } catch (error) {
      // Over NFS the answer to a link that was made can be lost, and asking again says that it exists: the count of links tells.
      if (statSync(pending).nlink === 2) return true;
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const [what, wayOut] =
      (cause as NodeJS.ErrnoException).syscall === "link" && code !== undefined && NO_LINKS.includes(code)
        ? ["lock", "its file system makes no hard links, which a lock needs: choose a folder on another one"]
        : ["write", "choose another folder, or permit writing there"];
    throw new HeadraceError("ERR_OUTPUT", `cannot ${what} ${dirname(path)}: ${messageOf(cause)}; ${wayOut}`, {
      cause,
    });
  } finally {
    removeQuietly(pending);
  }
}

/** What `link` says where a file system has no links (FAT, some of FUSE and of SMB). */
const NO_LINKS: readonly string[] = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV", "EMLINK"];

function hold(path: string, text: string, everySeconds: number | null): Lock {
  const beat = everySeconds === null ? null : startHeartbeat({ path, text, everySeconds });
  let held = true;
  return {
    requireHeld() {
      const seen = look(path);
      if (held && seen?.text === text) return;
      throw new HeadraceError(
        "ERR_LOCKED",
        `${path} was taken over${seen ? ` by ${describeHolder(seen.text)}` : ""} while this process gave no sign of life; nothing more is written here, run the same command again to go on`,
      );
    },
    release() {
      if (!held) return;
      held = false;
      void beat?.terminate();
      try {
        if (look(path)?.text === text) removeQuietly(path);
      } catch {
        // It cannot be read any more: whoever comes next judges it by its holder, who is gone.
      }
    },
  };
}

function startHeartbeat(of: Heartbeat): Worker {
  // Loaded where it is needed: samplers take locks too, and load no threads.
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  const worker = new Worker(new URL(`./heartbeat${extname(import.meta.filename)}`, import.meta.url), {
    workerData: of,
  });
  worker.unref();
  // Without its thread the lock is silent; requireHeld notices if it is lost.
  worker.on("error", () => {});
  return worker;
}

/** A lock file as seen: what it says and when it last changed, in milliseconds. */
interface Look {
  readonly text: string;
  readonly changed: number;
}

/** Reads a lock through an open file, for which an NFS client asks the server anew; null where there is none. Throws ERR_LOCKED. */
function look(path: string): Look | null {
  let handle: number | undefined;
  try {
    handle = openSync(path, "r");
    return { text: readFileSync(handle, "utf8"), changed: fstatSync(handle).mtimeMs };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    if (["ENOENT", "ESTALE"].includes(code)) return null;
    throw new HeadraceError(
      "ERR_LOCKED",
      `${path} cannot be read: ${messageOf(cause)}; permit reading it, or remove it if its holder has ended`,
      { cause },
    );
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

/** How long one holder has given no sign of life, by this process's own clock. */
class Silence {
  #seen: Look | undefined;
  #looked = 0;
  #since = 0;
  #beats = 0;
  #seconds = 0;

  /** Counts a look. `beats`: signs of life; `seconds` without one; `first`: a holder not seen before, `since` when it was. */
  heard(seen: Look): { beats: number; seconds: number; first: boolean; since: number } {
    const now = performance.now();
    const first = this.#seen?.text !== seen.text;
    if (first) {
      this.#beats = 0;
      this.#since = now;
    }
    if (first || this.#seen?.changed !== seen.changed) {
      if (!first) this.#beats++;
      this.#seconds = 0;
    } else {
      // A look that had to wait for the file server is no silence of the holder, who had to wait as well.
      this.#seconds += Math.min(2, (now - this.#looked) / 1000);
    }
    this.#seen = seen;
    this.#looked = now;
    return { beats: this.#beats, seconds: this.#seconds, first, since: this.#since };
  }
}

/** Removes a stale lock by renaming it. A lock that another process took meanwhile is put back. Throws ERR_OUTPUT. */
function takeAway(path: string, judged: string, aside: string): void {
  try {
    renameSync(path, aside);
    if (readFileSync(aside, "utf8") !== judged) linkSync(aside, path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    if (!["ENOENT", "EEXIST"].includes(code))
      throw new HeadraceError(
        "ERR_OUTPUT",
        `cannot take over ${path}: ${messageOf(cause)}; remove it, or permit writing there`,
        { cause },
      );
  } finally {
    removeQuietly(aside);
  }
}

/** Removes the files that processes of this machine left which were killed on their way to the lock. */
function removeLeftovers(path: string): void {
  try {
    const prefix = `${basename(path)}.`;
    for (const name of readdirSync(dirname(path))) {
      if (!name.startsWith(prefix) || !/^[0-9a-f]{12}\.tmp$/.test(name.slice(prefix.length))) continue;
      const left = join(dirname(path), name);
      const text = look(left)?.text;
      if (text !== undefined && lifeOf(text) === "dead") removeQuietly(left);
    }
  } catch {
    // Then they stay: they are in nobody's way.
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Gone already, or left over under a name that nobody looks for, or as a lock whose holder is gone.
  }
}
