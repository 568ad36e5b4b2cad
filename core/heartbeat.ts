/**
 * The sign of life of a lock, as a worker thread, so that it goes on while the main thread computes: every few seconds the time of change of
 * the lock file is set anew. Only that it changes means anything; no clock is compared with that of another machine.
 * It ends with its process, and when the file is no longer the lock that it was started for.
 */
import { readFileSync, utimesSync } from "node:fs";
import { workerData } from "node:worker_threads";

/** What the thread is given. */
export interface Heartbeat {
  /** The lock file. */
  readonly path: string;
  /** Its text while it is held. */
  readonly text: string;
  readonly everySeconds: number;
}

const { path, text, everySeconds } = workerData as Heartbeat;
const timer = setInterval(() => {
  try {
    if (readFileSync(path, "utf8") !== text) clearInterval(timer);
    else utimesSync(path, new Date(), new Date());
  } catch (error) {
    // A file server that does not answer may do so the next time.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") clearInterval(timer);
  }
}, 1000 * everySeconds);
