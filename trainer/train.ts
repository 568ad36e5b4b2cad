/**
 * The loop in one function: shards and a policy in, a trained model and a replayable run folder out. It makes or resumes the run, starts
 * the trainer, writes a line for each batch it acknowledges and a stage for each loss report. Killed at any point, the same call goes on.
 */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { HeadraceError } from "../core/errors.ts";
import { sha256File } from "../core/hash.ts";
import { acquireLock, createRun, decidedEnd, runPaths, ServedLog, settleReports } from "../samplers/index.ts";
import { type MetricsOptions, RunMetrics } from "./metrics/run-metrics.ts";
import { ADDRESS_VARIABLE, TOKEN_VARIABLE } from "./protocol.ts";
import { RunRecorder, type TrainProgress } from "./recorder.ts";
import { planRun, type RunOptions } from "./run-plan.ts";
import { runSession, type SessionTimes } from "./session.ts";
import { commandLine } from "./subprocess.ts";
import { describeRun, isComplete, isFinished, newestLosses, type TrainReport } from "./train-report.ts";
import { resolveTrainer } from "./trainers.ts";

export interface TrainOptions extends RunOptions, SessionTimes, MetricsOptions {
  /** `embedded`, `torch`, or a command line; null: attach, something else starts the trainer. */
  readonly trainer: string | null;
  /** Where to listen, `tcp:host:port` or `unix:/path`; default a private socket. */
  readonly listen?: string;
  /** Told the address and token when attaching. */
  readonly onAttach?: (connection: { readonly address: string; readonly token: string }) => void;
  /** Told where Prometheus may ask. */
  readonly onMetrics?: (url: string) => void;
  /** Called after every batch and stage. */
  readonly onProgress?: (progress: TrainProgress) => void;
  /** Ends the run early, resumable. */
  readonly signal?: AbortSignal;
}

/**
 * Trains to the end of the run, or until `signal`. Throws what is wrong with the options before anything is written; ERR_TRAINER, ERR_LOSS or
 * ERR_REPLAY when the trainer fails, which leaves the run resumable; ERR_LOCKED when another call has the run, ERR_OUTPUT when the folder is another's.
 */
export async function train(options: TrainOptions): Promise<TrainReport> {
  const began = performance.now();
  const { manifest, schedule: fresh, record: plan, warnings } = await planRun(options);
  const { shards, everyBatches, evaluation, batches } = plan;
  const command = options.trainer === null ? null : resolveTrainer(options.trainer);
  const trainer = command ? commandLine(command) : "attached";

  const paths = runPaths(options.out);
  await mkdir(paths.folder, { recursive: true });
  const lock = await acquireLock(paths.trainLock);
  try {
    const { resumed } = await createRun(paths.folder, { ...plan, trainer }, fresh);
    const schedule = await settleReports(paths.folder);
    const log = new ServedLog(paths.served);
    const metrics = new RunMetrics(paths.folder, await newestLosses(paths, schedule), options);
    try {
      await metrics.listen();
      if (metrics.url) options.onMetrics?.(metrics.url);
      const record = new RunRecorder(paths, log, schedule, manifest, options.onProgress, metrics);
      if (log.repaired) warnings.push(log.repaired);
      const resumedAt = resumed ? log.next : null;
      const session = (await isComplete(paths, schedule, log.next))
        ? { interrupted: false }
        : await runSession({
            ...options,
            welcome: {
              mode: "train",
              run: paths.folder,
              shards,
              batches,
              everyBatches,
              checkpoints: paths.checkpoints,
              evaluation,
            },
            handler: record,
            trainer: command,
            onAttach: (connection) => {
              writeAttach(paths.attach, connection);
              options.onAttach?.(connection);
            },
            log: paths.trainerLog,
            progress: () => record.describe(),
          });
      log.sync();
      const finished = isFinished(record.schedule, log.next);
      if (!finished && !session.interrupted)
        throw new HeadraceError(
          "ERR_TRAINER",
          `trainer said it was done ${record.describe()}, the run has ${decidedEnd(record.schedule).batch} batches; its output is in ${paths.trainerLog}`,
        );
      const seconds = (performance.now() - began) / 1000;
      return {
        ...(await describeRun(paths, record.schedule, log.next)),
        shards,
        trainer,
        servedHash: await sha256File(paths.served),
        warnings: [...warnings, ...record.notes, ...(metrics.problem ? [metrics.problem] : [])],
        finished,
        resumedAt,
        seconds,
        tokensPerSecond: record.tokens / seconds,
      };
    } finally {
      await metrics.close();
      rmSync(paths.attach, { force: true });
      log.close();
    }
  } finally {
    lock.release();
  }
}

/** Shell lines that put the connection into a job's environment, for this user alone. */
function writeAttach(path: string, connection: { readonly address: string; readonly token: string }): void {
  const text = `export ${ADDRESS_VARIABLE}=${connection.address}\nexport ${TOKEN_VARIABLE}=${connection.token}\n`;
  rmSync(path, { force: true });
  writeFileSync(`${path}.tmp`, text, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}
