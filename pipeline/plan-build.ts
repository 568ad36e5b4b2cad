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

/**
 * All tasks of a build whose calibration is settled, in the order of their documents. Scans what no earlier run, and no other machine, has
 * scanned. `begin`, of [0, 1): how far down the list of scans to begin; machines that begin in different places share them.
 */
export async function planBuild(
  prepared: Prepared,
  calibration: Calibration | null,
  begin = 0,
): Promise<readonly Task[]> {
  const { train, validation, reading } = prepared;
  const inputs = [
    await splitFiles(prepared, "train", train.files, begin),
    await splitFiles(prepared, "validation", validation?.files ?? [], begin),
  ];
  return planTasks(inputs, { ...reading, calibration: calibration && hashOf(calibration) });
}

/** The same of a build whose big files are all scanned; undefined where one is not. Reads no input. */
export async function plannedBuild(
  prepared: Prepared,
  calibration: Calibration | null,
): Promise<readonly Task[] | undefined> {
  const train = await lookForScans(prepared, "train", prepared.train.files);
  const validation = await lookForScans(prepared, "validation", prepared.validation?.files ?? []);
  return train.left.length + validation.left.length > 0 ? undefined : planBuild(prepared, calibration);
}

/** What is known of the big files of a role, and which are left to be scanned. */
async function lookForScans(prepared: Prepared, role: Task["role"], files: readonly InputFile[]) {
  const { buildFolder, options } = prepared;
  const taskBytes = options.taskBytes ?? taskBytesOf(files);
  const jobs = scanJobs(role, files, taskBytes, options.taskBytes !== undefined);
  const scans = new Map<InputFile, Scan | null>();
  for (const job of jobs) {
    const kept = await keptScan(buildFolder, job);
    if (kept !== undefined) scans.set(job.file, kept);
  }
  return { taskBytes, scans, left: jobs.filter(({ file }) => !scans.has(file)) };
}

/** The files of a role, big ones as ranges. */
async function splitFiles(
  prepared: Prepared,
  role: Task["role"],
  files: readonly InputFile[],
  begin: number,
) {
  const { options, workers } = prepared;
  const { taskBytes, scans, left } = await lookForScans(prepared, role, files);
  const first = Math.floor(begin * left.length);
  const open = [...left.slice(first), ...left.slice(0, first)];
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
  return { role, files: files.flatMap((file) => rangesOf(file, scans.get(file) ?? null)), taskBytes };
}
