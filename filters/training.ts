/**
 * How a model came to be: kept inside the model file, so that a figure never travels without its recipe and data.
 */
import { anything, array, integer, nullable, number, object, record, string } from "../core/parse.ts";

/** A ranking measured on documents that the measured weights were not trained on. */
export interface Ranking {
  readonly documents: number;
  readonly positives: number;
  /** Area under the ROC curve, and the ends of its 95 % bootstrap interval. */
  readonly auc: number;
  readonly aucFrom: number;
  readonly aucTo: number;
  /** Mean precision over the positives, in order of score. */
  readonly averagePrecision: number;
}

/** What the filter itself flags in one domain, on documents not trained on. */
export interface DomainFlags {
  readonly documents: number;
  /** Documents that the labels call what the filter looks for. */
  readonly positives: number;
  readonly flagged: number;
  /** Flagged, and not what the filter looks for. */
  readonly falseAlarms: number;
  /** falseAlarms over documents that are not positives; null where there are none. */
  readonly falseAlarmRate: number | null;
}

/** What a model was trained on, how, and how well it does. */
export interface Training {
  /** What the filter looks for, in words (`ads >= 2`) and as grades. */
  readonly sought: string;
  readonly soughtGrades: readonly number[];
  readonly documents: number;
  readonly positives: number;
  /** Documents beside those whose grade was assumed from their domain. */
  readonly assumed: number;
  /** SHA-256 of the bytes of the label file. */
  readonly labels: string;
  /** SHA-256 of canonical JSON of [id, domain, grade, assumed, SHA-256 of the ids as int32], in order of id. */
  readonly data: string;
  readonly recipe: Readonly<Record<string, unknown>>;
  readonly metrics: {
    /** The domain that `ranking` is within, and the number of folds. */
    readonly within: string;
    readonly folds: number;
    readonly ranking: Ranking;
    readonly domains: Readonly<Record<string, DomainFlags>>;
  };
}

const count = integer(0);

/** Parses the `training` field of a model file. */
export const training = object(
  {
    sought: string,
    soughtGrades: array(integer(0, 3)),
    documents: count,
    positives: count,
    assumed: count,
    labels: string,
    data: string,
    recipe: record(anything),
    metrics: object(
      {
        within: string,
        folds: count,
        ranking: object(
          {
            documents: count,
            positives: count,
            auc: number,
            aucFrom: number,
            aucTo: number,
            averagePrecision: number,
          },
          { strict: true },
        ),
        domains: record(
          object(
            {
              documents: count,
              positives: count,
              flagged: count,
              falseAlarms: count,
              falseAlarmRate: nullable(number),
            },
            { strict: true },
          ),
        ),
      },
      { strict: true },
    ),
  },
  { strict: true },
);
