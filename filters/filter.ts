/**
 * A filter scores a document; a cascade of thresholds turns scores into a verdict.
 * Scores are integers in parts of 65,536, so the stored float32 column (score / 65,536) is exact and no
 * machine, worker or build order can change it. A threshold belongs to a domain; a domain without one passes.
 */
import type { TokenIds } from "../core/document.ts";
import { type DomainName, domainName } from "../core/domain.ts";
import type { Contribution } from "./contribution.ts";

/** A column value is score / SCORE_UNIT. */
export const SCORE_UNIT = 65_536;

/** Scores lie strictly between -SCORE_LIMIT and SCORE_LIMIT, so that float32 holds them. */
export const SCORE_LIMIT = 2 ** 24;

/** On which side of a threshold a filter drops: `high` drops score >= threshold, `low` drops score < threshold. */
export type DropWhen = "high" | "low";

/** What a column of scores is, wherever its values come from. */
export interface ScoreColumn {
  readonly name: string;
  /** SHA-256 of everything that decides its scores. */
  readonly sha256: string;
  readonly dropWhen: DropWhen;
  /** The integer score beyond which it calls a document what it looks for. Default 0: even odds. Null: it has no such score. */
  readonly flagAt?: number | null;
}

/** A scorer bound to its model. */
export interface Filter extends ScoreColumn {
  /** SHA-256 of the tokenizer whose ids the weights are for; null where ids are not read. */
  readonly tokenizer: string | null;
  /**
   * The score of a document: an integer, |score| < 2^24. For the built-in models it is 65,536 times a logit: above 0 the
   * model finds the document more likely an advertisement (`ads`), or fluent (`fluency`), than not.
   * `tokens` holds at least `count` ids, without BOS and EOS. Deterministic; costs one pass over the ids.
   */
  score(text: string, tokens: TokenIds, count: number): number;
  /** What the score of the same document is made of: the weights sum to it. Absent where a filter cannot say. */
  explain?(text: string, tokens: TokenIds, count: number): readonly Contribution[];
}

/** What happens to a document, and why. */
export type FilterVerdict =
  | { readonly kind: "keep" }
  | {
      readonly kind: "drop";
      readonly filter: string;
      readonly score: number;
      readonly threshold: number;
      /** One line a person can read: `ads 1.2503 >= 0.8125`. */
      readonly reason: string;
    };

/** One filter in the order in which filters judge. */
export interface CascadeStep {
  readonly filter: string;
  readonly dropWhen: DropWhen;
  /** Index of this filter's score among those given to `judge`. */
  readonly column: number;
  /** Thresholds as integer scores; a domain that is not named here is not judged by this filter. */
  readonly thresholds: ReadonlyMap<DomainName, number>;
}

/** The domains that filters apply to unless told otherwise: the web ones, as in LLaMA-MoE (arXiv 2406.16554). */
export const FILTERED_DOMAINS: readonly DomainName[] = [domainName("commoncrawl"), domainName("c4")];

const KEEP: FilterVerdict = { kind: "keep" };

/** Whether a score lies on the side of the threshold that is dropped. */
export function drops(dropWhen: DropWhen, score: number, threshold: number): boolean {
  return dropWhen === "high" ? score >= threshold : score < threshold;
}

/** The verdict on one document: the first step that drops it wins. `scores` holds integers, one a column. Pure. */
export function judge(
  scores: ArrayLike<number>,
  domain: DomainName,
  cascade: readonly CascadeStep[],
): FilterVerdict {
  for (const { filter, dropWhen, column, thresholds } of cascade) {
    const threshold = thresholds.get(domain);
    if (threshold === undefined) continue;
    const score = scores[column]!;
    if (drops(dropWhen, score, threshold))
      return { kind: "drop", filter, score, threshold, reason: reasonOf(filter, dropWhen, score, threshold) };
  }
  return KEEP;
}

function reasonOf(filter: string, dropWhen: DropWhen, score: number, threshold: number): string {
  const sign = dropWhen === "high" ? ">=" : "<";
  return `${filter} ${shown(score)} ${sign} ${shown(threshold)}`;
}

function shown(score: number): string {
  return (score / SCORE_UNIT).toFixed(4);
}
