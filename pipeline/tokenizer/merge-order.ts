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
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  const listed = new Map<number, number>();
  const positions = new Map<string, number>();
  for (const [left, right] of merges) {
    const result = ids.get(left + right);
    if (result === undefined || !ids.has(left) || !ids.has(right))
      return refuse(
        `merge ${JSON.stringify([left, right])} uses or makes a piece that is not in the vocabulary`,
      );
    const key = `${left} ${right}`;
    if (positions.has(key)) refuse(`merge ${JSON.stringify([left, right])} is listed twice`);
    if (!first.has(result)) first.set(result, positions.size);
    last.set(result, positions.size);
    listed.set(result, (listed.get(result) ?? 0) + 1);
    positions.set(key, positions.size);
  }
  const possible = new Map<number, number>();
  for (let i = 2; i < splits.length; i += 3) possible.set(splits[i]!, (possible.get(splits[i]!) ?? 0) + 1);
  for (const [result, count] of possible)
    if (listed.get(result) !== count)
      refuse(
        `piece ${JSON.stringify(pieces[result])} can be made in ${count} ways and ${listed.get(result) ?? 0} are listed`,
      );

  const order = [...first.keys()].sort((a, b) => first.get(a)! - first.get(b)!);
  const ranks = new Int32Array(pieces.length).fill(-1);
  const runs = trailingRuns(order.map((id) => pieces[id]!));
  const tied = order.length - (runs.length > 1 && runsAreGreedy(runs, positions) ? runs.length : 0);
  for (const [rank, id] of order.entries()) {
    if (rank > 0 && rank <= tied && first.get(id)! < last.get(order[rank - 1]!)!)
      refuse(
        `the merges of ${JSON.stringify(pieces[order[rank - 1]!])} and ${JSON.stringify(pieces[id])} interleave`,
      );
    ranks[id] = Math.min(rank, tied);
  }
  return ranks;
}

/** The longest tail of the list whose pieces are all runs of the same code point. */
function trailingRuns(order: readonly string[]): readonly string[] {
  const character = [...(order.at(-1) ?? "")][0] ?? "";
  let from = order.length;
  while (from > 0 && order[from - 1] === character.repeat(order[from - 1]!.length / character.length)) from--;
  return order.slice(from);
}

/** Whether merging in list order turns a run of n into as many longest pieces as fit and one piece for the rest, which is what ties give. */
function runsAreGreedy(runs: readonly string[], positions: ReadonlyMap<string, number>): boolean {
  const character = [...runs[0]!][0]!;
  const longest = Math.max(...runs.map((run) => run.length / character.length));
  if (runs.length !== longest - 1) return false;
  const position = (a: number, b: number) =>
    positions.get(`${character.repeat(a)} ${character.repeat(b)}`) ?? Number.POSITIVE_INFINITY;
  for (let n = 1; n <= 4 * longest; n++) {
    const parts = new Array<number>(n).fill(1);
    for (;;) {
      let best = -1;
      let bestPosition = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 1 < parts.length; i++) {
        const here = position(parts[i]!, parts[i + 1]!);
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
