/**
 * `headrace inspect`: documents of a build to read, with their scores: either side of a threshold, or spread over a split.
 * The text is decoded from the shards' own tokens, so it needs no input file and shows what a trainer sees.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DomainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { type Calibration, SCORE_UNIT } from "../filters/index.ts";
import { openShard, readManifest, type ShardManifest, type Split, type TokenShard } from "../shards/index.ts";
import { readCalibration } from "./calibrate.ts";
import type { Tokenizer } from "./tokenizer/index.ts";

/** What to look at. */
export interface InspectRequest {
  readonly dir: string;
  /** The filter whose scores order the documents. */
  readonly filter: string;
  /** Which splits; default train and dropped. */
  readonly splits?: readonly Split[];
  /** One domain; default all. */
  readonly domain?: string;
  /** Documents nearest to their domain's threshold, instead of documents spread over the scores. */
  readonly nearThreshold: boolean;
  /** How many documents a side of the threshold, or in all. */
  readonly documents: number;
}

/** A document to read. */
export interface Inspected {
  readonly split: Split;
  readonly domain: string;
  readonly source: string;
  readonly line: number;
  readonly tokens: number;
  readonly score: number;
  /** The threshold of the domain, where the filter applies to it. */
  readonly threshold: number | null;
  readonly text: string;
}

interface Candidate {
  readonly shard: TokenShard;
  readonly batch: number;
  readonly row: number;
  readonly score: number;
  readonly threshold: number | null;
}

/** Finds the documents and decodes them. Deterministic. Reads every index column of the chosen splits, and the tokens of what it shows. */
export async function inspect(request: InspectRequest, tokenizer: Tokenizer): Promise<readonly Inspected[]> {
  const { dir, filter } = request;
  const manifest = await readManifest(dir);
  const column = filterColumn(manifest, filter, dir);
  if (manifest.tokenizer.sha256 !== tokenizer.sha256)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `${dir} was built with ${manifest.tokenizer.name} (${manifest.tokenizer.sha256.slice(0, 12)}), not ${tokenizer.name}; name it with --tokenizer`,
    );
  const thresholds = await thresholdsOf(dir, filter);
  if (request.nearThreshold && thresholds === null)
    throw new HeadraceError(
      "ERR_CALIBRATION",
      `${dir} was not filtered by "${filter}", so it has no threshold; leave out --near-threshold`,
    );
  const splits = request.splits ?? ["train", "dropped"];
  const shards = manifest.shards.filter(
    ({ split, domain }) => splits.includes(split) && (request.domain ?? domain) === domain,
  );
  const candidates: Candidate[] = [];
  for (const shard of shards) {
    const threshold = thresholds?.get(shard.domain as DomainName) ?? null;
    if (request.nearThreshold && threshold === null) continue;
    const reader = await openShard(join(dir, shard.path));
    try {
      for (const batch of reader.batches.keys())
        for (const [row, score] of reader.readIndex(batch).scores[column]!.entries())
          candidates.push({ shard, batch, row, score, threshold });
    } finally {
      reader.close();
    }
  }
  const chosen = request.nearThreshold
    ? nearest(candidates, request.documents)
    : spread(candidates, request.documents);
  return Promise.all(chosen.map((candidate) => decode(dir, candidate, tokenizer)));
}

async function decode(
  dir: string,
  { shard, batch, row, score, threshold }: Candidate,
  tokenizer: Tokenizer,
): Promise<Inspected> {
  const reader = await openShard(join(dir, shard.path));
  try {
    const { offsets, tokens, sources, lines } = reader.readBatch(batch);
    const ids = tokens.subarray(offsets[row]!, offsets[row + 1]!);
    const { split, domain } = shard;
    return {
      split,
      domain,
      source: reader.sources[sources[row]!]!,
      line: lines[row]!,
      tokens: ids.length,
      score,
      threshold,
      text: tokenizer.decode(ids),
    };
  } finally {
    reader.close();
  }
}

/** The `count` documents nearest to the threshold on either side, by ascending score. */
function nearest(candidates: readonly Candidate[], count: number): readonly Candidate[] {
  const distance = ({ score, threshold }: Candidate) => score - threshold!;
  const sorted = [...candidates].sort((a, b) => distance(a) - distance(b));
  const first = sorted.findIndex((candidate) => distance(candidate) >= 0);
  const middle = first < 0 ? sorted.length : first;
  return sorted.slice(Math.max(0, middle - count), middle + count);
}

/** `count` documents evenly spread over the scores. */
function spread(candidates: readonly Candidate[], count: number): readonly Candidate[] {
  const sorted = [...candidates].sort((a, b) => a.score - b.score);
  if (sorted.length <= count) return sorted;
  return Array.from({ length: count }, (_, i) => sorted[Math.floor(((i + 0.5) * sorted.length) / count)]!);
}

function filterColumn(manifest: ShardManifest, filter: string, dir: string): number {
  const column = manifest.filters.findIndex(({ name }) => name === filter);
  if (column >= 0) return column;
  const names = manifest.filters.map(({ name }) => name).join(", ");
  throw new HeadraceError(
    "ERR_FILTER",
    `${dir} has no scores of "${filter}"; it has ${names || "none: build with --filters"}`,
  );
}

/** Thresholds by domain, in the unit of the score column. */
async function thresholdsOf(dir: string, filter: string): Promise<ReadonlyMap<DomainName, number> | null> {
  const path = join(dir, "calibration.json");
  if (!existsSync(path)) return null;
  const calibration: Calibration = await readCalibration(path);
  const entry = calibration.filters.find(({ name }) => name === filter);
  return entry
    ? new Map(entry.domains.map(({ domain, threshold }) => [domain, threshold / SCORE_UNIT]))
    : null;
}
