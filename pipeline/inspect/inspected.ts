/**
 * A document to read: where it is, what was decided about it, its text, and what its score is made of.
 */
import type { Contribution, TokenContribution } from "../../filters/index.ts";
import type { Split } from "../../shards/index.ts";

/** A stretch of a text with what this occurrence of its ids weighs in the score: the id's weight over its occurrences; 0 where the id is not among the heaviest. */
export interface Run {
  /** With unseen characters spelled out. */
  readonly text: string;
  /** UTF-16 units of the document's own text that it stands for. */
  readonly length: number;
  /** In the unit of the score column. */
  readonly weight: number;
}

/** A part of a score, in the unit of the score column; an id with the text that it spells. */
export type Weighed =
  | Exclude<Contribution, TokenContribution>
  | (TokenContribution & { readonly text: string });

/** What a score is made of. */
export interface Explanation {
  /** In the unit of the score column. Another than the stored score where the shard holds a part of the document, or not all of its text. */
  readonly score: number;
  /** The heaviest first; their weights sum to `score`, exactly. */
  readonly parts: readonly Weighed[];
}

/** A document to read. */
export interface Inspected {
  readonly split: Split;
  /** The first filter of the cascade whose threshold drops the document; null: none does. A build that only tags keeps it all the same. */
  readonly droppedBy: string | null;
  readonly domain: string;
  readonly source: string;
  readonly line: number;
  readonly tokens: number;
  readonly score: number;
  /** The threshold of the domain, where the filter applies to it. */
  readonly threshold: number | null;
  readonly text: string;
  /** The beginning of the text, cut where what weighed most begins and ends, with unseen characters spelled out. */
  readonly runs: readonly Run[];
  /** Null where the parts of the score are not known. */
  readonly explanation: Explanation | null;
}
