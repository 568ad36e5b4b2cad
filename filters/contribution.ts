/**
 * What a score is made of: integer parts, in the unit of scores (1/65,536), that sum to the score exactly.
 */

/** An id of a document: all of its occurrences together. */
export interface TokenContribution {
  readonly kind: "token";
  readonly weight: number;
  readonly id: number;
  /** How often it occurs. */
  readonly times: number;
}

/** One part of a score. A positive weight pulls the score up, a negative one down. */
export type Contribution =
  | TokenContribution
  /** What every document begins with. */
  | { readonly kind: "bias"; readonly weight: number }
  /** A measure of the document, and the whole number that was measured. */
  | { readonly kind: "measure"; readonly weight: number; readonly name: string; readonly value: number }
  /** A rule that the document breaks: what was measured lies on the named side of the bound. */
  | {
      readonly kind: "rule";
      readonly weight: number;
      readonly name: string;
      readonly value: number;
      readonly bound: number;
      readonly brokenWhen: "above" | "below";
    }
  /** What was taken off, or put on, so that the score stays in the range of scores. */
  | { readonly kind: "limit"; readonly weight: number }
  /** Several distinct ids that are not told one by one. */
  | { readonly kind: "other-tokens"; readonly weight: number; readonly distinct: number }
  /** The score as a whole, of a filter that does not say what it is made of. */
  | { readonly kind: "whole"; readonly weight: number };

/**
 * The contributions with only the `count` heaviest ids told one by one (of equals the one seen first) and the others summed up, everything
 * in order of weight, the heaviest first, whatever its sign. The sum stays what it was.
 */
export function heaviest(contributions: readonly Contribution[], count: number): readonly Contribution[] {
  const byWeight = (a: Contribution, b: Contribution) => Math.abs(b.weight) - Math.abs(a.weight);
  const tokens = contributions.filter((one) => one.kind === "token").sort(byWeight);
  const rest = tokens.slice(count);
  const told = [...contributions.filter(({ kind }) => kind !== "token"), ...tokens.slice(0, count)];
  if (rest.length > 0)
    told.push({
      kind: "other-tokens",
      weight: rest.reduce((sum, { weight }) => sum + weight, 0),
      distinct: rest.length,
    });
  return told.sort(byWeight);
}
