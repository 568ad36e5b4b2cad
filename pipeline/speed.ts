/**
 * How long a build will take at least, from what one thread was measured to do here and now. Clocks decide it, so it is not the same twice.
 */
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";

/** The work of a build. */
export interface Work {
  /** Time one thread takes to read, tokenize and score all input. */
  readonly readSeconds: number;
  /** Time of what comes before and runs on one thread: the calibration, or judging a score table. */
  readonly beforeSeconds: number;
  /** Bytes that are written, and hashed. */
  readonly bytes: number;
  readonly workers: number;
}

/** Bytes hashed for a measurement: 10 to 30 ms. */
const MEASURED_BYTES = 16_000_000;
let hashRate: number | undefined;

/** Threads of a build that run at a time: more workers than processors are no faster. */
export function threadsOf(workers: number): number {
  return Math.min(workers, availableParallelism());
}

/** Bytes a second that one thread hashes, measured once a process. */
export function hashBytesPerSecond(): number {
  if (hashRate === undefined) {
    const bytes = Buffer.alloc(MEASURED_BYTES);
    const started = performance.now();
    createHash("sha256").update(bytes).digest();
    hashRate = (1000 * MEASURED_BYTES) / (performance.now() - started);
  }
  return hashRate;
}

/** Seconds from start to end, at least: reading and hashing divided by the threads, what runs before them as it is. */
export function secondsOf({ readSeconds, beforeSeconds, bytes, workers }: Work): number {
  return beforeSeconds + (readSeconds + bytes / hashBytesPerSecond()) / threadsOf(workers);
}
