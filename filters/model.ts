/**
 * The model of a built-in filter and the scorer it stands for: a bias, one weight an id, tables of measures and products of them, all integers.
 * score = bias + sum of the tables' entries + floor(256 x (sum of level x weight) / floor(256 x root of the sum of level squared))
 * + floor((sum over pairs of measures of weight x value x value) / 65,536), clamped to the range of scores.
 * Every step is exact in a double, so each machine and language gets the same integer.
 */
import type { PieceTable } from "./classes.ts";
import { type Counts, type Excerpt, MEASURES, type Measure, tokenCounter } from "./features.ts";
import { type DropWhen, type Filter, SCORE_LIMIT } from "./filter.ts";
import type { Training } from "./training.ts";

/** Formats of model files that are read; the last is the one that is written for new models. */
export const MODEL_FORMATS = ["headrace-filter/1", "headrace-filter/2"] as const;

/** The format of a model that is trained today. */
export const MODEL_FORMAT = "headrace-filter/2";

/** Models of the first format read a document whole and count an id by the logarithm of how often it occurs. */
export const WHOLE_DOCUMENT: Excerpt = { head: Number.POSITIVE_INFINITY, tail: 0, level: "logarithm" };

/** The table of one measure: entry b is for values that reach exactly b of the edges. */
export interface MeasureTable {
  readonly measure: Measure;
  /** Ascending integers. */
  readonly edges: readonly number[];
  /** One more than there are edges. */
  readonly weights: readonly number[];
}

/** A measure that also counts together with others. */
export interface ValueTable extends MeasureTable {
  /** What the measure is worth in products, in parts of 256, |value| <= VALUE_LIMIT; one more than there are edges. */
  readonly values: readonly number[];
}

/** Measures and the weight of each pair of them. */
export interface Products {
  /** At most PRODUCT_MEASURES. */
  readonly tables: readonly ValueTable[];
  /** Pair (i, j), j < i, stands at i (i - 1) / 2 + j. */
  readonly weights: Int32Array;
}

/** Bounds under which a sum of products is exact: 2^24 x (2^10)^2 x 231 pairs < 2^53. */
export const VALUE_LIMIT = 1023;
export const PRODUCT_MEASURES = 22;
/** Values are in parts of this. */
export const VALUE_UNIT = 256;

/** A built-in filter's model. All weights are in units of 1/65,536 logit. */
export interface FilterModel {
  readonly format: (typeof MODEL_FORMATS)[number];
  readonly name: string;
  readonly dropWhen: DropWhen;
  /** SHA-256 of the tokenizer whose ids the weights are for. */
  readonly tokenizer: string;
  readonly bias: number;
  /** What was known of the pieces when the model was trained. */
  readonly pieces: PieceTable;
  readonly excerpt: Excerpt;
  readonly tokenWeights: Int32Array;
  readonly measures: readonly MeasureTable[];
  readonly products: Products;
  readonly training: Training;
}

/** A filter whose model is at hand, so that several can share the counting of ids. */
export interface ModelFilter extends Filter {
  readonly model: FilterModel;
}

/** Whether a filter is a model that is at hand. */
export function isModelFilter(filter: Filter): filter is ModelFilter {
  return "model" in filter;
}

/** The parts of a model that decide scores. */
export type ScoringModel = Pick<
  FilterModel,
  "bias" | "pieces" | "excerpt" | "tokenWeights" | "measures" | "products"
>;

/** The scorer of a model. It owns its scratch memory (16 bytes an id); not for use by two threads at once. */
export function scorerOf(model: ScoringModel): Filter["score"] {
  const counts = tokenCounter(model.pieces, model.excerpt, [model.tokenWeights]);
  const score = countsScorer(model);
  return (_text, tokens, count) => score(counts(tokens, count), 0);
}

/** The score of counted ids; the model's weights are those of `counts.sums[table]`. Owns scratch memory. */
export function countsScorer({
  bias,
  measures,
  products,
}: ScoringModel): (counts: Counts, table: number) => number {
  const single = measures.map(lookUp);
  const paired = products.tables.map((table) => ({
    look: lookUp(table),
    values: Int32Array.from(table.values),
  }));
  const pairs = products.weights;
  const values = new Float64Array(paired.length);
  return (counts, table) => {
    let score = bias;
    if (counts.squares > 0)
      score += Math.floor((256 * counts.sums[table]!) / Math.floor(256 * Math.sqrt(counts.squares)));
    for (let m = 0; m < single.length; m++) {
      const { bucketOf, weights } = single[m]!;
      score += weights[bucketOf(counts)]!;
    }
    let sum = 0;
    let pair = 0;
    for (let i = 0; i < paired.length; i++) {
      const { look, values: worth } = paired[i]!;
      const bucket = look.bucketOf(counts);
      score += look.weights[bucket]!;
      let inner = 0;
      for (let j = 0; j < i; j++) inner += pairs[pair++]! * values[j]!;
      const value = worth[bucket]!;
      values[i] = value;
      sum += value * inner;
    }
    score += Math.floor(sum / (VALUE_UNIT * VALUE_UNIT));
    return Math.max(1 - SCORE_LIMIT, Math.min(SCORE_LIMIT - 1, score));
  };
}

/** Up to this edge the bucket of each value stands in a table of its own. */
const DIRECT = 2 ** 16;

/** The bucket of a measure: how many edges its value, a whole number from 0 up, reaches. */
function lookUp({ measure, edges, weights }: MeasureTable): {
  readonly bucketOf: (counts: Counts) => number;
  readonly weights: Int32Array;
} {
  const measureOf = MEASURES[measure];
  const last = edges.length;
  const top = edges[last - 1] ?? 0;
  const reached = (value: number) => edges.filter((edge) => value >= edge).length;
  const buckets =
    top <= DIRECT ? Uint16Array.from({ length: Math.max(0, top) }, (_, value) => reached(value)) : null;
  return {
    weights: Int32Array.from(weights),
    bucketOf: (counts) => {
      const value = measureOf(counts);
      if (value >= top) return last;
      return buckets === null ? reached(value) : buckets[value]!;
    },
  };
}
