/**
 * The build: corpus files in, filtered Arrow shards out. The walk is `build`; each of its steps is a function below or a file of its own.
 * The shards are a function of the inputs, the tokenizer, the filters, the calibration and the options: the same bytes whatever the
 * number of workers, and after any crash. A build that was interrupted goes on after the last section that each of its tasks committed.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { hashOf } from "../core/hash.ts";
import type { Lock } from "../core/lock.ts";
import type { Calibration } from "../filters/index.ts";
import type { ShardManifest } from "../shards/index.ts";
import { addAccounts } from "./account.ts";
import { lockFolder, lockOptions } from "./build-shard.ts";
import type { CompactJob, CompactResult } from "./compaction.ts";
import { domainsOf, finish } from "./finish.ts";
import { claimFolder, claimOf, finishedBuild } from "./folder.ts";
import type { InputPlan } from "./inputs.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import type { BuildOptions } from "./options.ts";
import type { Task } from "./plan.ts";
import { planBuild } from "./plan-build.ts";
import { runPool } from "./pool.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { compactBytes, progressOf, taskTotals } from "./progress.ts";
import { quarantineReasons, requireDocuments } from "./quarantine.ts";
import { storedBytes } from "./range.ts";
import { type BuildReport, reportOf } from "./report.ts";
import { settleCalibration } from "./settle-calibration.ts";
import type { TaskProgress } from "./task.ts";
import { committedSections, finishedTask, sectionFolders } from "./task-folder.ts";
import type { TaskManifest } from "./task-manifest.ts";
import { tidyFinished } from "./tidy.ts";
import { workSetup } from "./work.ts";
import type { BuildJob } from "./worker.ts";

/** Builds filtered Arrow shards. Resumable; throws a HeadraceError that says the way out, leaving nothing half-written. */
export async function build(options: BuildOptions): Promise<BuildReport> {
  const started = performance.now();
  const prepared = await prepare(options);
  const { dir, buildFolder } = prepared;
  const report = (manifest: ShardManifest, reused: number | null, resumed = 0) =>
    reportOf({ dir, plans: inputPlans(prepared), manifest, reused, resumed, started });
  const claim = claimOf(prepared);
  const before = await finishedBuild(claim);
  if (before) {
    await tidyFinished(claim);
    return report(before, null);
  }
  const lock = await lockFolder(buildFolder, lockOptions(options));
  let ledger: Ledger | undefined;
  try {
    const meanwhile = await finishedBuild(claim);
    if (meanwhile) return report(meanwhile, null);
    const differs = await claimFolder(claim);
    ledger = openLedger(buildFolder);
    if (differs !== null)
      options.onNote?.(
        `${dir} held an unfinished build with other options or inputs (${differs}); only tasks that are the same are reused`,
      );
    const calibration = await settleCalibration(prepared);
    if (calibration) ledger.event("calibrated", hashOf(calibration));
    const all = await planBuild(prepared, calibration);
    const { tasks, reused, resumed } = await readTasks(prepared, { calibration, tasks: all, lock, ledger });
    await requireSomething(prepared, tasks);
    const compacted = await compactAll(prepared, tasks);
    lock.requireHeld();
    ledger.save();
    const manifest = await finishAll(prepared, calibration, tasks, compacted);
    ledger.event("finished", manifest.fingerprint);
    ledger.save();
    return await report(manifest, reused, resumed);
  } finally {
    ledger?.close();
    lock.release();
  }
}

/** The inputs of a build, for its report. */
export function inputPlans({ train, validation }: Prepared): readonly InputPlan[] {
  return validation ? [train, validation] : [train];
}

/** Runs those of the tasks that are not finished yet on the workers; the manifests come back in their order. `resumed` counts the sections that such tasks have committed before. */
export async function readTasks(
  prepared: Prepared,
  of: {
    readonly calibration: Calibration | null;
    readonly tasks: readonly Task[];
    /** Held while there is anything to do. */
    readonly lock: Lock;
    readonly ledger: Ledger | null;
  },
): Promise<{ readonly tasks: readonly TaskManifest[]; readonly reused: number; readonly resumed: number }> {
  const { buildFolder, options } = prepared;
  const { tasks, ledger, lock } = of;
  const curate = { ...prepared.curate, calibration: of.calibration };
  const manifests: (TaskManifest | undefined)[] = await Promise.all(
    tasks.map((task) => finishedTask(buildFolder, task)),
  );
  const reused = manifests.filter((manifest) => manifest !== undefined).length;
  const open = [...tasks.keys()].filter((i) => manifests[i] === undefined);
  const total = tasks.flatMap(({ files }) => files).reduce((sum, file) => sum + storedBytes(file), 0);
  const report = progressOf("read", total, options.onProgress);
  for (const manifest of manifests) {
    if (!manifest) continue;
    ledger?.record(manifest);
    report(taskTotals(manifest.account), true);
  }
  if (reused > 0) ledger?.event("reused", `${reused} of ${tasks.length} tasks`);
  const sections = (await Promise.all(open.map((i) => committedSections(buildFolder, tasks[i]!.key)))).flat();
  for (const { account } of sections) report(taskTotals(account), true);
  if (sections.length > 0) ledger?.event("resumed", `${sections.length} sections of unfinished tasks`);
  await runPool<BuildJob, TaskManifest, TaskProgress>({
    jobs: open.map((i) => ({ kind: "task", task: tasks[i]! })),
    workers: prepared.workers,
    setup: workSetup(prepared, curate),
    onProgress: (_, progress) => report(progress),
    onResult: (job, manifest) => {
      lock.requireHeld();
      manifests[open[job]!] = manifest;
      ledger?.record(manifest);
    },
  });
  return { tasks: manifests as readonly TaskManifest[], reused, resumed: sections.length };
}

/** Refuses to write shards where not one record became a document. */
export async function requireSomething(
  { buildFolder }: Prepared,
  tasks: readonly TaskManifest[],
): Promise<void> {
  const { read, quarantined, incidents } = addAccounts(
    tasks.map(({ account }) => account),
    [],
  );
  if (read > quarantined) return;
  const task = tasks.find(({ account }) => account.quarantined > 0);
  const [first] = task ? sectionFolders(buildFolder, task) : [];
  const reasons = first === undefined ? [] : await quarantineReasons(join(first, "quarantine.jsonl"));
  requireDocuments({ read, quarantined, incidents }, reasons);
}

/** Compacts every domain on the workers. */
export async function compactAll(
  prepared: Prepared,
  tasks: readonly TaskManifest[],
): Promise<readonly CompactResult[]> {
  const { dir, curator, options } = prepared;
  const schema = { tokenType: curator.tokenizer.tokenType, filters: curator.filters.map(({ name }) => name) };
  const jobs = domainsOf(tasks).map((domain): CompactJob => {
    const segments = (bucket: "kept" | "dropped", role?: Task["role"]) =>
      tasks
        .filter((task) => role === undefined || task.role === role)
        .flatMap((task) => {
          const folders = sectionFolders(prepared.buildFolder, task);
          return task.sections.flatMap((section, i) => {
            const file = section[bucket][domain];
            return file ? [join(folders[i]!, file.path)] : [];
          });
        });
    return {
      dir,
      domain,
      kept: segments("kept", "train"),
      given: segments("kept", "validation"),
      dropped: segments("dropped"),
      schema,
      tokenizer: curator.tokenizer.sha256,
      shardBytes: prepared.shardBytes,
      validationTokens: prepared.validation ? 0 : prepared.validationTokens,
      validationRow: prepared.validationRow,
    };
  });
  const report = progressOf("compact", compactBytes(tasks, curator.tokenizer.tokenType), options.onProgress);
  return runPool<BuildJob, CompactResult, TaskProgress>({
    jobs: jobs.map((job) => ({ kind: "compact", job })),
    workers: prepared.workers,
    setup: workSetup(prepared, prepared.curate),
    onProgress: (_, progress) => report(progress),
  });
}

/** Writes what covers the whole build, and removes the segments. */
export async function finishAll(
  prepared: Prepared,
  calibration: Calibration | null,
  tasks: readonly TaskManifest[],
  compacted: readonly CompactResult[],
): Promise<ShardManifest> {
  const { dir, buildFolder, curator, curate } = prepared;
  const { tokenizer } = curator;
  const sections = tasks.flatMap((task) => {
    const folders = sectionFolders(buildFolder, task);
    return task.sections.map(({ scores }, i) => ({ role: task.role, folder: folders[i]!, scores }));
  });
  const { drop: _, ...options } = prepared.description;
  const manifest = await finish({
    dir,
    buildFolder,
    parts: tasks,
    compacted,
    scores: sections.map(({ role, folder, scores }) => ({
      path: join(folder, scores.path),
      heldOut: role === "validation",
    })),
    lines: sections.map(({ folder }) => ({
      quarantine: join(folder, "quarantine.jsonl"),
      incidents: join(folder, "incidents.jsonl"),
    })),
    calibration,
    tokenizer: {
      name: curate.tokenizer === "llama-2" ? "llama-2" : tokenizer.name,
      sha256: tokenizer.sha256,
      vocabularySize: tokenizer.vocabularySize,
      bos: tokenizer.bos,
      eos: tokenizer.eos,
      addBos: curate.bos,
      addEos: curate.eos,
    },
    tokenType: tokenizer.tokenType,
    filters: curator.filters.map(({ name, sha256, dropWhen }) => ({ name, sha256, dropWhen })),
    origin: {
      inputs: tasks.flatMap(({ role, inputs }) =>
        inputs.map(({ source, bytes, sha256 }) => ({ role, source, bytes, sha256 })),
      ),
      options,
      loneSurrogates: tasks.reduce((sum, task) => sum + task.loneSurrogates, 0),
    },
    lostBytes: tasks.reduce((sum, task) => sum + task.lostBytes, 0),
  });
  for (const { folder } of sections)
    for (const name of ["kept", "dropped", "scores.arrow"])
      await rm(join(folder, name), { recursive: true, force: true });
  return manifest;
}
