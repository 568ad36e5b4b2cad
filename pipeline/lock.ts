/**
 * One process at a time in an output folder. The lock is a file that names its holder; a holder that is dead on this host is taken over.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import { integer, object, parseJson, string } from "../core/parse.ts";

const holderOf = object({ process: integer(1), host: string, started: string });

/** Takes the lock; returns the function that gives it back. Throws ERR_LOCKED naming the holder. */
export function takeLock(path: string): () => void {
  mkdirSync(dirname(path), { recursive: true });
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(
        path,
        JSON.stringify({ process: process.pid, host: hostname(), started: startOf(process.pid) }),
        { flag: "wx" },
      );
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw cannotWrite(path, error);
    }
    const holder = readHolder(path);
    if (holder !== undefined && (holder.host !== hostname() || isAlive(holder.process, holder.started)))
      throw new HeadraceError(
        "ERR_LOCKED",
        `${dirname(path)} is held by process ${holder.process} on ${holder.host}; wait for it, or remove ${path} if that process is gone`,
      );
    if (attempt > 3)
      throw new HeadraceError("ERR_LOCKED", `${path} cannot be taken; remove it if no build is running`);
    rmSync(path, { force: true });
  }
}

function readHolder(path: string) {
  try {
    return parseJson(readFileSync(path, "utf8"), holderOf, path);
  } catch {
    return undefined; // torn by a crash, or just given back
  }
}

function isAlive(process_: number, started: string): boolean {
  try {
    process.kill(process_, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return startOf(process_) === started;
}

/** The start time of a process in clock ticks since boot, where /proc tells it: a number that came round again is another process. */
function startOf(process_: number): string {
  try {
    return (
      readFileSync(`/proc/${process_}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ")[19] ?? ""
    );
  } catch {
    return "";
  }
}

function cannotWrite(path: string, cause: unknown): HeadraceError {
  return new HeadraceError(
    "ERR_OUTPUT",
    `${path} cannot be written: ${(cause as Error).message}; choose another --out`,
    { cause },
  );
}
