/**
 * The build: corpus files in, filtered Arrow shards out. The walk is `build`; each of its steps is a function below or a file of its own.
 * The shards are a function of the inputs, the tokenizer, the filters, the calibration and the options: the same bytes whatever the
 * number of workers, and after any crash. A build that was interrupted goes on after its last finished task.
 */
import { createReadStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { openPending, writeFileWhole } from "../core/commit.ts";
import { SLIMPAJAMA_DOMAINS } from "../core/domain.ts";
import { hashOf } from "../core/hash.ts";
import { type Calibration, driftAlarm } from "../filters/index.ts";
import { type Account, manifestFingerprint, type ShardManifest, writeManifest } from "../shards/index.ts";
import { addAccounts, holdOut, requireBalance } from "./account.ts";
import { calibrate, writeCalibration } from "./calibrate.ts";
import { type CompactJob, type CompactResult, compactScoreTable } from "./compaction.ts";
import { claimFolder, finishedBuild } from "./folder.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import { takeLock } from "./lock.ts";
import type { BuildOptions, BuildProgress } from "./options.ts";
import { planTasks, type Task } from "./plan.ts";
import { runPool } from "./pool.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { type BuildReport, observedDrops, reportOf } from "./report.ts";
import { finishedTask, type TaskProgress, taskFolder } from "./task.ts";
import type { TaskManifest } from "./task-manifest.ts";
import type { WorkSetup } from "./work.ts";
import type { BuildJob } from "./worker.ts";

/** Version of what a build makes of its tasks; a change of the code that changes bytes raises it. */
const BUILD_VERSION = 1;

/** Builds filtered Arrow shards. Resumable; throws a HeadraceError that says the way out, leaving nothing half-written. */
export async function build(options: BuildOptions): Promise<BuildReport> {
  const started = performance.now();
  const prepared = await prepare(options);
  const finished = await finishedBuild(prepared);
  if (finished)
    return reportOf({ prepared, manifest: finished, started, ...(await notesOf(prepared)), reused: null });
  const unlock = takeLock(join(prepared.buildFolder, "lock"));
  const ledger = openLedger(prepared.buildFolder);
  try {
    await claimFolder(prepared);
    const calibration = await settleCalibration(prepared, ledger);
    const { tasks, reused } = await readAll(prepared, calibration, ledger);
    const compacted = await compactAll(prepared, tasks);
    const manifest = await finish(prepared, calibration, tasks, compacted);
    ledger.event("finished", manifest.fingerprint);
    return reportOf({ prepared, manifest, started, ...(await notesOf(prepared)), reused });
  } finally {
    ledger.close();
    unlock();
  }
}

/** The thresholds: given, made by this very build before, or made now. Null where nothing is to be dropped. */
async function settleCalibration(prepared: Prepared, ledger: Ledger): Promise<Calibration | null> {
  const { options, buildFolder, train, source, curator } = prepared;
  if (prepared.calibration) return prepared.calibration;
  if (options.drop === undefined) return null;
  const calibration = await calibrate({
    targets: options.drop,
    files: train.files,
    source,
    curator,
    documents: options.calibrationDocuments ?? 50_000,
    ...(options.applyTo && { applyTo: options.applyTo }),
    onProgress: (documents, total) =>
      options.onProgress?.({ ...NOTHING, phase: "calibrate", documents, total }),
  });
  await writeCalibration(join(buildFolder, "calibration.json"), calibration);
  ledger.event("calibrated", hashOf(calibration));
  return calibration;
}

/** Runs the tasks that are not finished yet on the workers. */
async function readAll(
  prepared: Prepared,
  calibration: Calibration | null,
  ledger: Ledger,
): Promise<{ readonly tasks: readonly TaskManifest[]; readonly reused: number }> {
  const { buildFolder, options, train, validation } = prepared;
  const curate = { ...prepared.curate, calibration };
  const inputs = [
    { role: "train" as const, files: train.files },
    { role: "validation" as const, files: validation?.files ?? [] },
  ];
  const tasks = planTasks(inputs, {
    ...prepared.description,
    calibration: calibration && hashOf(calibration),
  });
  const manifests: (TaskManifest | undefined)[] = await Promise.all(
    tasks.map((task) => finishedTask(buildFolder, task)),
  );
  const reused = manifests.filter((manifest) => manifest !== undefined).length;
  const open = tasks.filter((task) => manifests[task.task] === undefined);
  const total = [...inputs].flatMap(({ files }) => files).reduce((sum, file) => sum + file.bytes, 0);
  const report = progressOf("read", total, options.onProgress);
  for (const manifest of manifests) {
    if (!manifest) continue;
    ledger.record(manifest);
    report(taskTotals(manifest.account));
  }
  if (reused > 0) ledger.event("reused", `${reused} of ${tasks.length} tasks`);
  await runPool<BuildJob, TaskManifest, TaskProgress>({
    jobs: open.map((task) => ({ kind: "task", task })),
    workers: prepared.workers,
    setup: workSetup(prepared, curate),
    onProgress: (_, progress) => report(progress),
    onResult: (_, manifest) => {
      manifests[manifest.task] = manifest;
      ledger.record(manifest);
    },
  });
  return { tasks: manifests as readonly TaskManifest[], reused };
}

/** Compacts every domain on the workers. */
async function compactAll(
  prepared: Prepared,
  tasks: readonly TaskManifest[],
): Promise<readonly CompactResult[]> {
  const { dir, curator, options } = prepared;
  const schema = { tokenType: curator.tokenizer.tokenType, filters: curator.filters.map(({ name }) => name) };
  const jobs = domainsOf(tasks).map((domain): CompactJob => {
    const segments = (bucket: "kept" | "dropped", role?: Task["role"]) =>
      tasks
        .filter((task) => task[bucket][domain] && (role === undefined || task.role === role))
        .map((task) => join(taskFolder(prepared.buildFolder, task.key), task[bucket][domain]!.path));
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
  const report = progressOf("compact", jobs.length, options.onProgress);
  return runPool<BuildJob, CompactResult, never>({
    jobs: jobs.map((job) => ({ kind: "compact", job })),
    workers: prepared.workers,
    setup: workSetup(prepared, prepared.curate),
    onResult: () => report({ ...NOTHING, bytes: 1 }),
  });
}

/** Writes everything that covers the whole build, the manifest last, and removes the segments. */
async function finish(
  prepared: Prepared,
  calibration: Calibration | null,
  tasks: readonly TaskManifest[],
  compacted: readonly CompactResult[],
): Promise<ShardManifest> {
  const { dir, buildFolder, curator, curate } = prepared;
  const filters = curator.filters.map(({ name }) => name);
  const plans = Object.fromEntries(compacted.map(({ domain, plan }) => [domain, plan]));
  const tables = await compactScoreTable({ dir, buildFolder, tasks, filters, plans });
  for (const name of ["quarantine.jsonl", "incidents.jsonl"])
    await joinFiles(
      join(dir, name),
      tasks.map((task) => join(taskFolder(buildFolder, task.key), name)),
    );
  if (calibration) await writeCalibration(join(dir, "calibration.json"), calibration);
  await writeFileWhole(join(buildFolder, "notes.json"), JSON.stringify(notes(calibration, tasks, compacted)));

  const { tokenizer } = curator;
  const domains = domainsOf(tasks);
  const account = accountOf(tasks, compacted, filters);
  requireBalance(account);
  const unsigned: Omit<ShardManifest, "fingerprint"> = {
    format: "headrace-shards/1",
    key: hashOf({
      version: BUILD_VERSION,
      inputs: tasks.flatMap((task) =>
        task.inputs.map(({ source, sha256 }) => ({ role: task.role, source, sha256 })),
      ),
      description: prepared.description,
      calibration: calibration && hashOf(calibration),
    }),
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
    domains,
    shards: (["train", "validation", "dropped"] as const).flatMap((split) =>
      compacted.flatMap(({ shards }) => shards.filter((shard) => shard.split === split)),
    ),
    tables,
    account,
  };
  const manifest = { ...unsigned, fingerprint: manifestFingerprint(unsigned) };
  await writeManifest(dir, manifest);
  for (const task of tasks)
    for (const name of ["kept", "dropped", "scores.arrow"])
      await rm(join(taskFolder(buildFolder, task.key), name), { recursive: true, force: true });
  return manifest;
}

/** The account of the build. Documents of a given validation set count as held out. */
function accountOf(
  tasks: readonly TaskManifest[],
  compacted: readonly CompactResult[],
  filters: readonly string[],
): Account {
  const train = addAccounts(
    tasks.filter(({ role }) => role === "train").map(({ account }) => account),
    filters,
    domainsOf(tasks),
  );
  const given = addAccounts(
    tasks.filter(({ role }) => role === "validation").map(({ account }) => account),
    filters,
    domainsOf(tasks),
  );
  const held = Object.fromEntries(compacted.map((result) => [result.domain, result.held]));
  const all = Object.fromEntries(
    Object.entries(given.domains).map(([name, domain]) => [
      name,
      { documents: domain.kept, tokens: domain.tokens.kept, gap: 0 },
    ]),
  );
  return addAccounts([holdOut(train, held), holdOut(given, all)], filters, domainsOf(tasks));
}

/** What the report says beside the manifest; kept in the build folder, so that a finished build can say it again. */
interface Notes {
  readonly alarms: readonly string[];
  readonly withoutValidation: Readonly<Record<string, string>>;
  readonly loneSurrogates: number;
}

function notes(
  calibration: Calibration | null,
  tasks: readonly TaskManifest[],
  compacted: readonly CompactResult[],
): Notes {
  return {
    alarms: calibration
      ? driftAlarm(calibration, observedDrops(calibration, tasks)).map(({ reason }) => reason)
      : [],
    withoutValidation: Object.fromEntries(
      compacted.flatMap(({ domain, plan }) =>
        plan.kind === "none" && plan.reason !== "" ? [[domain, plan.reason] as const] : [],
      ),
    ),
    loneSurrogates: tasks.reduce((sum, task) => sum + task.loneSurrogates, 0),
  };
}

async function notesOf({ buildFolder }: Prepared): Promise<{ readonly notes: Notes }> {
  return { notes: JSON.parse(await readFile(join(buildFolder, "notes.json"), "utf8")) as Notes };
}

function workSetup({ buildFolder, source, keepDropped }: Prepared, curate: WorkSetup["curate"]): WorkSetup {
  return { buildFolder, source, keepDropped, curate };
}

/** The domains of some tasks: SlimPajama's in their order, then any others by name. */
function domainsOf(tasks: readonly TaskManifest[]): readonly string[] {
  const names = new Set(tasks.flatMap(({ account }) => Object.keys(account.domains)));
  const known: readonly string[] = SLIMPAJAMA_DOMAINS;
  return [
    ...known.filter((name) => names.has(name)),
    ...[...names].filter((name) => !known.includes(name)).sort(),
  ];
}

/** Writes the lines of many files into one, whole or not at all. */
async function joinFiles(path: string, parts: readonly string[]): Promise<void> {
  const pending = await openPending(path);
  try {
    for (const part of parts)
      for await (const bytes of createReadStream(part)) await pending.handle.write(bytes as Buffer);
    await pending.commit();
  } finally {
    await pending.abort();
  }
}

const NOTHING: TaskProgress = { bytes: 0, documents: 0, tokens: 0, dropped: 0, quarantined: 0 };

/** Adds up progress and passes the sums on. */
function progressOf(
  phase: BuildProgress["phase"],
  total: number,
  onProgress: BuildOptions["onProgress"],
): (step: TaskProgress) => void {
  let sum = NOTHING;
  return (step) => {
    sum = {
      bytes: sum.bytes + step.bytes,
      documents: sum.documents + step.documents,
      tokens: sum.tokens + step.tokens,
      dropped: sum.dropped + step.dropped,
      quarantined: sum.quarantined + step.quarantined,
    };
    onProgress?.({ ...sum, phase, total });
  };
}

function taskTotals(account: Account): TaskProgress {
  const tokens = Object.values(account.domains).reduce(
    (sum, d) => sum + d.tokens.kept + Object.values(d.tokens.dropped).reduce((a, b) => a + b, 0),
    0,
  );
  const dropped = Object.values(account.dropped).reduce((sum, n) => sum + n, 0);
  return {
    bytes: account.bytes.total,
    documents: account.read,
    tokens,
    dropped,
    quarantined: account.quarantined,
  };
}
