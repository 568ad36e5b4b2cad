/**
 * How a built-in filter is trained: which labels, which features, how strongly regularised. A recipe is part of the model file.
 */
import type { Measure } from "./features.ts";
import type { DropWhen } from "./filter.ts";

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
  /** The measures that count, beside the ids. */
  readonly measures: readonly Measure[];
  /** The scale of the measures' bucket features against the ids', whose rows have length 1. */
  readonly measureScale: number;
  /** Steps of measures that the odds take into account: where a text stops being what the weights were learnt on. */
  readonly gates: readonly { readonly measure: Measure; readonly edges: readonly number[] }[];
  /** The grade that documents of a domain count as when nobody graded them. They decide the steps of the gates alone. */
  readonly assumed: Readonly<Record<string, number>>;
  /** Inverse strengths of regularisation to choose from, ascending. */
  readonly strengths: readonly number[];
  /** The domain whose folds choose the strength and whose ranking is reported. */
  readonly within: string;
}
