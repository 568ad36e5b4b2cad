/**
 * Documents as rows of numbers to learn from, and what was learnt as integer tables: the two ends must say the same thing.
 * A row is the ids' levels scaled to length 1 (and by rarity where asked), then a column for each measure, one for its square and one for
 * each pair. A measure stands in them as the log odds of its rank among the training documents, in steps.
 */
import type { TokenIds } from "../core/document.ts";
import type { PieceTable } from "./classes.ts";
import { type Excerpt, MEASURES, type Measure, tokenCounter } from "./features.ts";
import { SCORE_LIMIT, SCORE_UNIT } from "./filter.ts";
import type { LinearModel, SparseRows } from "./logistic.ts";
import { type ScoringModel, VALUE_LIMIT, VALUE_UNIT } from "./model.ts";
import type { Recipe } from "./recipe.ts";

/** A document as the learner sees it. */
export interface Example {
  /** Distinct ids, ascending, and the level of each. */
  readonly ids: Int32Array;
  readonly levels: Int32Array;
  /** Root of the sum of level squared. */
  readonly length: number;
  /** Those that were asked for. */
  readonly measures: Readonly<Partial<Record<Measure, number>>>;
}

/** What turns ids into examples, for a vocabulary. */
export function exampleMaker(
  pieces: PieceTable,
  excerpt: Excerpt,
  measures: readonly Measure[],
): (tokens: TokenIds) => Example {
  const counter = tokenCounter(pieces, excerpt);
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
      measures: Object.fromEntries(measures.map((name) => [name, MEASURES[name](counts)])),
    };
  };
}

/** A measure in steps: entry b of `values` is for what reaches exactly b of the edges, in parts of 256, mean 0 and mean square 1. */
interface Steps {
  readonly measure: Measure;
  readonly edges: readonly number[];
  readonly values: readonly number[];
}

/** Which columns there are, as the training documents decide them. */
export interface FeatureSpace {
  /** The factor of each id's column; 0 leaves it out. */
  readonly scales: Float64Array;
  readonly steps: readonly Steps[];
  readonly measureScale: number;
  readonly productScale: number;
}

/** How many steps a measure has at most. */
const STEPS = 48;

/** Steps of each measure over `inside`, and id scales over all `examples`. */
export function featureSpace(
  examples: readonly Example[],
  inside: readonly Example[],
  vocabularySize: number,
  { inverseDocumentFrequency, measures, measureScale, productScale }: Recipe,
): FeatureSpace {
  const frequencies = new Int32Array(vocabularySize);
  for (const { ids } of examples) for (const id of ids) frequencies[id] = frequencies[id]! + 1;
  const rarity = Float64Array.from(frequencies, (frequency) => {
    if (!inverseDocumentFrequency) return frequency > 0 ? 1 : 0;
    return frequency > 1 ? 1 + Math.log(examples.length / (1 + frequency)) : 0;
  });
  let squares = 0;
  for (const { ids, levels, length } of examples)
    ids.forEach((id, k) => {
      squares += ((rarity[id]! * levels[k]!) / length) ** 2;
    });
  const root = Math.sqrt(squares / examples.length);
  return {
    scales: rarity.map((scale) => scale / root),
    steps: measures.map((measure) =>
      stepsOf(
        measure,
        Float64Array.from(inside, (example) => example.measures[measure]!),
      ),
    ),
    measureScale,
    productScale,
  };
}

function stepsOf(measure: Measure, unsorted: Float64Array): Steps {
  const sorted = unsorted.sort();
  const n = sorted.length;
  const quantiles = Array.from({ length: STEPS - 1 }, (_, k) => sorted[Math.floor(((k + 1) * n) / STEPS)]!);
  // An edge that every document reaches says nothing.
  const edges = [...new Set(quantiles)].filter((edge) => edge > sorted[0]!);
  const starts = [0, ...edges.map((edge) => sorted.findIndex((value) => value >= edge)), n];
  const buckets = starts.slice(1).map((end, b) => ({
    documents: end - starts[b]!,
    odds: Math.log((starts[b]! + end) / (2 * n - starts[b]! - end)),
  }));
  const mean = buckets.reduce((sum, { documents, odds }) => sum + documents * odds, 0) / n;
  const squares = buckets.reduce((sum, { documents, odds }) => sum + documents * (odds - mean) ** 2, 0) / n;
  return {
    measure,
    edges,
    values: buckets.map(({ odds }) => {
      const value = squares === 0 ? 0 : Math.round((VALUE_UNIT * (odds - mean)) / Math.sqrt(squares));
      return Math.max(-VALUE_LIMIT, Math.min(VALUE_LIMIT, value));
    }),
  };
}

function worthOf({ measure, edges, values }: Steps, { measures }: Example): number {
  const value = measures[measure]!;
  let bucket = 0;
  while (bucket < edges.length && value >= edges[bucket]!) bucket += 1;
  return values[bucket]! / VALUE_UNIT;
}

/** A square's column is this much smaller than a pair's: a pair stands for both of its orders. */
const SQUARE = Math.SQRT1_2;

/** The rows of examples in a feature space. */
export function sparseRows(
  examples: readonly Example[],
  { scales, steps, measureScale, productScale }: FeatureSpace,
): SparseRows {
  const m = steps.length;
  const columns = scales.length + m + (m * (m + 1)) / 2;
  const starts = new Int32Array(examples.length + 1);
  const room = examples.reduce((sum, { ids }) => sum + ids.length + columns - scales.length, 0);
  const indices = new Int32Array(room);
  const values = new Float64Array(room);
  let at = 0;
  const put = (column: number, value: number) => {
    indices[at] = column;
    values[at] = value;
    at += 1;
  };
  examples.forEach((example, row) => {
    const { ids, levels, length } = example;
    ids.forEach((id, k) => {
      if (scales[id] !== 0) put(id, (scales[id]! * levels[k]!) / length);
    });
    let column = scales.length;
    const worth = steps.map((entry) => worthOf(entry, example));
    for (const value of worth) put(column++, measureScale * value);
    for (const value of worth) put(column++, productScale * SQUARE * value * value);
    for (let i = 0; i < m; i++)
      for (let j = 0; j < i; j++) put(column++, productScale * worth[i]! * worth[j]!);
    starts[row + 1] = at;
  });
  return { columns, starts, indices: indices.subarray(0, at), values: values.subarray(0, at) };
}

/** The integer tables of learnt weights, rounded to 1/65,536 logit. */
export function quantise(
  { weights, bias }: LinearModel,
  { scales, steps, measureScale, productScale }: FeatureSpace,
  pieces: PieceTable,
  excerpt: Excerpt,
): ScoringModel {
  const m = steps.length;
  const singles = weights.subarray(scales.length, scales.length + m);
  const squares = weights.subarray(scales.length + m, scales.length + 2 * m);
  const pairs = weights.subarray(scales.length + 2 * m);
  return {
    bias: integerScore(bias),
    pieces,
    excerpt,
    tokenWeights: Int32Array.from(scales, (scale, id) => integerScore(scale * weights[id]!)),
    measures: [],
    products: {
      tables: steps.map(({ measure, edges, values }, i) => ({
        measure,
        edges,
        weights: values.map((whole) => {
          const value = whole / VALUE_UNIT;
          return integerScore(
            measureScale * singles[i]! * value + productScale * SQUARE * squares[i]! * value * value,
          );
        }),
        values,
      })),
      weights: Int32Array.from(pairs, (weight) => integerScore(productScale * weight)),
    },
  };
}

function integerScore(logits: number): number {
  return Math.max(1 - SCORE_LIMIT, Math.min(SCORE_LIMIT - 1, Math.round(SCORE_UNIT * logits)));
}
