/**
 * Jobs on worker threads: each worker takes the next job when it is free; results come back by job number, whatever the order of finishing.
 * The first failure stops the handing out; jobs under way end first, so what they committed stays.
 */
import { getCompileCacheDir } from "node:module";
import { dirname, extname } from "node:path";
import { Worker } from "node:worker_threads";
import { type ErrorCode, HeadraceError } from "../core/errors.ts";

/** Three semi-spaces of 2 MB, for V8's 16 or more: what a document leaves behind dies young all the same, and a worker takes 45 MB less (docs/log.md). */
const YOUNG_MEGABYTES = 6;

/** What a worker posts back; `worker.ts` is the other side. */
export type WorkerMessage<Result, Progress> =
  | { readonly kind: "progress"; readonly job: number; readonly progress: Progress }
  | { readonly kind: "result"; readonly job: number; readonly result: Result }
  | {
      readonly kind: "failure";
      readonly job: number;
      readonly code: ErrorCode | null;
      readonly message: string;
    };

/** What a worker is asked to do. */
export interface WorkerRequest<Job> {
  readonly job: number;
  readonly payload: Job;
}

/** What to run and where the reports go. */
export interface PoolOptions<Job, Result, Progress> {
  readonly jobs: readonly Job[];
  /** Threads, at least 1; no more are started than there are jobs. */
  readonly workers: number;
  /** Given to every worker once, as `workerData`. */
  readonly setup: unknown;
  readonly onProgress?: (job: number, progress: Progress) => void;
  readonly onResult?: (job: number, result: Result) => void;
}

/** Runs all jobs and returns their results in job order. Throws the first failure after the jobs under way have ended. */
export async function runPool<Job, Result, Progress>(
  options: PoolOptions<Job, Result, Progress>,
): Promise<readonly Result[]> {
  const { jobs } = options;
  const results: Result[] = new Array(jobs.length);
  const queue = jobs.map((_, i) => i);
  let failure: Error | undefined;

  const serve = async (): Promise<void> => {
    if (queue.length === 0) return;
    const worker = new Worker(new URL(`./worker${extname(import.meta.filename)}`, import.meta.url), {
      workerData: options.setup,
      env: environment(),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEGABYTES },
    });
    try {
      for (let job = queue.shift(); job !== undefined && failure === undefined; job = queue.shift())
        results[job] = await ask(worker, job);
    } catch (error) {
      failure ??= error as Error;
    } finally {
      await worker.terminate();
    }
  };

  const ask = (worker: Worker, job: number): Promise<Result> =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        worker.off("message", onMessage).off("error", reject).off("exit", onExit);
        act();
      };
      const onExit = (code: number) =>
        settle(() =>
          reject(
            new HeadraceError(
              "ERR_RUNTIME",
              `worker thread ended with code ${code} during job ${job}; run the same command again to go on`,
            ),
          ),
        );
      const onMessage = (message: WorkerMessage<Result, Progress>) => {
        switch (message.kind) {
          case "progress":
            return options.onProgress?.(job, message.progress);
          case "result":
            return settle(() => {
              try {
                options.onResult?.(job, message.result);
                resolve(message.result);
              } catch (error) {
                reject(error);
              }
            });
          case "failure":
            return settle(() =>
              reject(
                message.code === null
                  ? new Error(message.message)
                  : new HeadraceError(message.code, message.message),
              ),
            );
          default:
            message satisfies never;
        }
      };
      worker.on("message", onMessage).on("error", reject).on("exit", onExit);
      worker.postMessage({ job, payload: jobs[job] } satisfies WorkerRequest<Job | undefined>);
    });

  await Promise.all(Array.from({ length: Math.max(1, Math.min(options.workers, jobs.length)) }, serve));
  if (failure !== undefined) throw failure;
  return results;
}

/** The environment of a worker: ours, and where this process keeps compiled code, which a thread learns from there alone. */
function environment(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir();
  // Node keeps the code of each of its versions in a folder of its own under the one that it was given.
  return folder === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(folder) };
}
