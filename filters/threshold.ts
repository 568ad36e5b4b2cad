/**
 * The one threshold whose rate on a set of documents is nearest to the target, and the nearest rates there are where scores tie.
 */
import type { ThresholdChoice } from "./calibration.ts";
import { type DropWhen, SCORE_LIMIT } from "./filter.ts";
import type { Target } from "./targets.ts";

/** Whether the filter itself calls the document what it looks for: beyond `flagAt`, even odds unless told otherwise, on the side that is dropped. */
export function isFlagged(dropWhen: DropWhen, score: number, flagAt = 0): boolean {
  return dropWhen === "high" ? score > flagAt : score < flagAt;
}

/**
 * Chooses on the given documents (indices into the columns). Of two rates equally near, the one that drops less. The
 * threshold lies half way between the last score dropped and the first kept. O(n log n); pure.
 */
export function chooseThreshold(
  on: string,
  documents: readonly number[],
  scores: Int32Array,
  tokens: ArrayLike<number>,
  dropWhen: DropWhen,
  target: Pick<Target, "rate" | "unit">,
  flagAt = 0,
): ThresholdChoice {
  const worst = dropWhen === "high" ? -1 : 1;
  const order = [...documents].sort((a, b) => worst * (scores[a]! - scores[b]!));
  const flagged = order.filter((i) => isFlagged(dropWhen, scores[i]!, flagAt)).length;
  const allTokens = order.reduce((sum, i) => sum + tokens[i]!, 0);
  const base = { documents: order.length, flagged, tokens: allTokens }[target.unit];
  const share = (sum: number) => (base === 0 ? 0 : sum / base);
  const last = target.unit === "flagged" ? flagged : order.length;

  const wanted = target.rate * base;
  let best = { dropped: 0, sum: 0 };
  let below = 0;
  let above = base;
  let sum = 0;
  for (let i = 0; i < last; i++) {
    sum += target.unit === "tokens" ? tokens[order[i]!]! : 1;
    if (i + 1 < order.length && scores[order[i]!] === scores[order[i + 1]!]) continue;
    if (sum <= wanted) below = sum;
    else above = Math.min(above, sum);
    if (Math.abs(sum - wanted) < Math.abs(best.sum - wanted)) best = { dropped: i + 1, sum };
  }
  if (below === wanted) above = below;
  return {
    on,
    threshold: thresholdAfter(best.dropped, order, scores, dropWhen, target, flagAt),
    documents: order.length,
    flagged,
    tokens: allTokens,
    rate: share(best.sum),
    below: share(below),
    above: share(above),
  };
}

function thresholdAfter(
  dropped: number,
  order: readonly number[],
  scores: Int32Array,
  dropWhen: DropWhen,
  { rate, unit }: Pick<Target, "rate" | "unit">,
  flagAt: number,
): number {
  const never = dropWhen === "high" ? SCORE_LIMIT : -SCORE_LIMIT;
  if (rate === 0) return never;
  const allFlagged = dropWhen === "high" ? flagAt + 1 : flagAt;
  if (rate === 1) return unit === "flagged" ? allFlagged : -never;
  const lastDropped = dropped === 0 ? never : scores[order[dropped - 1]!]!;
  const firstKept = dropped === order.length ? -never : scores[order[dropped]!]!;
  const between = Math.ceil((lastDropped + firstKept) / 2);
  if (unit !== "flagged") return between;
  return dropWhen === "high" ? Math.max(between, allFlagged) : Math.min(between, allFlagged);
}
