/**
 * `headrace build --from SHARDS`: finished shards filtered anew, from their score table and their dropped split. Nothing is tokenized and
 * no input is read. The result is, byte for byte, what a build of the original input with the same thresholds and options gives.
 * What it gives up: a run that was interrupted begins again.
 */
import { mkdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { DomainName } from "../core/domain.ts";
import { hashOf } from "../core/hash.ts";
import { type Calibration, type CascadeStep, judge } from "../filters/index.ts";
import {
  openScoreWriter,
  type ScoreSegment,
  type ScoreWriter,
  type ShardManifest,
  tokenBytes,
} from "../shards/index.ts";
import { lockFolder, lockOptions } from "./build-shard.ts";
import { calibrateOn, readCalibration, targetsFor } from "./calibrate.ts";
import type { CompactJob, CompactResult } from "./compaction.ts";
import { cascadeFor } from "./curator.ts";
import { domainsOf, finish, type Part } from "./finish.ts";
import { type Claim, claimFolder, finishedBuild } from "./folder.ts";
import { NO_PROGRESS } from "./options.ts";
import { runPool } from "./pool.ts";
import { progressOf } from "./progress.ts";
import { planRefilter, type RefilterOptions, type RefilterPlan } from "./refilter-plan.ts";
import type { Bucket, Rejoined, Where } from "./rejoin.ts";
import { count, rejudge, talliesOf } from "./rejudge.ts";
import { type BuildReport, reportOf } from "./report.ts";
import { flaggingColumns, sampleForDrop, scoresOfRow } from "./table-sample.ts";
import type { TaskProgress } from "./task.ts";
import { tidyFinished } from "./tidy.ts";
import type { BuildJob } from "./worker.ts";

/** Documents between reports of progress. */
const REPORT_EVERY = 65_536;

/** Filters finished shards anew. Throws a HeadraceError that says the way out; the shards that are read are left as they are. */
export async function refilter(options: RefilterOptions): Promise<BuildReport> {
  const started = performance.now();
  const plan = await planRefilter(options);
  const { from, dir, buildFolder, manifest, origin } = plan;
  const report = (made: ShardManifest, reused: number | null) =>
    reportOf({ dir, plans: [], manifest: made, reused, started });
  const given = options.calibration === undefined ? null : await readCalibration(options.calibration);
  if (options.drop !== undefined) targetsFor(options.drop, manifest.filters);
  const claim = claimOf(plan, options, given);
  const finished = await finishedBuild(claim);
  if (finished) {
    await tidyFinished(claim);
    return report(finished, null);
  }
  const lock = await lockFolder(buildFolder, lockOptions(options));
  try {
    const meanwhile = await finishedBuild(claim);
    if (meanwhile) return await report(meanwhile, null);
    await claimFolder(claim);
    const calibration = given ?? (await calibrationOf(plan, options));
    const cascade = calibration ? cascadeFor(calibration, manifest.tokenizer, manifest.filters) : [];
    const routes = join(buildFolder, "routes");
    await rm(routes, { recursive: true, force: true });
    await mkdir(routes, { recursive: true });
    const parts = await judgeAll(plan, cascade, routes, options.onProgress);
    const compacted = await compactAll(plan, parts, routes, options);
    const made = await finish({
      dir,
      buildFolder,
      parts,
      compacted,
      scores: scoreSegments(plan, cascade),
      lines: [{ quarantine: join(from, "quarantine.jsonl"), incidents: join(from, "incidents.jsonl") }],
      calibration,
      tokenizer: manifest.tokenizer,
      tokenType: manifest.tokenType,
      filters: manifest.filters,
      origin: {
        inputs: origin.inputs,
        options: { ...origin.options, ...plan.wanted },
        loneSurrogates: origin.loneSurrogates,
      },
    });
    await rm(routes, { recursive: true, force: true });
    return await report(made, 0);
  } finally {
    lock.release();
  }
}

/** The claim of a build from finished shards. */
export function claimOf(plan: RefilterPlan, options: RefilterOptions, given: Calibration | null): Claim {
  const { dir, buildFolder, manifest, wanted } = plan;
  return {
    dir,
    buildFolder,
    replace: options.replace ?? false,
    description: {
      from: manifest.fingerprint,
      inputs: manifest.key,
      ...wanted,
      drop: given
        ? { calibration: hashOf(given) }
        : {
            targets: options.drop ?? null,
            documents: options.calibrationDocuments ?? null,
            applyTo: options.applyTo ?? null,
          },
    },
  };
}

/** The thresholds that meet the targets on the score table. Null where nothing is to be dropped. */
export async function calibrationOf(
  plan: RefilterPlan,
  options: RefilterOptions,
): Promise<Calibration | null> {
  if (options.drop === undefined) return null;
  const { origin } = plan;
  const samples = await sampleForDrop(plan, options.calibrationDocuments, (documents) =>
    options.onProgress?.({ ...NO_PROGRESS, phase: "calibrate", documents, total: origin.documents.train }),
  );
  return calibrateOn(samples, {
    tokenizer: plan.manifest.tokenizer,
    filters: flaggingColumns(plan),
    wherever: plan.wherever,
    targets: options.drop,
    ...(options.applyTo && { applyTo: options.applyTo }),
  });
}

/** Judges every row of the table anew and writes the route of each domain. Throws ERR_INPUT where a document is not there any more. */
async function judgeAll(
  plan: RefilterPlan,
  cascade: readonly CascadeStep[],
  routes: string,
  onProgress: RefilterOptions["onProgress"],
): Promise<readonly Part[]> {
  const { manifest, origin, gaps } = plan;
  const filters = manifest.filters.map(({ name }) => name);
  const tallies = talliesOf(plan);
  const writers = new Map<string, ScoreWriter>();
  let dropped = 0;
  try {
    for (const row of rejudge(plan, cascade)) {
      const { role, source, line, domain, tokens, scores, hash, split, droppedBy } = row;
      if (droppedBy !== null) dropped++;
      count(tallies, row);
      const gap = gaps.find((one) => one.domain === domain);
      const isCut = gap !== undefined && role === "train" && gap.line === line && gap.source === source;
      const bucket: Bucket = droppedBy !== null ? "dropped" : role === "train" ? "kept" : "given";
      let writer = writers.get(domain);
      if (!writer) {
        writer = await openScoreWriter(join(routes, `${domain}.arrow`), { filters, hashes: true });
        writers.set(domain, writer);
      }
      const verdict = `${isCut ? ("cut" satisfies Where) : split}:${bucket}`;
      await writer.append({ source, line, domain, tokens, scores, verdict, hash });
      if (row.row % REPORT_EVERY === 0)
        onProgress?.({
          ...NO_PROGRESS,
          phase: "judge",
          documents: row.row,
          dropped,
          total: origin.documents.train + origin.documents.validation,
        });
    }
    for (const writer of writers.values()) await writer.close();
  } finally {
    for (const writer of writers.values()) await writer.abort();
  }
  return [
    { role: "train", account: tallies.train.account() },
    { role: "validation", account: tallies.validation.account() },
  ];
}

/** Compacts every domain on the workers. */
async function compactAll(
  plan: RefilterPlan,
  parts: readonly Part[],
  routes: string,
  { workers = availableParallelism(), onProgress }: RefilterOptions,
): Promise<readonly CompactResult[]> {
  const { from, dir, manifest, gaps, wanted } = plan;
  const total = parts
    .flatMap(({ account }) => Object.values(account.domains))
    .reduce(
      (sum, { tokens: { kept, dropped } }) =>
        sum + kept + (wanted.keepDropped ? Object.values(dropped).reduce((all, n) => all + n, 0) : 0),
      0,
    );
  const given = parts.find(({ role }) => role === "validation")!.account.domains;
  const jobs = domainsOf(parts).map((domain): CompactJob => {
    const rejoined = (bucket: Bucket): readonly Rejoined[] =>
      hasDocuments(parts, domain)
        ? [
            {
              from,
              domain,
              route: join(routes, `${domain}.arrow`),
              bucket,
              gap: gaps.find((gap) => gap.domain === domain) ?? null,
            },
          ]
        : [];
    return {
      dir,
      domain,
      kept: rejoined("kept"),
      given: (given[domain]?.kept ?? 0) > 0 ? rejoined("given") : [],
      dropped: wanted.keepDropped ? rejoined("dropped") : [],
      schema: { tokenType: manifest.tokenType, filters: manifest.filters.map(({ name }) => name) },
      tokenizer: manifest.tokenizer.sha256,
      shardBytes: wanted.shardBytes,
      validationTokens: wanted.validation === "given" ? 0 : wanted.validation.tokens,
      validationRow: wanted.validation === "given" ? 1 : wanted.validation.row,
    };
  });
  const report = progressOf("compact", total * tokenBytes(manifest.tokenType), onProgress);
  return runPool<BuildJob, CompactResult, TaskProgress>({
    jobs: jobs.map((job) => ({ kind: "compact", job })),
    workers,
    setup: null,
    onProgress: (_, progress) => report(progress),
  });
}

/** Whether any record of the domain is a document. */
function hasDocuments(parts: readonly Part[], domain: DomainName | string): boolean {
  return parts.some(({ account }) => {
    const found = account.domains[domain];
    return found !== undefined && found.read > found.quarantined;
  });
}

/** The score table as segments, cut where a validation set that was given begins, with the verdicts of now. */
function scoreSegments(
  { from, manifest, origin, wanted }: RefilterPlan,
  cascade: readonly CascadeStep[],
): readonly ScoreSegment[] {
  const scores = new Int32Array(manifest.filters.length);
  const verdictOf: NonNullable<ScoreSegment["verdictOf"]> = (reader, batch, row) => {
    const domain = reader.domains[batch.domains[row]!]! as DomainName;
    const verdict = judge(scoresOfRow(batch, row, scores), domain, cascade);
    return verdict.kind === "keep" ? "kept" : `${wanted.tagOnly ? "kept" : "dropped"}:${verdict.filter}`;
  };
  let first = 0;
  return manifest.tables.flatMap(({ path, documents }) => {
    const border = Math.min(documents, Math.max(0, origin.documents.train - first));
    first += documents;
    const segment = (from_: number, to: number, held: boolean): readonly ScoreSegment[] =>
      from_ === to ? [] : [{ path: join(from, path), rows: [from_, to], heldOut: held, verdictOf }];
    return [...segment(0, border, false), ...segment(border, documents, true)];
  });
}
