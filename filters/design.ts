/**
 * Documents as rows of numbers to learn from, and what was learnt as integer tables: the two ends must say the same thing.
 * A row is the ids' levels scaled to length 1 (and by rarity where asked), then for each measure one 0/1 column an edge: "reaches it".
 */
import type { TokenIds } from "../core/document.ts";
import type { PieceTable } from "./classes.ts";
import { MEASURE_NAMES, MEASURES, type Measure, tokenCounter } from "./features.ts";
import { SCORE_LIMIT, SCORE_UNIT } from "./filter.ts";
import type { LinearModel, SparseRows } from "./logistic.ts";
import type { ScoringModel } from "./model.ts";
import type { Recipe } from "./recipe.ts";

/** A document as the learner sees it. */
export interface Example {
  /** Distinct ids, ascending, and the level of each. */
  readonly ids: Int32Array;
  readonly levels: Int32Array;
  /** Root of the sum of level squared. */
  readonly length: number;
  readonly measures: Readonly<Record<Measure, number>>;
}

/** What turns ids into examples, for a vocabulary. */
export function exampleMaker(pieces: PieceTable): (tokens: TokenIds) => Example {
  const counter = tokenCounter(pieces);
  return (tokens) => {
    const counts = counter(tokens, tokens.length);
    const found = Array.from(
      { length: counts.distinct },
      (_, k) => [counts.ids[k]!, counts.levels[k]!] as const,
    );
    found.sort(([a], [b]) => a - b);
    return {
      ids: Int32Array.from(found, ([id]) => id),
      levels: Int32Array.from(found, ([, level]) => level),
      length: Math.sqrt(counts.squares),
      measures: Object.fromEntries(MEASURE_NAMES.map((name) => [name, MEASURES[name](counts)])) as Readonly<
        Record<Measure, number>
      >,
    };
  };
}

/** Which columns there are, as the training documents decide them. */
export interface FeatureSpace {
  /** The factor of each id's column; 0 leaves it out. */
  readonly scales: Float64Array;
  readonly edges: readonly { readonly measure: Measure; readonly edges: readonly number[] }[];
  readonly measureScale: number;
}

/** Deciles of each measure over `inside`, and id scales over all `examples`. */
export function featureSpace(
  examples: readonly Example[],
  inside: readonly Example[],
  vocabularySize: number,
  { inverseDocumentFrequency, measures, measureScale }: Recipe,
): FeatureSpace {
  const frequencies = new Int32Array(vocabularySize);
  for (const { ids } of examples) for (const id of ids) frequencies[id] = frequencies[id]! + 1;
  const scales = Float64Array.from(frequencies, (frequency) => {
    if (!inverseDocumentFrequency) return frequency > 0 ? 1 : 0;
    return frequency > 1 ? 1 + Math.log(examples.length / (1 + frequency)) : 0;
  });
  const edges = measures.map((measure) => {
    const values = Float64Array.from(inside, (example) => example.measures[measure]).sort();
    const deciles = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(
      (tenth) => values[Math.floor((tenth * values.length) / 10)]!,
    );
    // An edge that every document reaches says nothing.
    return { measure, edges: [...new Set(deciles)].filter((edge) => edge > values[0]!) };
  });
  return { scales, edges, measureScale };
}

/** The rows of examples in a feature space. */
export function sparseRows(
  examples: readonly Example[],
  { scales, edges, measureScale }: FeatureSpace,
): SparseRows {
  const starts = new Int32Array(examples.length + 1);
  const indices: number[] = [];
  const values: number[] = [];
  examples.forEach(({ ids, levels, length, measures }, row) => {
    ids.forEach((id, k) => {
      if (scales[id] === 0) return;
      indices.push(id);
      values.push((scales[id]! * levels[k]!) / length);
    });
    let column = scales.length;
    for (const entry of edges)
      for (const edge of entry.edges) {
        if (measures[entry.measure] >= edge) {
          indices.push(column);
          values.push(measureScale);
        }
        column += 1;
      }
    starts[row + 1] = indices.length;
  });
  return {
    columns: scales.length + edges.reduce((sum, entry) => sum + entry.edges.length, 0),
    starts,
    indices: Int32Array.from(indices),
    values: Float64Array.from(values),
  };
}

/** The integer tables of learnt weights, rounded to 1/65,536 logit. */
export function quantise(
  { weights, bias }: LinearModel,
  { scales, edges, measureScale }: FeatureSpace,
  pieces: PieceTable,
): ScoringModel {
  let column = scales.length;
  return {
    bias: integerScore(bias),
    pieces,
    tokenWeights: Int32Array.from(scales, (scale, id) => integerScore(scale * weights[id]!)),
    measures: edges.flatMap((entry) => {
      let sum = 0;
      const table = [0];
      for (const _ of entry.edges) {
        sum += measureScale * weights[column]!;
        column += 1;
        table.push(integerScore(sum));
      }
      return entry.edges.length === 0 ? [] : [{ measure: entry.measure, edges: entry.edges, weights: table }];
    }),
  };
}

function integerScore(logits: number): number {
  return Math.max(1 - SCORE_LIMIT, Math.min(SCORE_LIMIT - 1, Math.round(SCORE_UNIT * logits)));
}
