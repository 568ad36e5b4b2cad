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
  { rate, unit }: Pick<Target, "rate" | "unit">,
  flagAt = 0,
): ThresholdChoice {
  return thresholdChooser({ on, documents, scores, tokens, dropWhen, unit, flagAt })(rate);
}

/** What a threshold is chosen on. */
export interface Choosing {
  /** A domain's name, or `pool`. */
  readonly on: string;
  /** The documents that reach the filter: indices into the columns. */
  readonly documents: readonly number[];
  /** The documents that a rate is a share of, by default those that reach the filter. */
  readonly input?: readonly number[];
  readonly scores: Int32Array;
  readonly tokens: ArrayLike<number>;
  readonly dropWhen: DropWhen;
  readonly unit: Target["unit"];
  /** The score beyond which a document is flagged; default 0. */
  readonly flagAt?: number;
}

/** `chooseThreshold` for any number of rates in one unit: O(n log n) once, then O(log n) a rate. */
export function thresholdChooser(of: Choosing): (rate: number) => ThresholdChoice {
  const { on, documents, input = documents, scores, tokens, dropWhen, unit, flagAt = 0 } = of;
  const worst = dropWhen === "high" ? -1 : 1;
  const order = [...documents].sort((a, b) => worst * (scores[a]! - scores[b]!));
  const amounts = (some: readonly number[]) => ({
    documents: some.length,
    flagged: some.filter((i) => isFlagged(dropWhen, scores[i]!, flagAt)).length,
    tokens: some.reduce((sum, i) => sum + tokens[i]!, 0),
  });
  const reaching = amounts(documents);
  const base = (input === documents ? reaching : amounts(input))[unit];
  const share = (sum: number) => (base === 0 ? 0 : sum / base);
  const last = unit === "flagged" ? reaching.flagged : order.length;

  // What can be dropped: nothing, or everything down to the last of some equal scores.
  const reachable = [{ dropped: 0, sum: 0 }];
  let sum = 0;
  for (let i = 0; i < last; i++) {
    sum += unit === "tokens" ? tokens[order[i]!]! : 1;
    if (i + 1 < order.length && scores[order[i]!] === scores[order[i + 1]!]) continue;
    if (sum > reachable.at(-1)!.sum) reachable.push({ dropped: i + 1, sum });
  }
  return (rate) => {
    const wanted = rate * base;
    let [low, high] = [0, reachable.length];
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (reachable[middle]!.sum <= wanted) low = middle;
      else high = middle;
    }
    const below = reachable[low]!;
    const above = below.sum === wanted ? below : (reachable[high] ?? below);
    const best = high < reachable.length && above.sum - wanted < wanted - below.sum ? above : below;
    return {
      on,
      threshold: thresholdAfter(best.dropped, order, scores, dropWhen, { rate, unit }, flagAt),
      ...reaching,
      rate: share(best.sum),
      below: share(below.sum),
      above: share(above.sum),
    };
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
