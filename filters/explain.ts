/**
 * What weighed most in a score: the score of a filter taken apart into integer parts that sum to it.
 * A model's part of ids is one quotient, rounded down, and so is that of the pairs of measures, of which each of the two has half. The
 * remainder is given out in whole units, so the parts are exact as a whole and each is within 1/65,536 logit of its own quotient.
 */
import type { TokenIds } from "../core/document.ts";
import type { Contribution, TokenContribution } from "./contribution.ts";
import { type Counts, type Excerpt, MEASURES, tokenCounter } from "./features.ts";
import type { Filter } from "./filter.ts";
import { countsScorer, isModelFilter, type MeasureTable, type ScoringModel, VALUE_UNIT } from "./model.ts";

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
  const counts = tokenCounter(model.pieces, model.excerpt, [model.tokenWeights])(tokens, count);
  const parts: readonly Contribution[] = [
    { kind: "bias", weight: model.bias },
    ...model.measures.map((table): Contribution => {
      const { value, bucket } = reached(table, counts);
      return { kind: "measure", name: table.measure, value, weight: table.weights[bucket]! };
    }),
    ...explainProducts(model, counts),
    ...explainTokens(model, counts, timesOf(tokens, count, model.excerpt)),
  ];
  const beyond = countsScorer(model)(counts, 0) - parts.reduce((sum, { weight }) => sum + weight, 0);
  return beyond === 0 ? parts : [...parts, { kind: "limit", weight: beyond }];
}

function reached({ measure, edges }: MeasureTable, counts: Counts): { value: number; bucket: number } {
  const value = MEASURES[measure](counts);
  return { value, bucket: edges.filter((edge) => value >= edge).length };
}

/** How often each id occurs in what is read. */
function timesOf(tokens: TokenIds, count: number, { head, tail }: Excerpt): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (let i = 0; i < count; i++)
    if (i < head || i >= count - tail) times.set(tokens[i]!, (times.get(tokens[i]!) ?? 0) + 1);
  return times;
}

/** Each measure's own entry, and half of every pair that it is in. */
function explainProducts({ products }: ScoringModel, counts: Counts): readonly Contribution[] {
  const { tables, weights } = products;
  const found = tables.map((table) => ({ table, ...reached(table, counts) }));
  const values = found.map(({ table, bucket }) => table.values[bucket]!);
  const parts = tables.map(() => 0);
  let pair = 0;
  for (let i = 0; i < values.length; i++)
    for (let j = 0; j < i; j++) {
      const part = weights[pair]! * values[i]! * values[j]!;
      parts[i] = parts[i]! + part;
      parts[j] = parts[j]! + part;
      pair += 1;
    }
  const halves = apportion(parts, 2 * VALUE_UNIT * VALUE_UNIT);
  return found.map(({ table, value, bucket }, i) => ({
    kind: "measure",
    name: table.measure,
    value,
    weight: table.weights[bucket]! + halves[i]!,
  }));
}

/** Each id's share of floor(256 x sum of level x weight / norm). */
function explainTokens(
  { tokenWeights }: ScoringModel,
  { ids, levels, distinct, squares }: Counts,
  times: ReadonlyMap<number, number>,
): readonly TokenContribution[] {
  if (squares === 0) return [];
  const read = Array.from({ length: distinct }, (_, k) => k);
  const shares = apportion(
    read.map((k) => 256 * levels[k]! * tokenWeights[ids[k]!]!),
    Math.floor(256 * Math.sqrt(squares)),
  );
  return read.map((k) => ({ kind: "token", id: ids[k]!, times: times.get(ids[k]!)!, weight: shares[k]! }));
}

/** The parts by the divisor, each rounded down, and a unit more to those with the largest remainders, so that they sum to the quotient of the sum. */
function apportion(parts: readonly number[], divisor: number): readonly number[] {
  const remainders = parts.map((part) => ((part % divisor) + divisor) % divisor);
  const shares = parts.map((part, k) => (part - remainders[k]!) / divisor);
  const left = Math.floor(remainders.reduce((sum, remainder) => sum + remainder, 0) / divisor);
  const order = parts.map((_, k) => k).sort((a, b) => remainders[b]! - remainders[a]! || a - b);
  const raised = new Set(order.slice(0, left));
  return shares.map((share, k) => share + (raised.has(k) ? 1 : 0));
}
