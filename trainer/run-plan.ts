/**
 * A run before its first batch: what the options come to, checked against the shards, and the folder that is made of it. For a trainer of one's own
 * that is all there is to do: every rank plans its rows from the schedule, and `reweight` appends stages.
 */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import {
  acquireLock,
  averageWeights,
  beginSchedule,
  choosePacking,
  createRun,
  type Evaluation,
  type Exhaustion,
  measurableDomains,
  type OrderWindow,
  type RuleName,
  type RunRecord,
  readManifest,
  readSchedule,
  resolvePolicy,
  runPaths,
  type Schedule,
  type ScheduleHeader,
  type ShardManifest,
  trainDomains,
  wholeBatches,
} from "../samplers/index.ts";
import { referenceFor } from "./reference-file.ts";

/** A run, whoever trains it. */
export interface RunOptions {
  /** Folder of shards. */
  readonly shards: string;
  /** Run folder: made, or resumed when the same run is in it. */
  readonly out: string;
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
  /** How documents make rows: `concat` (the default), `packed`, or the first digits of a pack plan's hash. */
  readonly packing?: string;
  /** Local order in windows of so many blocks of rows, for disks and object stores; default: global. */
  readonly window?: OrderWindow;
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
}

/** What the options of a run come to. */
export interface PlannedRun {
  readonly manifest: ShardManifest;
  readonly schedule: Schedule;
  /** `run.json`, but for the trainer. */
  readonly record: Omit<RunRecord, "trainer">;
  readonly warnings: string[];
}

/** A run folder that was made, or found. */
export interface BegunRun {
  readonly run: string;
  readonly schedule: Schedule;
  /** Whether the run was there before, perhaps with more stages. */
  readonly resumed: boolean;
  readonly warnings: readonly string[];
}

/** Makes the folder of a run for a trainer that headrace does not start. Throws as `planRun`, ERR_OUTPUT when the folder holds something else, ERR_LOCKED. */
export async function beginRun(options: RunOptions): Promise<BegunRun> {
  const { record, schedule, warnings } = await planRun(options);
  const paths = runPaths(options.out);
  await mkdir(paths.folder, { recursive: true });
  const lock = await acquireLock(paths.trainLock);
  try {
    const made = await createRun(paths.folder, { ...record, trainer: "external" }, schedule);
    return { run: paths.folder, ...made, warnings };
  } finally {
    lock.release();
  }
}

/**
 * What the options come to. Reads the manifest and the reference, writes nothing. Throws ERR_ARGUMENT on lengths that do not fit, ERR_DOMAIN where
 * a domain cannot be measured that the policy needs losses of, and what `resolvePolicy` and `beginSchedule` throw.
 */
export async function planRun(options: RunOptions): Promise<PlannedRun> {
  const shards = resolve(options.shards);
  const manifest = await readManifest(shards);
  const { rowTokens = 4096, batchRows = 3584, seed = 0, lookahead = 0, lag = 0 } = options;
  const batchTokens = rowTokens * batchRows;
  const batches = wholeBatches(options.tokens, rowTokens, batchRows);
  if (!Number.isSafeInteger(lag) || lag < 0)
    throw new HeadraceError("ERR_ARGUMENT", `lag is ${lag}; it is a whole number of batches from 0`);
  const domains = trainDomains(manifest);
  const warnings: string[] = [];
  const dynamic = options.policy.startsWith("dynamic-");
  const known = dynamic ? await referenceFor(options.reference ?? "llama-2-7b", manifest) : null;
  if (known?.warning) warnings.push(known.warning);
  const policy = resolvePolicy(
    await namedPolicy(options.policy),
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
    ...(options.window === undefined ? { order: "global" } : { order: "local", window: options.window }),
    ...(await choosePacking(options.packing ?? "concat", shards, manifest, domains, {
      rowTokens,
      lookahead,
    })),
    exhaustion: options.exhaustion ?? { policy: "repeat", epochs: null },
    shards: manifest.fingerprint,
    policy,
  };
  const evaluation = { rowTokens, tokensPerDomain: 131_072, ...options.evaluation };
  const schedule = beginSchedule(header, lag);
  requireMeasurable(schedule, manifest);
  const record = {
    format: "headrace-run/1",
    shards,
    rowTokens,
    batchRows,
    batches,
    seed,
    everyBatches,
    lag,
    evaluation,
  } as const;
  return { manifest, schedule, record, warnings };
}

/** `average=RUN` as the mean weights of that run's updates; any other policy as it is. Throws ERR_INPUT, ERR_SCHEDULE. */
async function namedPolicy(policy: string): Promise<string> {
  const [, run] = /^average=(.+)$/.exec(policy) ?? [];
  if (run === undefined) return policy;
  return JSON.stringify(averageWeights(await readSchedule(runPaths(run).schedule)));
}

function intervalOf(everyTokens: number | undefined, batchTokens: number): number | null {
  return everyTokens === undefined ? null : Math.max(1, Math.floor(everyTokens / batchTokens));
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
