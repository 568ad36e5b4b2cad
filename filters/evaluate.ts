/**
 * What a filter does on labelled documents: ranking, the confusion at a cut by domain, and whether its probabilities hold.
 */

import { type DropWhen, drops, SCORE_UNIT } from "./filter.ts";
import type { LabelledDocument } from "./labels.ts";
import { type CutQuality, cutQuality, rankingOf } from "./metrics.ts";
import type { Ranking } from "./training.ts";

/** Documents whose probability of being what the filter looks for lies in one tenth of [0, 1]. */
export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly documents: number;
  /** Mean stated probability, and the share that really is. */
  readonly stated: number;
  readonly observed: number;
}

/** The whole evaluation. */
export interface Evaluation {
  /** An integer score. */
  readonly threshold: number;
  readonly all: DomainEvaluation;
  readonly domains: Readonly<Record<string, DomainEvaluation>>;
  /** All documents at the threshold and at each of the others. */
  readonly cuts: readonly CutEvaluation[];
  /** Bins that hold a document. */
  readonly reliability: readonly ReliabilityBin[];
}

/** What a cut does to all documents. */
export interface CutEvaluation {
  /** An integer score. */
  readonly threshold: number;
  readonly cut: CutQuality;
}

/** One domain, or all. */
export interface DomainEvaluation {
  /** null where only one kind of document is there. */
  readonly ranking: Ranking | null;
  readonly cut: CutQuality;
}

/** Evaluates scores (one a document) against grades. `sought` are the grades that the filter looks for, `others` further cuts. Deterministic. */
export function evaluateFilter(
  documents: readonly Pick<LabelledDocument, "domain" | "grade">[],
  scores: Int32Array,
  sought: readonly number[],
  dropWhen: DropWhen,
  threshold: number,
  others: readonly number[] = [],
): Evaluation {
  const sign = dropWhen === "high" ? 1 : -1;
  const positive = documents.map(({ grade }) => sought.includes(grade));
  const flagged = (i: number, cut: number) => drops(dropWhen, scores[i]!, cut);
  const evaluate = (at: readonly number[]): DomainEvaluation => {
    const labels = at.map((i) => positive[i]!);
    const both = labels.includes(true) && labels.includes(false);
    return {
      ranking: both
        ? rankingOf(
            at.map((i) => sign * scores[i]!),
            labels,
          )
        : null,
      cut: cutQuality(
        at.map((i) => flagged(i, threshold)),
        labels,
      ),
    };
  };
  const every = documents.map((_, i) => i);
  const names = [...new Set(documents.map(({ domain }) => domain))].sort();
  return {
    threshold,
    all: evaluate(every),
    domains: Object.fromEntries(
      names.map((name) => [name, evaluate(every.filter((i) => documents[i]!.domain === name))]),
    ),
    cuts: [threshold, ...others].map((at) => ({
      threshold: at,
      cut: cutQuality(
        every.map((i) => flagged(i, at)),
        positive,
      ),
    })),
    reliability: reliabilityOf(
      Array.from(scores, (score) => 1 / (1 + Math.exp((-sign * score) / SCORE_UNIT))),
      positive,
    ),
  };
}

function reliabilityOf(stated: readonly number[], positive: readonly boolean[]): readonly ReliabilityBin[] {
  return Array.from({ length: 10 }, (_, tenth) => {
    const at = stated.flatMap((p, i) => (Math.min(9, Math.floor(10 * p)) === tenth ? [i] : []));
    return {
      from: tenth / 10,
      to: (tenth + 1) / 10,
      documents: at.length,
      stated: at.reduce((sum, i) => sum + stated[i]!, 0) / at.length,
      observed: at.filter((i) => positive[i]).length / at.length,
    };
  }).filter((bin) => bin.documents > 0);
}
