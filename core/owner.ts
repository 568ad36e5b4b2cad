/**
 * Which process of which machine something on disk belongs to, and whether that process has ended. Of another machine's processes nothing
 * is known, so they count as running.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { integer, nullable, object, parseJson, string } from "./parse.ts";

/** A process that holds something. */
export interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When it started, in clock ticks since boot, so that a number used again is not taken for it; null where the system does not say. */
  readonly started: string | null;
}

const owner = object({ pid: integer(1), host: string, started: nullable(string) });

/** This process. */
export function thisProcess(): Owner {
  return { pid: process.pid, host: hostname(), started: startOf(process.pid) };
}

/** Whether the process has ended; false where that cannot be known. */
export function hasEnded({ pid, host, started }: Owner): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
  const now = startOf(pid);
  return started !== null && now !== null && started !== now;
}

/** Reads an owner that was written as JSON; null where the text is something else. */
export function parseOwner(text: string): Owner | null {
  try {
    return parseJson(text, owner, "owner");
  } catch {
    return null;
  }
}

function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
