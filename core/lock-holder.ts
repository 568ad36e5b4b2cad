/**
 * Who holds a lock: what the lock file says, and whether that process lives. Of a process of this machine the system tells; of one of another
 * machine only its sign of life does, a time of change that goes on (`heartbeat.ts`).
 */
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { hasEnded, parseOwner, thisProcess } from "./owner.ts";
import { boolean, nullable, number, object, optional, parseJson, string } from "./parse.ts";

const signs = object({
  place: optional(nullable(string)),
  everySeconds: optional(number),
  brief: optional(boolean, false),
});

/** The text of a lock of this process; no two are equal. `everySeconds`: how often it gives a sign of life; absent: never. */
export function holderText(of: { readonly everySeconds?: number; readonly brief?: boolean }): string {
  const { everySeconds, brief } = of;
  return JSON.stringify({
    ...thisProcess(),
    ...(everySeconds !== undefined && { everySeconds, place: place() }),
    ...(brief && { brief }),
    id: randomBytes(6).toString("hex"),
  });
}

/**
 * Whether the holder lives, as far as can be told at once. `silent`: on another machine, so that only a sign of life tells.
 * A lock without signs of life counts as alive on every machine but its own; what is not a lock of ours, everywhere.
 */
export function lifeOf(text: string): "alive" | "dead" | "silent" {
  const owner = parseOwner(text);
  if (owner === null) return "alive";
  const { everySeconds, place: there } = signsOf(text);
  if (everySeconds !== undefined && (owner.host !== hostname() || there !== place())) return "silent";
  return hasEnded(owner) ? "dead" : "alive";
}

/** Whether the lock is held for moments only. */
export function isBrief(text: string): boolean {
  return parseOwner(text) !== null && signsOf(text).brief;
}

/** The holder in words. */
export function describeHolder(text: string): string {
  const owner = parseOwner(text);
  return owner ? `process ${owner.pid} on ${owner.host}` : JSON.stringify(text.slice(0, 80));
}

function signsOf(text: string): ReturnType<typeof signs> {
  return parseJson(text, signs, "lock");
}

/**
 * Where process numbers mean what they mean here: this start of the system, this namespace. Containers and machines that share a name
 * differ in it. Null where the system does not say.
 */
function place(): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return null;
  }
}
