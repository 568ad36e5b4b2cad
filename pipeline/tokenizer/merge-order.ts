/**
 * Merge ranks of pieces from a list of merges, as tokenizer.json and llama-tokenizer-js have them.
 * The list must be what a converter makes of SentencePiece's scores: all two-part splits of every piece, ordered by the score of
 * the result. Then SentencePiece's rule (best piece first, leftmost among equals) can be used; anything else is refused.
 */
import { HeadraceError } from "../../core/errors.ts";
import { type PieceSet, WAY_OUT } from "./vocabulary.ts";

/**
 * Ranks by id, in list order. Pieces at the end of the list that are runs of one code point (LLaMA's runs of spaces, all of score
 * -1e9) share the last rank, as in SentencePiece, where the listed order makes the same of a run (tried up to four times the longest).
 * Throws ERR_TOKENIZER when the list is no such conversion.
 */
export function ranksFromMerges(
  { pieces, ids, splits }: PieceSet,
  merges: Iterable<readonly [left: string, right: string]>,
  subject: string,
): Int32Array {
  const refuse = (why: string): never => {
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `${subject}: ${why}, so its merges are not SentencePiece's; ${WAY_OUT}`,
    );
  };
  const possible = new Map<number, number>();
  const ways = new Int32Array(pieces.length);
  for (let i = 0; i < splits.length; i += 3) {
    possible.set(pairKey(splits[i]!, splits[i + 1]!), splits[i + 2]!);
    ways[splits[i + 2]!]!++;
  }
  const positions = new Map<number, number>();
  const listed = new Int32Array(pieces.length);
  const last = new Int32Array(pieces.length);
  /** The pieces in the order of their first merge, and where that is. */
  const order: number[] = [];
  const first: number[] = [];
  for (const [left, right] of merges) {
    const key = pairKey(ids.get(left) ?? -1, ids.get(right) ?? -1);
    const result = possible.get(key);
    if (result === undefined)
      return refuse(
        `merge ${JSON.stringify([left, right])} uses or makes a piece that is not in the vocabulary`,
      );
    const position = positions.size;
    if (positions.has(key)) refuse(`merge ${JSON.stringify([left, right])} is listed twice`);
    positions.set(key, position);
    if (listed[result]!++ === 0) {
      order.push(result);
      first.push(position);
    }
    last[result] = position;
  }
  const short = ways.findIndex((count, id) => listed[id] !== count);
  if (short >= 0)
    refuse(
      `piece ${JSON.stringify(pieces[short])} can be made in ${ways[short]} ways and ${listed[short]} are listed`,
    );

  const ranks = new Int32Array(pieces.length).fill(-1);
  const runs = trailingRuns(order.map((id) => pieces[id]!));
  const position = (left: string, right: string) =>
    positions.get(pairKey(ids.get(left) ?? -1, ids.get(right) ?? -1)) ?? Number.POSITIVE_INFINITY;
  const tied = order.length - (runs.length > 1 && runsAreGreedy(runs, position) ? runs.length : 0);
  for (const [rank, id] of order.entries()) {
    const before = order[rank - 1];
    if (before !== undefined && rank <= tied && first[rank]! < last[before]!)
      refuse(`the merges of ${JSON.stringify(pieces[before])} and ${JSON.stringify(pieces[id])} interleave`);
    ranks[id] = Math.min(rank, tied);
  }
  return ranks;
}

function pairKey(left: number, right: number): number {
  return left * 2 ** 25 + right;
}

/** The longest tail of the list whose pieces are all runs of the same code point. */
function trailingRuns(order: readonly string[]): readonly string[] {
  const character = [...(order.at(-1) ?? "")][0] ?? "";
  let from = order.length;
  while (from > 0 && order[from - 1] === character.repeat(order[from - 1]!.length / character.length)) from--;
  return order.slice(from);
}

/** Whether merging in list order turns a run of n into as many longest pieces as fit and one piece for the rest, which is what ties give. */
function runsAreGreedy(
  runs: readonly string[],
  positionOf: (left: string, right: string) => number,
): boolean {
  const character = [...runs[0]!][0]!;
  const longest = Math.max(...runs.map((run) => run.length / character.length));
  if (runs.length !== longest - 1) return false;
  const lengths = Array.from({ length: longest + 1 }, (_, length) => character.repeat(length));
  const positions = lengths.map((left) => lengths.map((right) => positionOf(left, right)));
  for (let n = 1; n <= 4 * longest; n++) {
    const parts = new Array<number>(n).fill(1);
    for (;;) {
      let best = -1;
      let bestPosition = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 1 < parts.length; i++) {
        const here = positions[parts[i]!]![parts[i + 1]!]!;
        if (here < bestPosition) {
          best = i;
          bestPosition = here;
        }
      }
      if (best < 0) break;
      parts.splice(best, 2, parts[best]! + parts[best + 1]!);
    }
    const rest = n % longest;
    const greedy = [...new Array<number>(Math.floor(n / longest)).fill(longest), ...(rest > 0 ? [rest] : [])];
    if (parts.join() !== greedy.join()) return false;
  }
  return true;
}
