/**
 * Which documents of a build to read: the nearest to a threshold, or some spread over the scores. Only index columns are read for that, and
 * memory is bounded: of more than a million documents every second one is passed over, and so on.
 */
import { join } from "node:path";
import { type DomainName, domainName } from "../../core/domain.ts";
import { type FilterVerdict, judge, SCORE_UNIT } from "../../filters/index.ts";
import { openShard, type TokenShard } from "../../shards/index.ts";
import type { Inspection } from "./inspection.ts";

/** A document of a shard that may be shown. Scores are in the unit of the score column. */
export interface Candidate {
  readonly shard: TokenShard;
  readonly batch: number;
  readonly row: number;
  readonly score: number;
  readonly threshold: number | null;
  readonly droppedBy: string | null;
}

/** How many candidates are held before they are thinned. */
const MOST_CANDIDATES = 2 ** 20;

/** All documents of the shards, in their order. */
export function* candidatesOf(of: Inspection, shards: readonly TokenShard[]): Generator<Candidate> {
  const { dir, column, thresholds, cascade, manifest } = of;
  const integers = new Int32Array(manifest.filters.length);
  for (const shard of shards) {
    const domain: DomainName = domainName(shard.domain);
    const threshold = thresholds?.get(domain) ?? null;
    const reader = openShard(join(dir, shard.path));
    try {
      for (const batch of reader.batches.keys()) {
        const { documents, scores } = reader.readIndex(batch);
        for (let row = 0; row < documents; row++) {
          for (let f = 0; f < integers.length; f++) integers[f] = scores[f]![row]! * SCORE_UNIT;
          const verdict = judge(integers, domain, cascade);
          yield {
            shard,
            batch,
            row,
            score: scores[column]![row]!,
            threshold,
            droppedBy: filterOfVerdict(verdict),
          };
        }
      }
    } finally {
      reader.close();
    }
  }
}

function filterOfVerdict(verdict: FilterVerdict): string | null {
  return verdict.kind === "drop" ? verdict.filter : null;
}

/** The documents that get as far as the filter: no filter before it in the cascade drops them. */
export function* reaching(
  { cascade, filter }: Inspection,
  candidates: Iterable<Candidate>,
): Generator<Candidate> {
  const place = cascade.findIndex((step) => step.filter === filter.name);
  const before = new Set(cascade.slice(0, Math.max(0, place)).map((step) => step.filter));
  for (const candidate of candidates) if (!before.has(candidate.droppedBy ?? "")) yield candidate;
}

/** The `count` documents nearest to their threshold on either side of it, by ascending distance above it. Those without one are left out. */
export function nearest(candidates: Iterable<Candidate>, count: number): readonly Candidate[] {
  const distance = ({ score, threshold }: Candidate) => score - threshold!;
  const prune = (side: Candidate[]) => {
    side.sort((a, b) => Math.abs(distance(a)) - Math.abs(distance(b)));
    side.length = Math.min(side.length, count);
  };
  const sides: readonly [Candidate[], Candidate[]] = [[], []];
  for (const candidate of candidates) {
    if (candidate.threshold === null) continue;
    const side = sides[distance(candidate) < 0 ? 0 : 1];
    side.push(candidate);
    if (side.length >= 2 * count + 1024) prune(side);
  }
  for (const side of sides) prune(side);
  return [...sides[0].reverse(), ...sides[1]];
}

/** `count` documents evenly spread over the scores, by ascending score. */
export function spread(candidates: Iterable<Candidate>, count: number): readonly Candidate[] {
  let held: Candidate[] = [];
  let stride = 1;
  let seen = 0;
  for (const candidate of candidates) {
    if (seen++ % stride !== 0) continue;
    held.push(candidate);
    if (held.length < MOST_CANDIDATES) continue;
    held = held.filter((_, i) => i % 2 === 0);
    stride *= 2;
  }
  held.sort((a, b) => a.score - b.score);
  if (held.length <= count) return held;
  return Array.from({ length: count }, (_, i) => held[Math.floor(((i + 0.5) * held.length) / count)]!);
}
