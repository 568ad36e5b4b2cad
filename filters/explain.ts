/**
 * What weighed most in a score: the score of a filter taken apart into integer parts that sum to it.
 * A model's part of ids is one quotient, rounded down; its remainder is given out in whole units, so the parts are exact as a whole and
 * each is within 1/65,536 logit of its own quotient.
 */
import type { TokenIds } from "../core/document.ts";
import type { Contribution, TokenContribution } from "./contribution.ts";
import { type Counts, MEASURES, tokenCounter } from "./features.ts";
import type { Filter } from "./filter.ts";
import { isModelFilter, type ScoringModel, scoreOf } from "./model.ts";

/** The contributions to `filter.score(text, tokens, count)`; they sum to it. Deterministic. Allocates; for documents that a person reads. */
export function explainScore(
  filter: Filter,
  text: string,
  tokens: TokenIds,
  count: number,
): readonly Contribution[] {
  if (isModelFilter(filter)) return explainModel(filter.model, tokens, count);
  return (
    filter.explain?.(text, tokens, count) ?? [{ kind: "whole", weight: filter.score(text, tokens, count) }]
  );
}

function explainModel(model: ScoringModel, tokens: TokenIds, count: number): readonly Contribution[] {
  const counts = tokenCounter(model.pieces, [model.tokenWeights])(tokens, count);
  const parts: readonly Contribution[] = [
    { kind: "bias", weight: model.bias },
    ...model.measures.map(({ measure, edges, weights }): Contribution => {
      const value = MEASURES[measure](counts);
      const reached = edges.filter((edge) => value >= edge).length;
      return { kind: "measure", name: measure, value, weight: weights[reached]! };
    }),
    ...explainTokens(model, counts, timesOf(tokens, count)),
  ];
  const beyond = scoreOf(model, counts, 0) - parts.reduce((sum, { weight }) => sum + weight, 0);
  return beyond === 0 ? parts : [...parts, { kind: "limit", weight: beyond }];
}

function timesOf(tokens: TokenIds, count: number): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (let i = 0; i < count; i++) times.set(tokens[i]!, (times.get(tokens[i]!) ?? 0) + 1);
  return times;
}

/** Each id's share of floor(256 x sum of level x weight / norm): rounded down, and a unit more to those with the largest remainders. */
function explainTokens(
  { tokenWeights }: ScoringModel,
  { ids, levels, distinct, squares, sums }: Counts,
  times: ReadonlyMap<number, number>,
): readonly TokenContribution[] {
  if (squares === 0) return [];
  const norm = Math.floor(256 * Math.sqrt(squares));
  const shares = Array.from({ length: distinct }, (_, k) => {
    const id = ids[k]!;
    const part = 256 * levels[k]! * tokenWeights[id]!;
    const remainder = ((part % norm) + norm) % norm;
    return { id, weight: (part - remainder) / norm, remainder };
  });
  const left = Math.floor((256 * sums[0]!) / norm) - shares.reduce((sum, { weight }) => sum + weight, 0);
  const order = shares.map((_, k) => k).sort((a, b) => shares[b]!.remainder - shares[a]!.remainder || a - b);
  const raised = new Set(order.slice(0, left));
  return shares.map(({ id, weight }, k) => ({
    kind: "token",
    id,
    times: times.get(id)!,
    weight: weight + (raised.has(k) ? 1 : 0),
  }));
}
