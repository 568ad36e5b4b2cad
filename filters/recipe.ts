/**
 * How a built-in filter is trained: which labels, which features, how strongly regularised. A recipe is part of the model file.
 */
import type { Excerpt, Measure } from "./features.ts";
import type { DropWhen } from "./filter.ts";

/**
 * About what the readers of the labels read, who were shown the first 1,900 and the last 700 characters: beyond that the labels
 * say nothing of a document, and a long one costs no more.
 */
export const LABELLED_EXCERPT: Excerpt = { head: 512, tail: 192, level: "presence" };

/** The recipe of a filter that is trained on labels from 0 to 3. */
export interface Recipe {
  /** The filter's name, which is also the label column's. */
  readonly name: string;
  readonly dropWhen: DropWhen;
  /** What the filter looks for, in words: `ads >= 2`. */
  readonly sought: string;
  /** Grades that are what the filter looks for. */
  readonly soughtGrades: readonly number[];
  /** The probability that training aims at for grades 0 to 3, that a document belongs to the upper end of the score. */
  readonly targets: readonly number[];
  /** Whether an id's feature is scaled by its inverse document frequency, ids of a single document left out. */
  readonly inverseDocumentFrequency: boolean;
  /** What is read of a document, and what an id counts as. */
  readonly excerpt: Excerpt;
  /** The measures that count, beside the ids, each for itself and with each other. At most PRODUCT_MEASURES. */
  readonly measures: readonly Measure[];
  /** The scale of a measure's own column, and of those of squares and pairs, against the ids' rows, whose mean square is 1. */
  readonly measureScale: number;
  readonly productScale: number;
  /** Steps of measures that the odds take into account: where a text stops being what the weights were learnt on. */
  readonly gates: readonly { readonly measure: Measure; readonly edges: readonly number[] }[];
  /** The grade that documents of a domain count as when nobody graded them. They decide the steps of the gates alone. */
  readonly assumed: Readonly<Record<string, number>>;
  /** Inverse strengths of regularisation to choose from, ascending. */
  readonly strengths: readonly number[];
  /** The domain whose folds choose the strength and whose ranking is reported. */
  readonly within: string;
}
