/**
 * A filter that a person brings: values for a batch of documents, on a scale of their own, with what identifies everything that decides them.
 * A value is a function of the document alone: a filter that let it depend on what else is in the batch would break the law that no worker
 * count, and no kill, changes a byte.
 */
import type { TokenIds } from "../../core/document.ts";
import type { ScoreColumn } from "../filter.ts";
import { type FieldValue, flagAtOf, type NoScore, type ScoreField, scoreOfField } from "../score-field.ts";

/** What a filter of one's own may look at. */
export interface OwnDocument {
  readonly text: string;
  /** The address; null where the record has none, or none was asked for (`--url-field`). */
  readonly url: string | null;
  /** Path of the file under the input root, with `/`. */
  readonly source: string;
  /** 1-based number of the physical line, or row, in that file. */
  readonly line: number;
  readonly domain: string;
  /** Ids of the tokenizer, without BOS and EOS. Encoded when they are asked for. */
  readonly tokens: TokenIds;
}

/** A number, null or undefined where there is none, something else, or why the filter failed on this document. */
export type OwnValue = FieldValue | { readonly failed: string };

/** Which documents a filter sees: those that another filter's column puts in [from, to). The others pass it. */
export interface Band {
  readonly filter: string;
  readonly from: number;
  readonly to: number;
}

/** What is said of every filter of one's own, in the unit of its values. As in a score field: score = value / scale. */
export type OwnScale = Pick<ScoreField, "name" | "dropWhen" | "scale" | "cut" | "missing">;

/** A filter that is brought along. */
export interface OwnFilter extends OwnScale {
  /** SHA-256 of everything that decides its values. */
  readonly sha256: string;
  readonly band: Band | null;
  /** Whether it applies to every domain of the sample unless told otherwise, because what it looks for is the same in all. Default false. */
  readonly everywhere?: boolean;
  /** Whether a value beyond the scale is its end instead of an error. */
  readonly saturates: boolean;
  /** One value a document, in their order. Each depends on its document alone. What it throws fails the batch. */
  values(documents: readonly OwnDocument[]): readonly OwnValue[] | Promise<readonly OwnValue[]>;
  /** What made the value, a line each, for a person. */
  why?(document: OwnDocument): readonly string[];
}

/** A filter before it is bound to its specification: `identity` is everything that decides its values, as plain data. */
export type OpenedFilter = Omit<OwnFilter, "sha256" | "band"> & { readonly identity: unknown };

/** Why a filter of one's own has no score for a document. */
export type OwnNoScore = NoScore | { readonly code: "filter-failed"; readonly detail: string };

/** The column of a filter of one's own. */
export function ownColumn(filter: OwnFilter): ScoreColumn {
  const { name, dropWhen, sha256 } = filter;
  return { name, dropWhen, sha256, flagAt: flagAtOf(filter) };
}

/** The integer score of a value, or why there is none. Pure. */
export function ownScore(filter: OwnFilter, value: OwnValue): number | OwnNoScore {
  if (typeof value === "object" && value !== null && "failed" in value)
    return { code: "filter-failed", detail: `\`${filter.name}\` ${value.failed}` };
  if ((value === null || value === undefined) && filter.missing === "quarantine")
    return {
      code: "no-score",
      detail: `\`${filter.name}\` gave no value; missing=keep lets such a document pass`,
    };
  // The last integer score below the limit.
  const most = ((2 ** 24 - 1) / 2 ** 16) * filter.scale;
  const kept = filter.saturates && typeof value === "number" ? Math.max(-most, Math.min(most, value)) : value;
  return scoreOfField({ ...filter, path: filter.name }, kept);
}
