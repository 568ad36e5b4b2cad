/**
 * The tasks of a build: big files are scanned for places to cut them, on the workers, and then everything is grouped.
 */
import { hashOf } from "../core/hash.ts";
import type { Calibration } from "../filters/index.ts";
import type { InputFile } from "./inputs.ts";
import { NO_PROGRESS } from "./options.ts";
import { planTasks, type Task, taskBytesOf } from "./plan.ts";
import { runPool } from "./pool.ts";
import type { Prepared } from "./prepare.ts";
import { progressOf } from "./progress.ts";
import type { Scan } from "./range.ts";
import { keptScan, rangesOf, scanJobs } from "./split.ts";
import { workSetup } from "./work.ts";
import type { BuildJob } from "./worker.ts";

/** All tasks of a build whose calibration is settled, in the order of their documents. Scans what no earlier run has scanned. */
export async function planBuild(
  prepared: Prepared,
  calibration: Calibration | null,
): Promise<readonly Task[]> {
  const { train, validation, description } = prepared;
  const inputs = [
    { role: "train" as const, ...(await splitFiles(prepared, train.files)) },
    { role: "validation" as const, ...(await splitFiles(prepared, validation?.files ?? [])) },
  ];
  return planTasks(inputs, { ...description, calibration: calibration && hashOf(calibration) });
}

/** The files of a role, big ones as ranges. */
async function splitFiles(prepared: Prepared, files: readonly InputFile[]) {
  const { buildFolder, options, workers } = prepared;
  const taskBytes = options.taskBytes ?? taskBytesOf(files);
  const jobs = scanJobs(files, taskBytes, options.taskBytes !== undefined);
  const scans = new Map<InputFile, Scan | null>();
  for (const job of jobs) {
    const kept = await keptScan(buildFolder, job);
    if (kept !== undefined) scans.set(job.file, kept);
  }
  const open = jobs.filter(({ file }) => !scans.has(file));
  const total = open.reduce((sum, { file }) => sum + file.bytes, 0);
  const report = progressOf("scan", total, options.onProgress);
  await runPool<BuildJob, Scan | null, never>({
    jobs: open.map((job) => ({ kind: "scan", job })),
    workers,
    setup: workSetup(prepared, prepared.curate),
    onResult: (i, scan) => {
      const { file } = open[i]!;
      scans.set(file, scan);
      report({ ...NO_PROGRESS, bytes: file.bytes });
    },
  });
  return { files: files.flatMap((file) => rangesOf(file, scans.get(file) ?? null)), taskBytes };
}
