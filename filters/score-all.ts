/**
 * The scores of several filters at once: filters whose models see pieces alike share one count of the ids.
 */
import type { TokenIds } from "../core/document.ts";
import type { PieceTable } from "./classes.ts";
import { type Counts, tokenCounter } from "./features.ts";
import type { Filter } from "./filter.ts";
import { type ModelFilter, scoreOf } from "./model.ts";

/** Writes the score of each filter to `out`, in their order. */
export type ScoreAll = (text: string, tokens: TokenIds, count: number, out: Int32Array) => void;

/** The joint scorer: the same integers as `filter.score` one by one, for little more than the cost of the first. Owns scratch memory. */
export function scoreAll(filters: readonly Filter[]): ScoreAll {
  const counters: {
    readonly pieces: PieceTable;
    readonly count: (tokens: TokenIds, count: number) => Counts;
  }[] = [];
  const counterOf = filters.map((filter) => {
    if (!isModelFilter(filter)) return null;
    const { pieces } = filter.model;
    const at = counters.findIndex((counter) => samePieces(counter.pieces, pieces));
    return at >= 0 ? at : counters.push({ pieces, count: tokenCounter(pieces) }) - 1;
  });
  return (text, tokens, count, out) => {
    const counted: (Counts | undefined)[] = [];
    for (let f = 0; f < filters.length; f++) {
      const filter = filters[f]!;
      const c = counterOf[f]!;
      if (c === null || !isModelFilter(filter)) out[f] = filter.score(text, tokens, count);
      else {
        counted[c] ??= counters[c]!.count(tokens, count);
        out[f] = scoreOf(filter.model, counted[c]);
      }
    }
  };
}

function isModelFilter(filter: Filter): filter is ModelFilter {
  return "model" in filter;
}

function samePieces(a: PieceTable, b: PieceTable): boolean {
  return Buffer.compare(a.classes, b.classes) === 0 && Buffer.compare(a.lengths, b.lengths) === 0;
}
