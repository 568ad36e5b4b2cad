/**
 * The other side of `pool.ts`: runs the jobs of a build on a worker thread.
 */
import { parentPort, workerData } from "node:worker_threads";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { type CompactJob, compactJob } from "./compaction.ts";
import { type Curator, openCurator } from "./curator.ts";
import type { Task } from "./plan.ts";
import type { WorkerMessage, WorkerRequest } from "./pool.ts";
import { gathered } from "./progress.ts";
import { type ScanJob, scanOnce } from "./split.ts";
import { runTask, type TaskProgress } from "./task.ts";
import type { WorkSetup } from "./work.ts";

/** What a worker of a build can be asked to do. */
export type BuildJob =
  | { readonly kind: "task"; readonly task: Task }
  | { readonly kind: "scan"; readonly job: ScanJob }
  | { readonly kind: "compact"; readonly job: CompactJob };

/** How often a job says how far it is: as often as a person sees. */
const PROGRESS_MS = 100;

const setup = workerData as WorkSetup;
let curator: Promise<Curator> | undefined;

parentPort?.on("message", async ({ job, payload }: WorkerRequest<BuildJob>) => {
  const post = (message: WorkerMessage<unknown, TaskProgress>) => parentPort?.postMessage(message);
  try {
    const steps = gathered((progress) => post({ kind: "progress", job, progress }), PROGRESS_MS);
    const result = await run(payload, steps.add);
    steps.rest();
    post({ kind: "result", job, result });
  } catch (error) {
    const code = error instanceof HeadraceError ? error.code : null;
    post({
      kind: "failure",
      job,
      code,
      message: code === null ? String((error as Error).stack ?? error) : messageOf(error),
    });
  }
});

async function run(payload: BuildJob, onProgress: (progress: TaskProgress) => void): Promise<unknown> {
  switch (payload.kind) {
    case "task":
      curator ??= openCurator(setup.curate);
      return runTask(payload.task, {
        buildFolder: setup.buildFolder,
        curator: await curator,
        source: setup.source,
        keepDropped: setup.keepDropped,
        sectionRecords: setup.sectionRecords,
        onProgress,
      });
    case "scan":
      return scanOnce(setup.buildFolder, payload.job);
    case "compact":
      return compactJob(payload.job, onProgress);
    default:
      payload satisfies never;
  }
}
