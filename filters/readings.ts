/**
 * LLaMA-MoE says that about half of the advertising was dropped and not what of: both readings, side by side.
 */
import type { DropWhen } from "./filter.ts";
import { SCORE_UNIT } from "./filter.ts";
import { chooseThreshold } from "./threshold.ts";

/** What one reading of a rate does to the sample. */
export interface Reading {
  /** `documents`: that share of the documents; `flagged`: that share of those that the filter itself flags. */
  readonly unit: "documents" | "flagged";
  /** An integer score. */
  readonly threshold: number;
  /** Shares of all documents and of all tokens that are dropped. */
  readonly documents: number;
  readonly tokens: number;
  /** Estimated share of the dropped documents that are not what the filter looks for, by its own probabilities; 0 where none are dropped. */
  readonly mistaken: number;
}

/** Both readings of `rate` on the scored documents that the filter applies to. Pure; O(n log n). */
export function bothReadings(
  rate: number,
  dropWhen: DropWhen,
  scores: Int32Array,
  tokens: ArrayLike<number>,
): readonly [Reading, Reading] {
  const all = Array.from(scores, (_, i) => i);
  const read = <U extends Reading["unit"]>(unit: U): Reading => {
    const { threshold } = chooseThreshold("pool", all, scores, tokens, dropWhen, { rate, unit });
    const dropped = all.filter((i) =>
      dropWhen === "high" ? scores[i]! >= threshold : scores[i]! < threshold,
    );
    const sign = dropWhen === "high" ? 1 : -1;
    const mistaken = dropped.reduce(
      (sum, i) => sum + 1 / (1 + Math.exp((sign * scores[i]!) / SCORE_UNIT)),
      0,
    );
    const total = all.reduce((sum, i) => sum + tokens[i]!, 0);
    return {
      unit,
      threshold,
      documents: all.length === 0 ? 0 : dropped.length / all.length,
      tokens: total === 0 ? 0 : dropped.reduce((sum, i) => sum + tokens[i]!, 0) / total,
      mistaken: dropped.length === 0 ? 0 : mistaken / dropped.length,
    };
  };
  return [read("documents"), read("flagged")];
}
