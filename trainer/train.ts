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
  createRun,
  decidedEnd,
  type Evaluation,
  type Exhaustion,
  measurableDomains,
  type RuleName,
  readManifest,
  resolvePolicy,
  runPaths,
  type Schedule,
  type ScheduleHeader,
  ServedLog,
  type ShardManifest,
  settleReports,
} from "../samplers/index.ts";
import { RunRecorder, type TrainProgress } from "./recorder.ts";
import { referenceFor } from "./reference-file.ts";
import { runSession, type SessionTimes } from "./session.ts";
import { commandLine } from "./subprocess.ts";
import { describeRun, isComplete, isFinished, type TrainReport } from "./train-report.ts";
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
  readonly rule?: RuleName;
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
      batches,
      supply: domains,
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
      `policy ${header.policy.name} needs losses of every domain, and ${absent.join(", ")} has no validation stream; build with a smaller --validation-row, or use a static policy`,
    );
}
