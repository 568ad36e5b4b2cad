/**
 * The scores of several filters at once: filters whose models see pieces alike share one count of the ids, rule sets one reading of the text.
 */
import type { Document, TokenIds } from "../core/document.ts";
import type { PieceTable } from "./classes.ts";
import { COUNTER_TABLES, type Excerpt, tokenCounter } from "./features.ts";
import type { Filter } from "./filter.ts";
import { countsScorer, isModelFilter, type ModelFilter } from "./model.ts";
import type { RuleFilter } from "./rules/rule-set.ts";

/** Writes the score of each filter to `out`, in their order. The text is asked for where a filter reads it, and only there. */
export type ScoreAll = (
  document: Pick<Document, "text" | "utf8">,
  tokens: TokenIds,
  count: number,
  out: Int32Array,
) => void;

/** The joint scorer: the same integers as `filter.score` one by one, for little more than the cost of the first. Owns scratch memory. */
export function scoreAll(filters: readonly Filter[]): ScoreAll {
  const groups: {
    readonly pieces: PieceTable;
    readonly excerpt: Excerpt;
    readonly members: { readonly column: number; readonly filter: ModelFilter }[];
  }[] = [];
  const rules: { readonly column: number; readonly filter: RuleFilter }[] = [];
  const others: { readonly column: number; readonly filter: Filter }[] = [];
  filters.forEach((filter, column) => {
    if (isRuleFilter(filter)) {
      rules.push({ column, filter });
      return;
    }
    if (!isModelFilter(filter)) {
      others.push({ column, filter });
      return;
    }
    const { pieces, excerpt } = filter.model;
    const group = groups.find(
      (one) =>
        one.members.length < COUNTER_TABLES &&
        sameExcerpt(one.excerpt, excerpt) &&
        samePieces(one.pieces, pieces),
    );
    if (group) group.members.push({ column, filter });
    else groups.push({ pieces, excerpt, members: [{ column, filter }] });
  });
  const counted = groups.map(({ pieces, excerpt, members }) => ({
    members: members.map(({ column, filter }) => ({ column, scoreCounts: countsScorer(filter.model) })),
    countIds: tokenCounter(
      pieces,
      excerpt,
      members.map(({ filter }) => filter.model.tokenWeights),
    ),
  }));
  return (document, tokens, count, out) => {
    for (const { members, countIds } of counted) {
      const counts = countIds(tokens, count);
      for (let m = 0; m < members.length; m++) {
        const { column, scoreCounts } = members[m]!;
        out[column] = scoreCounts(counts, m);
      }
    }
    if (rules.length > 0) {
      const counts = rules[0]!.filter.count(document);
      for (const { column, filter } of rules) out[column] = filter.scoreCounts(counts);
    }
    if (others.length === 0) return;
    const { text } = document;
    for (const { column, filter } of others) out[column] = filter.score(text, tokens, count);
  };
}

function isRuleFilter(filter: Filter): filter is RuleFilter {
  return "scoreCounts" in filter;
}

function sameExcerpt(a: Excerpt, b: Excerpt): boolean {
  return a.head === b.head && a.tail === b.tail && a.level === b.level;
}

function samePieces(a: PieceTable, b: PieceTable): boolean {
  return Buffer.compare(a.classes, b.classes) === 0 && Buffer.compare(a.lengths, b.lengths) === 0;
}
