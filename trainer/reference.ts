/**
 * Reference losses of a model on this validation split: measured by a trainer through the protocol, as it starts, from a checkpoint, or after
 * training on a fixed mix. What a loss-driven policy compares with has to come from the same tokenizer and the same rows.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import {
  checkLossReport,
  type Evaluation,
  type LossReport,
  meanLosses,
  measurableDomains,
  readManifest,
  readReport,
  type ShardManifest,
  validationHash,
} from "../samplers/index.ts";
import { type Reference, writeReference } from "./reference-file.ts";
import { runSession, type SessionTimes } from "./session.ts";
import { type TrainOptions, train } from "./train.ts";
import { resolveTrainer } from "./trainers.ts";

export interface ReferenceOptions extends SessionTimes {
  /** Folder of shards. */
  readonly shards: string;
  /** Path of the reference.json to write. */
  readonly out: string;
  /** `embedded`, `torch`, or a command line. */
  readonly trainer: string;
  /** What the losses belong to, for people; default the trainer's command. */
  readonly model?: string;
  /** Folder of checkpoints to measure; default the model as it starts. Not together with `train`. */
  readonly checkpoints?: string;
  /** Trains on a static policy first, in a run folder (`out` of these options), and measures at its end. */
  readonly train?: Omit<TrainOptions, "shards" | "trainer">;
  /** Default: rows of 4096 (of the run's row length when training first), at most 131,072 tokens a domain. */
  readonly evaluation?: Partial<Evaluation>;
  readonly signal?: AbortSignal;
}

/** What was measured and where it was written. */
export interface ReferenceReport {
  readonly out: string;
  readonly model: string;
  /** Mean nats a token, by domain. */
  readonly losses: Readonly<Record<string, number>>;
  readonly tokens: Readonly<Record<string, number>>;
  /** Domains without a validation stream, which cannot be measured. */
  readonly unmeasured: readonly string[];
  readonly seconds: number;
}

/**
 * Measures reference losses and writes them. Throws ERR_TRAINER and ERR_LOSS as `train` does, ERR_ARGUMENT when both a training and checkpoints are
 * asked for or its policy is not static, ERR_DOMAIN when nothing can be measured.
 */
export async function measureReference(options: ReferenceOptions): Promise<ReferenceReport> {
  const began = performance.now();
  const shards = resolve(options.shards);
  const manifest = await readManifest(shards);
  const measurable = measurableDomains(manifest, manifest.domains);
  if (measurable.length === 0)
    throw new HeadraceError(
      "ERR_DOMAIN",
      `${shards} has no validation stream in any domain; build with a larger validation target`,
    );
  if (options.train && (options.checkpoints !== undefined || options.train.policy.startsWith("dynamic-")))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      options.checkpoints === undefined
        ? `reference losses come from a fixed mix, and ${options.train.policy} moves; use llama, sheared, uniform or weights`
        : "reference losses come from checkpoints or from a training, not both; leave one out",
    );
  const model = options.model ?? modelName(options);
  const report = options.train
    ? await afterTraining(options, options.train, measurable)
    : await asItIs(options, shards, manifest, measurable);
  const reference: Reference = {
    format: "headrace-reference/1",
    model,
    tokenizer: manifest.tokenizer.sha256,
    validation: validationHash(manifest),
    domains: report.domains,
  };
  await writeReference(options.out, reference);
  return {
    out: resolve(options.out),
    model,
    losses: meanLosses(report.domains, Object.keys(report.domains)),
    tokens: Object.fromEntries(Object.entries(report.domains).map(([name, { tokens }]) => [name, tokens])),
    unmeasured: manifest.domains.filter((name) => !measurable.includes(name)),
    seconds: (performance.now() - began) / 1000,
  };
}

/** The report at the end of a training run. */
async function afterTraining(
  options: ReferenceOptions,
  training: NonNullable<ReferenceOptions["train"]>,
  measurable: readonly string[],
): Promise<LossReport> {
  const { shards, trainer, evaluation, signal } = options;
  const report = await train({
    ...training,
    shards,
    trainer,
    ...(evaluation ? { evaluation } : {}),
    ...(signal ? { signal } : {}),
  });
  if (!report.finished)
    throw new HeadraceError(
      "ERR_TRAINER",
      `interrupted after ${report.batches} batches; the same command goes on in ${report.run}`,
    );
  return await readReport(report.run, report.batches, measurable);
}

/** One conversation in evaluate mode. */
async function asItIs(
  options: ReferenceOptions,
  shards: string,
  manifest: ShardManifest,
  required: readonly string[],
): Promise<LossReport> {
  const folder = await mkdtemp(join(tmpdir(), "headrace-reference-"));
  let measured: LossReport | null = null;
  try {
    await runSession({
      ...options,
      welcome: {
        mode: "evaluate",
        run: null,
        shards,
        batches: 0,
        everyBatches: null,
        checkpoints: options.checkpoints === undefined ? null : resolve(options.checkpoints),
        evaluation: { rowTokens: 4096, tokensPerDomain: 131_072, ...options.evaluation },
      },
      handler: {
        ready: async () => {},
        acknowledge: async () => {
          throw new HeadraceError(
            "ERR_TRAINER",
            "trainer acknowledged a batch while it was to evaluate only",
          );
        },
        report: async (value) => {
          measured = checkLossReport(value, manifest.domains, { required });
          return { stages: 0, hash: "", decidedUntil: null };
        },
        checkpoint: async () => {},
      },
      trainer: resolveTrainer(options.trainer),
      log: join(folder, "trainer.log"),
      progress: () => (measured ? "after its loss report" : "before its loss report"),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const report = measured as LossReport | null;
  if (report === null)
    throw new HeadraceError(
      "ERR_TRAINER",
      "trainer was done before it reported any losses; it must report in evaluate mode",
    );
  return report;
}

/** What a reference is called unless it is named: the trainer as it was asked for, and what it was trained on. */
function modelName({ trainer, train, checkpoints }: ReferenceOptions): string {
  if (train) return `${trainer}, ${train.tokens} tokens of ${train.policy}`;
  return checkpoints === undefined ? trainer : `${trainer}, checkpoint`;
}
