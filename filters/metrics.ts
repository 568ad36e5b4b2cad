/**
 * How well scores rank labelled documents, with the uncertainty of a small sample. Pure; the bootstrap has a fixed seed.
 */
import { keyOf, wordAt } from "../core/random.ts";
import type { DomainFlags, Ranking } from "./training.ts";

/** Area under the ROC curve: the chance that a positive scores above a negative, ties counting half. NaN without both. O(n log n). */
export function areaUnderRoc(scores: ArrayLike<number>, positive: ArrayLike<boolean>): number {
  return rankedArea(byScore(scores), scores, positive, null);
}

/** Mean, over positives, of the precision among all that score at least as high; ties are taken together. NaN without positives. O(n log n). */
export function averagePrecision(scores: ArrayLike<number>, positive: ArrayLike<boolean>): number {
  const order = byScore(scores).reverse();
  let seen = 0;
  let found = 0;
  let sum = 0;
  for (let from = 0; from < order.length; from = seen) {
    let gained = 0;
    for (; seen < order.length && scores[order[seen]!] === scores[order[from]!]; seen++)
      if (positive[order[seen]!]) gained += 1;
    found += gained;
    sum += gained * (found / seen);
  }
  return sum / found;
}

/** AUC with a 95 % percentile bootstrap interval over documents, and the average precision. Deterministic; O(resamples x n). */
export function rankingOf(
  scores: ArrayLike<number>,
  positive: ArrayLike<boolean>,
  resamples = 2000,
): Ranking {
  const order = byScore(scores);
  const n = order.length;
  const areas = Float64Array.from({ length: resamples }, (_, b) =>
    rankedArea(order, scores, positive, drawnTimes(b, n)),
  );
  const sorted = areas.filter((area) => !Number.isNaN(area)).sort();
  return {
    documents: n,
    positives: Array.from(positive).filter(Boolean).length,
    auc: areaUnderRoc(scores, positive),
    aucFrom: sorted[Math.floor(0.025 * sorted.length)] ?? Number.NaN,
    aucTo: sorted[Math.ceil(0.975 * sorted.length) - 1] ?? Number.NaN,
    averagePrecision: averagePrecision(scores, positive),
  };
}

/** By how much the first of two scores of the same documents ranks them better. */
export interface PairedRanking {
  /** AUC of the first less that of the second, and the ends of its 95 % bootstrap interval. */
  readonly difference: number;
  readonly from: number;
  readonly to: number;
  /** Twice the lesser share of resamples on one side of 0, ties half on each: the two-sided p-value of no difference. At least 1 / resamples. */
  readonly p: number;
}

/** Compares two scores on the same resamples as `rankingOf`. Deterministic; O(resamples x n). */
export function pairedRanking(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  positive: ArrayLike<boolean>,
  resamples = 2000,
): PairedRanking {
  const orders = [byScore(first), byScore(second)] as const;
  const differences = Float64Array.from({ length: resamples }, (_, b) => {
    const times = drawnTimes(b, positive.length);
    return rankedArea(orders[0], first, positive, times) - rankedArea(orders[1], second, positive, times);
  });
  const sorted = differences.filter((difference) => !Number.isNaN(difference)).sort();
  const n = sorted.length;
  const below = sorted.filter((difference) => difference < 0).length;
  const ties = sorted.filter((difference) => difference === 0).length;
  return {
    difference: areaUnderRoc(first, positive) - areaUnderRoc(second, positive),
    from: sorted[Math.floor(0.025 * n)] ?? Number.NaN,
    to: sorted[Math.ceil(0.975 * n) - 1] ?? Number.NaN,
    p: Math.min(1, Math.max(1 / n, (2 * Math.min(below + ties / 2, n - below - ties / 2)) / n)),
  };
}

/** How often each of n documents is in resample b. */
function drawnTimes(b: number, n: number): Int32Array {
  const key = keyOf("bootstrap", b);
  const times = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    const drawn = Math.floor((wordAt(key, i) / 2 ** 32) * n);
    times[drawn] = times[drawn]! + 1;
  }
  return times;
}

/** What a cut gives: of the flagged, the share that is positive; of the positives, the share that is flagged. */
export interface CutQuality {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
  readonly trueNegatives: number;
  /** NaN where nothing is flagged. */
  readonly precision: number;
  /** NaN where nothing is positive. */
  readonly recall: number;
}

/** The confusion of flags against labels. */
export function cutQuality(flagged: ArrayLike<boolean>, positive: ArrayLike<boolean>): CutQuality {
  const table = [0, 0, 0, 0];
  for (let i = 0; i < flagged.length; i++) {
    const cell = (flagged[i] ? 2 : 0) + (positive[i] ? 1 : 0);
    table[cell] = table[cell]! + 1;
  }
  const [trueNegatives = 0, falseNegatives = 0, falsePositives = 0, truePositives = 0] = table;
  return {
    truePositives,
    falsePositives,
    falseNegatives,
    trueNegatives,
    precision: truePositives / (truePositives + falsePositives),
    recall: truePositives / (truePositives + falseNegatives),
  };
}

/** What is flagged in each domain, domains in alphabetical order. */
export function flagsByDomain(
  domains: readonly string[],
  flagged: ArrayLike<boolean>,
  positive: ArrayLike<boolean>,
): Readonly<Record<string, DomainFlags>> {
  const entries = [...new Set(domains)].sort().map((domain) => {
    const at = domains.flatMap((name, i) => (name === domain ? [i] : []));
    const quality = cutQuality(
      at.map((i) => flagged[i]!),
      at.map((i) => positive[i]!),
    );
    const negatives = quality.falsePositives + quality.trueNegatives;
    return [
      domain,
      {
        documents: at.length,
        positives: at.length - negatives,
        flagged: quality.truePositives + quality.falsePositives,
        falseAlarms: quality.falsePositives,
        falseAlarmRate: negatives === 0 ? null : quality.falsePositives / negatives,
      },
    ] as const;
  });
  return Object.fromEntries(entries);
}

function byScore(scores: ArrayLike<number>): number[] {
  return Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
}

/** AUC of documents in ascending order of score, each counted `times` times (once where null). */
function rankedArea(
  order: readonly number[],
  scores: ArrayLike<number>,
  positive: ArrayLike<boolean>,
  times: Int32Array | null,
): number {
  let negatives = 0;
  let positives = 0;
  let wins = 0;
  for (let from = 0, to = 0; from < order.length; from = to) {
    let tiedPositive = 0;
    let tiedNegative = 0;
    for (; to < order.length && scores[order[to]!] === scores[order[from]!]; to++) {
      const weight = times ? times[order[to]!]! : 1;
      if (positive[order[to]!]) tiedPositive += weight;
      else tiedNegative += weight;
    }
    wins += tiedPositive * (negatives + tiedNegative / 2);
    negatives += tiedNegative;
    positives += tiedPositive;
  }
  return wins / (negatives * positives);
}
