/** The control of every measurement with two workers: a loop that needs no memory, on one thread or on several. */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** Seconds that `threads` threads take to turn `rounds` rounds each, from when all are ready until the last is done. */
export async function spin(threads: number, rounds: number): Promise<number> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(import.meta.filename, { workerData: rounds }),
  );
  const said = (worker: Worker) => new Promise((resolve) => worker.once("message", resolve));
  await Promise.all(workers.map(said));
  const started = performance.now();
  const done = Promise.all(workers.map(said));
  for (const worker of workers) worker.postMessage("go");
  await done;
  const seconds = (performance.now() - started) / 1000;
  await Promise.all(workers.map((worker) => worker.terminate()));
  return seconds;
}

function turn(rounds: number): number {
  let state = 1;
  for (let i = 0; i < rounds; i++) state = Math.imul(state ^ (state >>> 7), 0x9e3779b1);
  return state;
}

if (!isMainThread) {
  turn(1e7);
  parentPort!.once("message", () => parentPort!.postMessage(turn(workerData as number)));
  parentPort!.postMessage("ready");
}
