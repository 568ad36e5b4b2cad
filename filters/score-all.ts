/**
 * The scores of several filters at once: filters whose models see pieces alike share one count of the ids.
 */
import type { TokenIds } from "../core/document.ts";
import type { PieceTable } from "./classes.ts";
import { COUNTER_TABLES, tokenCounter } from "./features.ts";
import type { Filter } from "./filter.ts";
import { isModelFilter, type ModelFilter, scoreOf } from "./model.ts";

/** Writes the score of each filter to `out`, in their order. The text is asked for where a filter reads it, and only there. */
export type ScoreAll = (
  document: { readonly text: string },
  tokens: TokenIds,
  count: number,
  out: Int32Array,
) => void;

/** The joint scorer: the same integers as `filter.score` one by one, for little more than the cost of the first. Owns scratch memory. */
export function scoreAll(filters: readonly Filter[]): ScoreAll {
  const groups: {
    readonly pieces: PieceTable;
    readonly members: { readonly column: number; readonly filter: ModelFilter }[];
  }[] = [];
  const others: { readonly column: number; readonly filter: Filter }[] = [];
  filters.forEach((filter, column) => {
    if (!isModelFilter(filter)) {
      others.push({ column, filter });
      return;
    }
    const { pieces } = filter.model;
    const group = groups.find((one) => one.members.length < COUNTER_TABLES && samePieces(one.pieces, pieces));
    if (group) group.members.push({ column, filter });
    else groups.push({ pieces, members: [{ column, filter }] });
  });
  const counted = groups.map(({ pieces, members }) => ({
    members,
    countIds: tokenCounter(
      pieces,
      members.map(({ filter }) => filter.model.tokenWeights),
    ),
  }));
  return (document, tokens, count, out) => {
    for (const { members, countIds } of counted) {
      const counts = countIds(tokens, count);
      for (let m = 0; m < members.length; m++) {
        const { column, filter } = members[m]!;
        out[column] = scoreOf(filter.model, counts, m);
      }
    }
    if (others.length === 0) return;
    const { text } = document;
    for (const { column, filter } of others) out[column] = filter.score(text, tokens, count);
  };
}

function samePieces(a: PieceTable, b: PieceTable): boolean {
  return Buffer.compare(a.classes, b.classes) === 0 && Buffer.compare(a.lengths, b.lengths) === 0;
}
