/**
 * What a score is worth: the log odds of the label given the score and a few steps of measures, learnt on documents that the
 * score was not trained on. The steps (gates) are where a text stops being what the weights were learnt on, such as code.
 */
import { HeadraceError } from "../core/errors.ts";
import type { Measure } from "./features.ts";
import { SCORE_UNIT } from "./filter.ts";
import { fitLogistic } from "./logistic.ts";
import type { MeasureTable } from "./model.ts";
import type { Recipe } from "./recipe.ts";

/** A score becomes slope x score + shift + the step of each edge that is reached, all but the score in logits. */
export interface Odds {
  readonly slope: number;
  readonly shift: number;
  /** One an edge, gates in the recipe's order. */
  readonly steps: readonly number[];
}

/** A scored document. */
export interface ScoredExample {
  readonly score: number;
  readonly measures: Readonly<Partial<Record<Measure, number>>>;
}

/** Little regularisation: so many documents decide so few numbers. */
const STRENGTH = 100;

/** Learns the odds. `labels` are 1 at the upper end of the score, else 0. Throws ERR_INPUT where scores say nothing. */
export function fitOdds(
  examples: readonly ScoredExample[],
  labels: readonly number[],
  gates: Recipe["gates"],
): Odds {
  const edges = edgesOf(gates);
  const starts = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for (const { score, measures } of examples) {
    indices.push(0);
    values.push(score / SCORE_UNIT);
    edges.forEach(({ measure, edge }, e) => {
      if (measures[measure]! < edge) return;
      indices.push(1 + e);
      values.push(1);
    });
    starts.push(indices.length);
  }
  const { weights, bias } = fitLogistic(
    {
      columns: 1 + edges.length,
      starts: Int32Array.from(starts),
      indices: Int32Array.from(indices),
      values: Float64Array.from(values),
    },
    examples.map((_, i) => i),
    labels,
    STRENGTH,
  );
  const slope = weights[0]!;
  if (!(slope > 0))
    throw new HeadraceError(
      "ERR_INPUT",
      "scores learnt from these labels do not rank documents that were held out better than chance; label more documents",
    );
  return { slope, shift: bias, steps: Array.from(weights.subarray(1)) };
}

/** The score with its odds, rounded down to a whole score. */
export function scoreWithOdds(
  { slope, shift, steps }: Odds,
  example: ScoredExample,
  gates: Recipe["gates"],
): number {
  let logits = shift;
  edgesOf(gates).forEach(({ measure, edge }, e) => {
    if (example.measures[measure]! >= edge) logits += steps[e]!;
  });
  return Math.floor(slope * example.score + SCORE_UNIT * logits);
}

/** The gates as tables of a model. */
export function gateTables({ steps }: Odds, gates: Recipe["gates"]): readonly MeasureTable[] {
  let e = 0;
  return gates.map(({ measure, edges }) => {
    let sum = 0;
    const weights = edges.map(() => {
      sum += steps[e]!;
      e += 1;
      return Math.round(SCORE_UNIT * sum);
    });
    return { measure, edges, weights: [0, ...weights] };
  });
}

function edgesOf(gates: Recipe["gates"]): readonly { readonly measure: Measure; readonly edge: number }[] {
  return gates.flatMap(({ measure, edges }) => edges.map((edge) => ({ measure, edge })));
}
