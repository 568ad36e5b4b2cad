/**
 * One build by many machines over a shared folder: `buildShard` on each runs its tasks, `finishBuild` once makes the shards of all of them,
 * to the bytes of `build`. The machines share files alone: the plan that the first of them wrote, a lock each, and task folders whose
 * manifest is the commit. No clock of one is compared with that of another, and no database is shared.
 */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import { acquireLock, withLock } from "../core/lock.ts";
import type { ShardManifest } from "../shards/index.ts";
import { compactAll, finishAll, inputPlans, readTasks, requireSomething } from "./build.ts";
import {
  type BuildShard,
  folderLock,
  lockOptions,
  missingShards,
  requireNoShards,
  requireOneCut,
  shardLock,
  shardName,
  shardOf,
  UnfinishedBuild,
} from "./build-shard.ts";
import { claimFolder, claimOf, finishedBuild, joinFolder, readPlan, requireSameBuild } from "./folder.ts";
import { writeLedger } from "./ledger.ts";
import type { BuildOptions } from "./options.ts";
import type { Task } from "./plan.ts";
import { planBuild, plannedBuild } from "./plan-build.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { type BuildReport, reportOf } from "./report.ts";
import { withRecordedTimes } from "./same-inputs.ts";
import { knownCalibration, settleCalibration } from "./settle-calibration.ts";
import { type ShardReport, shardReportOf } from "./shard-report.ts";
import { committedTask, finishedTask, taskFolder } from "./task-folder.ts";
import type { TaskManifest } from "./task-manifest.ts";
import { tidyFinished } from "./tidy.ts";

/**
 * Runs the tasks of one shard that are not finished yet, beside other machines that run the others. Resumable and repeatable; the report counts
 * this shard alone. Throws ERR_OUTPUT and ERR_INPUT where the build in the folder has other options or inputs, ERR_LOCKED where the shard or the folder is in use.
 */
export async function buildShard(options: BuildOptions, shard: BuildShard): Promise<ShardReport> {
  const started = performance.now();
  const asked = await prepareShared(options, "--shard");
  const { buildFolder } = asked;
  const locking = lockOptions(options);
  const before = await lookAt(asked);
  if (before.finished) return compactedShard(before.prepared, shard, started);
  const lock = await acquireLock(shardLock(buildFolder, shard), 0, locking);
  try {
    const { prepared, finished } = await withLock(folderLock(buildFolder), 0, () => begin(asked, shard), {
      ...locking,
      brief: true,
    });
    if (finished) return await compactedShard(prepared, shard, started);
    const calibration = await settleCalibration(prepared);
    const all = await planBuild(prepared, calibration, (shard.index - 1) / shard.count);
    const own = all.filter((task) => isOf(task, shard));
    const read = await readTasks(prepared, { calibration, tasks: own, lock, ledger: null });
    return await shardReportOf({ prepared, shard, ...read, started });
  } finally {
    lock.release();
  }
}

/**
 * Makes the shards of a build whose tasks all machines have run. Throws UnfinishedBuild naming the shards to run first, ERR_LOCKED where one is
 * under way.
 */
export async function finishBuild(options: BuildOptions): Promise<BuildReport> {
  const started = performance.now();
  const asked = await prepareShared(options, "--finish");
  const { dir, buildFolder } = asked;
  const report = (manifest: ShardManifest, reused: number | null) =>
    reportOf({ dir, plans: inputPlans(asked), manifest, reused, resumed: 0, started });
  const locking = lockOptions(options);
  const before = await lookAt(asked);
  if (before.finished) {
    await tidyFinished(asked);
    return report(before.finished, null);
  }
  if (!before.begun)
    throw new UnfinishedBuild(
      `${dir} holds no build to finish; run the same command with --shard 1/N to N/N instead of --finish first`,
      [],
    );
  const lock = await acquireLock(folderLock(buildFolder), 0, locking);
  try {
    const { prepared, finished, shards } = await lookAt(asked);
    if (finished) return report(finished, null);
    const calibration = await knownCalibration(prepared);
    if (calibration === undefined) throw unfinished(prepared, shards, "its calibration and all tasks", null);
    const planned = await plannedBuild(prepared, calibration);
    if (planned === undefined)
      throw unfinished(prepared, shards, "the scans of its big files and all tasks", null);
    const tasks = await allTasks(prepared, shards, planned);
    await requireNoShards(buildFolder, locking);
    await claimFolder(claimOf(prepared), shards);
    await requireSomething(prepared, tasks);
    const compacted = await compactAll(prepared, tasks);
    lock.requireHeld();
    const manifest = await finishAll(prepared, calibration, tasks, compacted);
    writeLedger(buildFolder, tasks);
    return await report(manifest, tasks.length);
  } finally {
    lock.release();
  }
}

/** The report of a shard of a finished build, from the manifests that its tasks left. */
async function compactedShard(prepared: Prepared, shard: BuildShard, started: number): Promise<ShardReport> {
  const calibration = await knownCalibration(prepared);
  const all = calibration === undefined ? undefined : await plannedBuild(prepared, calibration);
  const own = (all ?? []).filter((task) => isOf(task, shard));
  const found = await Promise.all(own.map((task) => committedTask(prepared.buildFolder, task)));
  return shardReportOf({
    prepared,
    shard,
    tasks: found.flatMap((task) => task ?? []),
    reused: null,
    resumed: 0,
    started,
  });
}

function isOf(task: Task, { index, count }: BuildShard): boolean {
  return shardOf(task, count).index === index;
}

async function prepareShared(options: BuildOptions, flag: string): Promise<Prepared> {
  if (options.replace)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--replace was given with ${flag}, where it would take the work of other machines away; remove the folder first, or choose another --out`,
    );
  return prepare(options);
}

/**
 * What lies in the folder for this build, by the names and times that its first machine recorded. Throws ERR_OUTPUT and ERR_INPUT where that is
 * another build.
 */
async function lookAt(asked: Prepared): Promise<{
  readonly prepared: Prepared;
  readonly finished: ShardManifest | undefined;
  readonly begun: boolean;
  readonly shards: number | null;
}> {
  const plan = await readPlan(asked.buildFolder);
  if (!plan) {
    const finished = await finishedBuild(claimOf(asked));
    return { prepared: asked, finished, begun: false, shards: null };
  }
  requireSameBuild(plan, claimOf(asked));
  const prepared = withRecordedTimes(asked, plan.inputs);
  return { prepared, finished: await finishedBuild(claimOf(prepared)), begun: true, shards: plan.shards };
}

/** Begins the build in the folder, or joins what another machine began. Under the lock of the folder. */
async function begin(
  asked: Prepared,
  shard: BuildShard,
): Promise<{ readonly prepared: Prepared; readonly finished: ShardManifest | undefined }> {
  const { prepared, finished } = await lookAt(asked);
  if (!finished) {
    await requireOneCut(asked.buildFolder, shard);
    await joinFolder(claimOf(prepared), shard.count);
  }
  return { prepared, finished };
}

/** The manifests of all tasks. Throws UnfinishedBuild where some are not there. */
async function allTasks(
  prepared: Prepared,
  shards: number | null,
  tasks: readonly Task[],
): Promise<readonly TaskManifest[]> {
  const folder = join(prepared.buildFolder, "tasks");
  // Listing a folder makes an NFS client ask the server what is there, rather than remember what was not.
  if (existsSync(folder)) await readdir(folder);
  const found = await Promise.all(
    tasks.map(async (task) => {
      const known = await finishedTask(prepared.buildFolder, task);
      if (known) return known;
      await readdir(taskFolder(prepared.buildFolder, task.key)).catch(() => []);
      return finishedTask(prepared.buildFolder, task);
    }),
  );
  const manifests = found.flatMap((manifest) => manifest ?? []);
  if (manifests.length === tasks.length) return manifests;
  const open = tasks.filter((_, i) => found[i] === undefined);
  throw unfinished(prepared, shards, `${open.length} of ${tasks.length} tasks`, open);
}

/** `open`: the tasks that are not there; null: all. */
function unfinished(
  { dir, buildFolder }: Prepared,
  shards: number | null,
  what: string,
  open: readonly Task[] | null,
): UnfinishedBuild {
  if (shards === null)
    return new UnfinishedBuild(`${dir} lacks ${what}; run the same command without --finish`, []);
  const missing = missingShards(open, shards, buildFolder);
  const names = missing.map(shardName);
  const shown = names.length > SHOWN ? [...names.slice(0, SHOWN), `${names.length - SHOWN} more`] : names;
  return new UnfinishedBuild(
    `${dir} lacks ${what}: run shard ${shown.join(", ")} (the same command with --shard instead of --finish), then --finish again`,
    missing,
  );
}

/** Shards named in an error; all are in `missing`. */
const SHOWN = 8;
