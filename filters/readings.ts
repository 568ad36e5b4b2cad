/**
 * LLaMA-MoE says that about half of the advertising was dropped and not what of: both readings, side by side.
 */
import type { CalibrationRequest } from "./calibrate.ts";
import { type Calibration, cascadeOf } from "./calibration.ts";
import { type DropWhen, drops, judge, SCORE_UNIT } from "./filter.ts";
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

/** Both readings of one target of a cascade. */
export interface TargetReadings {
  readonly filter: string;
  readonly rate: number;
  readonly readings: readonly [Reading, Reading];
}

/**
 * Both readings of the rate of each target whose filter's scores are log odds (`isOdds`), on the sample documents that reach it under the
 * calibration; each reading with one threshold for all domains. Pure; O(n log n) a target.
 */
export function cascadeReadings(
  calibration: Calibration,
  { samples, filters }: Pick<CalibrationRequest, "samples" | "filters">,
  isOdds: (filter: string) => boolean,
): readonly TargetReadings[] {
  const cascade = cascadeOf(calibration, filters);
  const columns = filters.map(({ name }) => samples.scores[name] ?? new Int32Array(0));
  const scores = new Int32Array(columns.length);
  const reaches = (place: number, i: number) => {
    const domain = samples.domains[samples.domain[i]!]!;
    if (!calibration.filters[place]!.appliesTo.includes(domain)) return false;
    for (const [c, column] of columns.entries()) scores[c] = column[i]!;
    return judge(scores, domain, cascade.slice(0, place)).kind === "keep";
  };
  return calibration.filters.flatMap(({ name, dropWhen, target }, place) => {
    if (!isOdds(name)) return [];
    const reached = Array.from(samples.domain, (_, i) => i).filter((i) => reaches(place, i));
    const own = Int32Array.from(reached, (i) => samples.scores[name]![i]!);
    const tokens = reached.map((i) => samples.tokens[i]!);
    return [{ filter: name, rate: target.rate, readings: bothReadings(target.rate, dropWhen, own, tokens) }];
  });
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
    const dropped = all.filter((i) => drops(dropWhen, scores[i]!, threshold));
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
