/**
 * The loop in one function: shards and a policy in, a trained model and a replayable run folder out. It makes or resumes the run, starts
 * the trainer, writes a line for each batch it acknowledges and a stage for each loss report. Killed at any point, the same call goes on.
 */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import { sha256File } from "../core/hash.ts";
import {
  acquireLock,
  beginSchedule,
  checkLossReport,
  createRun,
  decidedEnd,
  type Evaluation,
  type Exhaustion,
  listReports,
  meanLosses,
  measurableDomains,
  openPlan,
  PARTS,
  type Plan,
  plannedHashes,
  type RunPaths,
  readManifest,
  readReport,
  requireExtends,
  resolvePolicy,
  reweight,
  runPaths,
  type Schedule,
  type ScheduleHeader,
  ServedLog,
  type ShardManifest,
  scheduleState,
  settleReports,
} from "../samplers/index.ts";
import type { HostHandler } from "./host.ts";
import type { Acknowledgement, TrainerState } from "./protocol.ts";
import { referenceFor } from "./reference-file.ts";
import { runSession, type SessionTimes } from "./session.ts";
import { commandLine } from "./subprocess.ts";
import { resolveTrainer } from "./trainers.ts";

export interface TrainOptions extends SessionTimes {
  /** Folder of shards. */
  readonly shards: string;
  /** Run folder: made, or resumed when the same run is in it. */
  readonly out: string;
  /** `embedded`, `torch`, or a command line; null: attach, something else starts the trainer. */
  readonly trainer: string | null;
  /** A name or weights, as resolvePolicy takes them. */
  readonly policy: string;
  /** Length of the run; floored to whole batches. */
  readonly tokens: number;
  /** Tokens between two loss reports; default 2.5e9 for a policy that needs losses, else none before the end. Floored to whole batches. */
  readonly everyTokens?: number;
  /** L, default 4096. */
  readonly rowTokens?: number;
  /** B, rows of a global batch, default 3584 (LLaMA-MoE: 14,680,064 tokens a batch). */
  readonly batchRows?: number;
  /** Default 0. */
  readonly seed?: number;
  /** 1 when the trainer shifts labels itself and needs L + 1 tokens a row; default 0. */
  readonly lookahead?: 0 | 1;
  /** Default: repeat without end. */
  readonly exhaustion?: Exhaustion;
  /** Default: rows of L, at most 131,072 tokens a domain. */
  readonly evaluation?: Partial<Evaluation>;
  /** Which published rule moves the weights, default softmax. */
  readonly rule?: "softmax" | "clamp";
  /** Without guard rails; default false. */
  readonly asPublished?: boolean;
  /** Preset of reference losses, or path of a reference.json; default llama-2-7b. */
  readonly reference?: string;
  /** Batches that the trainer fetches ahead of a loss report, default 0. */
  readonly lag?: number;
  /** Where to listen, `tcp:host:port` or `unix:/path`; default a private socket. */
  readonly listen?: string;
  /** Told the address and token when attaching. */
  readonly onAttach?: (connection: { readonly address: string; readonly token: string }) => void;
  /** Called after every batch and stage. */
  readonly onProgress?: (progress: TrainProgress) => void;
  /** Ends the run early, resumable. */
  readonly signal?: AbortSignal;
}

/** How far a run has come. */
export interface TrainProgress {
  readonly batch: number;
  /** Batches of the run; fewer than planned once it is decided that it stops early. */
  readonly batches: number;
  readonly tokens: number;
  readonly stages: number;
  /** Of the last batch that said so, nats a token. */
  readonly loss: number | null;
}

/** Weights of one stage and the losses measured at its end, by domain. */
export interface StageReport {
  readonly fromBatch: number;
  readonly untilBatch: number | null;
  readonly cause: string;
  readonly measuredAt: number | null;
  readonly weights: Readonly<Record<string, number>>;
  /** Guard rails that acted, as recorded. */
  readonly rails: readonly unknown[];
}

/** What a run came to. Everything but the last four can be computed again from the run folder. */
export interface TrainReport {
  readonly run: string;
  readonly shards: string;
  readonly policy: string;
  readonly trainer: string;
  readonly batches: number;
  readonly tokens: number;
  readonly stages: readonly StageReport[];
  /** Mean nats a token by domain, in order of measurement. */
  readonly losses: readonly {
    readonly measuredAt: number;
    readonly domains: Readonly<Record<string, number>>;
  }[];
  /** Rows served by domain over all rows served. */
  readonly shares: Readonly<Record<string, number>>;
  readonly scheduleHash: string;
  /** SHA-256 of served.log. */
  readonly servedHash: string;
  readonly warnings: readonly string[];
  readonly finished: boolean;
  readonly resumedAt: number | null;
  readonly seconds: number;
  /** Of the batches trained on by this call, those trained on again included. */
  readonly tokensPerSecond: number;
}

/**
 * Trains to the end of the run, or until `signal`. Throws what is wrong with the options before anything is written; ERR_TRAINER, ERR_LOSS or
 * ERR_REPLAY when the trainer fails, which leaves the run resumable; ERR_LOCKED when another call has the run, ERR_OUTPUT when the folder is another's.
 */
export async function train(options: TrainOptions): Promise<TrainReport> {
  const began = performance.now();
  const shards = resolve(options.shards);
  const manifest = await readManifest(shards);
  const { header, warnings, everyBatches, lag, evaluation } = await planRun(options, manifest);
  const command = options.trainer === null ? null : resolveTrainer(options.trainer);
  const trainer = command ? commandLine(command) : "attached";
  const fresh = beginSchedule(header, lag);
  requireMeasurable(fresh, manifest);

  const paths = runPaths(options.out);
  await mkdir(paths.folder, { recursive: true });
  const lock = await acquireLock(paths.trainLock);
  try {
    const { resumed } = await createRun(
      paths.folder,
      {
        format: "headrace-run/1",
        shards,
        trainer,
        rowTokens: header.rowTokens,
        batchRows: header.batchRows,
        batches: header.batches!,
        seed: header.seed,
        everyBatches,
        lag,
        evaluation,
      },
      fresh,
    );
    const schedule = await settleReports(paths.folder);
    const log = new ServedLog(paths.served);
    try {
      const record = new RunRecorder(paths, log, schedule, manifest, options.onProgress);
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
              batches: header.batches!,
              everyBatches,
              checkpoints: paths.checkpoints,
              evaluation,
            },
            handler: record,
            trainer: command,
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
        warnings: [...warnings, ...record.notes],
        finished,
        resumedAt,
        seconds,
        tokensPerSecond: (record.trained * header.batchRows * header.rowTokens) / seconds,
      };
    } finally {
      log.close();
    }
  } finally {
    lock.release();
  }
}

/** What the options come to: the header of the schedule and the settings beside it. Reads the reference, writes nothing. */
async function planRun(options: TrainOptions, manifest: ShardManifest) {
  const { rowTokens = 4096, batchRows = 3584, seed = 0, lookahead = 0, lag = 0 } = options;
  const batchTokens = rowTokens * batchRows;
  const batches = Math.floor(options.tokens / batchTokens);
  if (!(batches >= 1))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `a run of ${options.tokens} tokens is less than a batch of ${batchTokens} (${batchRows} rows of ${rowTokens}); ask for more tokens or smaller batches`,
    );
  if (!Number.isSafeInteger(lag) || lag < 0)
    throw new HeadraceError("ERR_ARGUMENT", `lag is ${lag}; it is a whole number of batches from 0`);
  const domains = trainDomains(manifest);
  const warnings: string[] = [];
  const dynamic = options.policy.startsWith("dynamic-");
  const known = dynamic ? await referenceFor(options.reference ?? "llama-2-7b", manifest) : null;
  if (known?.warning) warnings.push(known.warning);
  const policy = resolvePolicy(
    options.policy,
    domains.map(({ name }) => name),
    {
      batchTokens,
      ...(options.everyTokens === undefined ? {} : { everyTokens: options.everyTokens }),
      ...(options.rule === undefined ? {} : { rule: options.rule }),
      ...(known ? { reference: known.reference } : {}),
      asPublished: options.asPublished ?? false,
    },
  );
  const everyBatches =
    policy.kind === "loss-driven" ? policy.everyBatches : intervalOf(options.everyTokens, batchTokens);
  if (policy.kind === "loss-driven" && policy.everyBatches + lag >= batches)
    warnings.push(
      `the weights never move: the first update would govern batch ${policy.everyBatches + lag}, the run has ${batches}; shorten the interval (--every) or train longer`,
    );
  const header: ScheduleHeader = {
    format: "headrace-schedule/1",
    algorithm: 1,
    seed,
    rowTokens,
    lookahead,
    batchRows,
    batches,
    order: "global",
    packing: "concat",
    exhaustion: options.exhaustion ?? { policy: "repeat", epochs: null },
    domains,
    shards: manifest.fingerprint,
    policy,
  };
  const evaluation = { rowTokens, tokensPerDomain: 131_072, ...options.evaluation };
  return { header, warnings, everyBatches, lag, evaluation };
}

function intervalOf(everyTokens: number | undefined, batchTokens: number): number | null {
  return everyTokens === undefined ? null : Math.max(1, Math.floor(everyTokens / batchTokens));
}

/** The domains with train tokens and their lengths, in domain order. */
export function trainDomains(manifest: ShardManifest): ScheduleHeader["domains"] {
  const lengths = manifest.domains.map((name) => ({
    name: name as ScheduleHeader["domains"][number]["name"],
    tokens: manifest.shards
      .filter((shard) => shard.split === "train" && shard.domain === name)
      .reduce((sum, { tokens }) => sum + tokens, 0),
  }));
  return lengths.filter(({ tokens }) => tokens > 0);
}

/** A policy that lives on losses needs every domain measured; said before the run, not at the first report. */
function requireMeasurable({ header }: Schedule, manifest: ShardManifest): void {
  if (header.policy.kind !== "loss-driven") return;
  const names = header.domains.map(({ name }) => name);
  const measurable = measurableDomains(manifest, names);
  const absent = names.filter((name) => !measurable.includes(name));
  if (absent.length > 0)
    throw new HeadraceError(
      "ERR_DOMAIN",
      `policy ${header.policy.name} needs losses of every domain, and ${absent.join(", ")} has no validation stream; build with a larger validation target, or use a static policy`,
    );
}

/** Whether a resumed run has nothing left to do: every batch acknowledged and the losses at its end recorded. */
async function isComplete(paths: RunPaths, schedule: Schedule, acknowledged: number): Promise<boolean> {
  return isFinished(schedule, acknowledged) && (await listReports(paths.folder)).includes(acknowledged);
}

function isFinished(schedule: Schedule, acknowledged: number): boolean {
  const end = decidedEnd(schedule);
  return end.final && acknowledged >= end.batch;
}

/** What the trainer says, turned into lines, reports and stages. */
class RunRecorder implements HostHandler {
  /** Batches acknowledged to this object. */
  trained = 0;
  readonly notes: string[] = [];
  schedule: Schedule;
  readonly #paths: RunPaths;
  readonly #log: ServedLog;
  readonly #required: readonly string[];
  readonly #onProgress: TrainOptions["onProgress"];
  #plan: Plan;
  #hashOf: (batch: number) => string;
  #reports = 0;
  #at = 0;

  constructor(
    paths: RunPaths,
    log: ServedLog,
    schedule: Schedule,
    manifest: ShardManifest,
    onProgress: TrainOptions["onProgress"],
  ) {
    const names = schedule.header.domains.map(({ name }) => name);
    this.#paths = paths;
    this.#log = log;
    this.#required = measurableDomains(manifest, names);
    this.#onProgress = onProgress;
    this.schedule = schedule;
    this.#plan = openPlan(schedule);
    this.#hashOf = plannedHashes(this.#plan);
  }

  async ready(state: TrainerState): Promise<void> {
    requireExtends(this.schedule, state);
    const end = this.#plan.end().batch;
    if (state.batch > end)
      throw new HeadraceError(
        "ERR_TRAINER",
        `trainer is ready at batch ${state.batch}, only ${end} are decided; its checkpoint belongs to another run: empty ${this.#paths.checkpoints}`,
      );
    const from = this.#log.next;
    for (let k = from; k < state.batch; k++) this.#log.append(k, this.#hashOf(k));
    if (from < state.batch)
      this.notes.push(
        `the checkpoint is at batch ${state.batch}, the served log ended at ${from}: the lines between were written from the plan`,
      );
    this.#log.sync();
    this.#at = state.batch;
  }

  async acknowledge(batch: number, served: string, { loss }: Acknowledgement): Promise<void> {
    const planned = this.#hashOf(batch);
    if (served !== planned)
      throw new HeadraceError(
        "ERR_REPLAY",
        `trainer consumed rows with served hash ${served} in batch ${batch}, the schedule gives ${planned}; it reads other shards, another schedule or another plan`,
      );
    this.#log.append(batch, served);
    this.trained++;
    this.#at = batch + 1;
    this.#show(loss ?? null);
  }

  async report(value: unknown) {
    const names = this.schedule.header.domains.map(({ name }) => name);
    const report = checkLossReport(value, names, { required: this.#required });
    if (report.measuredAt !== this.#at)
      throw new HeadraceError(
        "ERR_TRAINER",
        `trainer reports losses measured at batch ${report.measuredAt} after ${this.#at} batches; report what the model in hand was trained on`,
      );
    this.#log.sync();
    const { schedule } = await reweight(this.#paths.folder, report);
    this.schedule = schedule;
    this.#plan = openPlan(schedule);
    this.#hashOf = plannedHashes(this.#plan);
    this.#reports++;
    this.#show(null);
    const end = this.#plan.end();
    return { ...scheduleState(schedule), decidedUntil: end.final ? null : end.batch };
  }

  async checkpoint(): Promise<void> {
    this.#log.sync();
  }

  describe(): string {
    const before = this.#reports === 0 ? ", before any loss report" : "";
    return `after ${this.#at} batches${before}`;
  }

  #show(loss: number | null): void {
    const { batchRows, rowTokens, batches } = this.schedule.header;
    const end = this.#plan.end();
    this.#onProgress?.({
      batch: this.#at,
      batches: end.final ? end.batch : batches!,
      tokens: this.#at * batchRows * rowTokens,
      stages: this.schedule.stages.length,
      loss,
    });
  }
}

/** The part of a report that the run folder alone tells. */
async function describeRun(paths: RunPaths, schedule: Schedule, batches: number) {
  const { header, stages } = schedule;
  const names = header.domains.map(({ name }) => name);
  const byName = (values: ArrayLike<number>, unit: number) =>
    Object.fromEntries(names.map((name, i) => [name, values[i]! / unit]));
  const losses = [];
  for (const measuredAt of await listReports(paths.folder)) {
    const { domains } = await readReport(paths.folder, measuredAt, names);
    losses.push({ measuredAt, domains: meanLosses(domains, Object.keys(domains)) });
  }
  return {
    run: paths.folder,
    policy: header.policy.name,
    batches,
    tokens: batches * header.batchRows * header.rowTokens,
    stages: stages.map((stage) => ({
      fromBatch: stage.fromBatch,
      untilBatch: stage.untilBatch,
      cause: stage.cause.kind,
      measuredAt: stage.measuredAt ?? null,
      weights: byName(stage.weights, PARTS),
      rails: (stage.cause["rails"] as readonly unknown[] | undefined) ?? [],
    })),
    losses,
    shares: byName(openPlan(schedule).served(batches), Math.max(1, batches * header.batchRows)),
    scheduleHash: scheduleState(schedule).hash,
  };
}
