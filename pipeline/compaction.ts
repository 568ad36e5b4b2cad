/**
 * The last step of a build as jobs: one for each domain, which plans its validation split and writes its shards. A job depends on the segments in task order alone, so the jobs can run anywhere, in any order.
 */
import {
  compactDomain,
  type Gap,
  planValidation,
  readManifest,
  type Segment,
  type ShardSchema,
  segmentCandidates,
  type TokenShard,
  tokenBytes,
  type ValidationPlan,
} from "../shards/index.ts";
import type { HeldOut } from "./account.ts";
import { openRejoined, type Rejoined } from "./rejoin.ts";
import type { TaskProgress } from "./task.ts";

/** Segments of a domain to shards. Plain data. */
export interface CompactJob {
  readonly dir: string;
  readonly domain: string;
  /** In task order, as paths of segments or to be rejoined from finished shards: kept documents, those of a given validation set, and dropped ones. */
  readonly kept: readonly (string | Rejoined)[];
  readonly given: readonly (string | Rejoined)[];
  readonly dropped: readonly (string | Rejoined)[];
  readonly schema: ShardSchema;
  /** sha256 of the tokenizer. */
  readonly tokenizer: string;
  readonly shardBytes: number;
  /** Tokens to hold out; 0 where a validation set was given. */
  readonly validationTokens: number;
  readonly validationRow: number;
}

/** What came of a domain. */
export interface CompactResult {
  readonly domain: string;
  /** In stream order. */
  readonly shards: readonly TokenShard[];
  readonly held: HeldOut;
  /** What was held out, or why nothing was. */
  readonly plan: ValidationPlan;
  /** The tokens of a document that was cut which are in no split. */
  readonly gap: Gap | null;
}

/** Runs the job of one domain; `onProgress` is told of every batch that is written. */
export async function compactJob(
  job: CompactJob,
  onProgress?: (progress: TaskProgress) => void,
): Promise<CompactResult> {
  const { dir, domain, schema, tokenizer, shardBytes } = job;
  const onWrite = (documents: number, tokens: number) =>
    onProgress?.({
      bytes: tokens * tokenBytes(schema.tokenType),
      documents,
      tokens,
      dropped: 0,
      quarantined: 0,
    });
  const kept = await segmentsOf(job.kept);
  const plan = await validationPlan(job, kept);
  const common = { dir, domain, schema, tokenizer, shardBytes, onWrite };
  const main = await compactDomain({ ...common, segments: kept, plan });
  const given = await compactDomain({
    ...common,
    segments: await segmentsOf(job.given),
    plan: { kind: "whole", split: "validation" },
  });
  const dropped = await compactDomain({
    ...common,
    segments: await segmentsOf(job.dropped),
    plan: { kind: "whole", split: "dropped" },
  });
  const shards = [...main.shards, ...given.shards, ...dropped.shards];
  return { domain, shards, held: heldOut(plan), plan, gap: main.gap };
}

async function segmentsOf(list: readonly (string | Rejoined)[]): Promise<readonly Segment[]> {
  return Promise.all(
    list.map(async (one) => {
      if (typeof one === "string") return one;
      const manifest = await readManifest(one.from);
      return () => openRejoined(one, manifest);
    }),
  );
}

async function validationPlan(job: CompactJob, kept: readonly Segment[]): Promise<ValidationPlan> {
  if (job.given.length > 0) return { kind: "none", reason: "a validation set was given" };
  if (job.validationTokens === 0) return { kind: "none", reason: "no tokens were to be held out" };
  const candidates = await segmentCandidates(kept, job.validationTokens);
  return planValidation(candidates, { targetTokens: job.validationTokens, rowTokens: job.validationRow });
}

function heldOut(plan: ValidationPlan): HeldOut {
  switch (plan.kind) {
    case "hashes":
      return { documents: plan.documents, tokens: plan.tokens, gap: 0 };
    case "tail":
      return { documents: 0, tokens: plan.tokens, gap: plan.gap };
    case "none":
      return { documents: 0, tokens: 0, gap: 0 };
    default:
      return plan satisfies never;
  }
}
