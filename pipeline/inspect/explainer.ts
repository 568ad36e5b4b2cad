/**
 * What a score is made of, with the text of its ids, for documents that are read back from shards.
 */

import type { TokenIds } from "../../core/document.ts";
import { HeadraceError } from "../../core/errors.ts";
import {
  BUILT_IN_FILTERS,
  explainScore,
  type Filter,
  findRuleFilter,
  heaviest,
  loadFilter,
  SCORE_UNIT,
} from "../../filters/index.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import type { Explanation, Run } from "./inspected.ts";
import type { Inspection } from "./inspection.ts";
import { speller } from "./spelling.ts";
import { visibleText } from "./visible.ts";

/** So many ids are told one by one, and marked in the text. */
const HEAVIEST_IDS = 24;

/** Takes documents apart. */
export interface Explainer {
  /** Why no score is explained, for a person; null where scores are. */
  readonly unexplained: string | null;
  /** The score of a document's ids as they are stored, and its text's first `characters` UTF-16 units or a few more, cut into runs. */
  explain(
    text: string,
    ids: TokenIds,
    characters: number,
  ): { readonly explanation: Explanation | null; readonly runs: readonly Run[] };
}

/** The explainer of a build's filter; `model` is the file of its model where it does not come with headrace. Throws ERR_FILTER, ERR_INPUT. */
export function explainerOf(of: Inspection, tokenizer: Tokenizer, model?: string): Explainer {
  const { manifest } = of;
  const found = filterOf(of, tokenizer, model);
  const spell = speller(tokenizer);
  const inner = (ids: TokenIds) => {
    const { addBos, bos, addEos, eos } = manifest.tokenizer;
    const from = addBos && ids[0] === bos ? 1 : 0;
    const to = addEos && ids.length > from && ids[ids.length - 1] === eos ? ids.length - 1 : ids.length;
    return ids.subarray(from, to);
  };
  return {
    unexplained: typeof found === "string" ? found : null,
    explain(text, stored, characters) {
      const ids = inner(stored);
      if (typeof found === "string") return { explanation: null, runs: [plain(text, characters)] };
      const contributions = explainScore(found, text, ids, ids.length);
      const told = heaviest(contributions, HEAVIEST_IDS);
      const weights = new Map(
        told.flatMap((one) =>
          one.kind === "token" ? [[one.id, one.weight / SCORE_UNIT / one.times] as const] : [],
        ),
      );
      const score = contributions.reduce((sum, { weight }) => sum + weight, 0) / SCORE_UNIT;
      const parts = told.map((one) => {
        const weight = one.weight / SCORE_UNIT;
        return one.kind === "token"
          ? { ...one, weight, text: visibleText(spell.textOf(one.id)) }
          : { ...one, weight };
      });
      return {
        explanation: { score, parts },
        runs: runsOf(spell.spell(ids, characters), weights, text, characters),
      };
    },
  };
}

function runsOf(
  pieces: ReturnType<ReturnType<typeof speller>["spell"]>,
  weights: ReadonlyMap<number, number>,
  text: string,
  characters: number,
): readonly Run[] {
  if (pieces === null || weights.size === 0) return [plain(text, characters)];
  const runs: { text: string; length: number; weight: number }[] = [];
  for (const piece of pieces) {
    const weight = piece.ids.reduce((sum, id) => sum + (weights.get(id) ?? 0), 0);
    const text = visibleText(piece.text);
    const last = runs.at(-1);
    const { length } = piece.text;
    if (weight === 0 && last?.weight === 0) {
      last.text += text;
      last.length += length;
    } else if (length > 0) runs.push({ text, length, weight });
  }
  return runs;
}

function plain(text: string, characters: number): Run {
  const shown = text.slice(0, characters);
  return { text: visibleText(shown), length: shown.length, weight: 0 };
}

/** The filter that made the scores, or why it is not at hand. */
function filterOf({ dir, filter }: Inspection, tokenizer: Tokenizer, model?: string): Filter | string {
  const { name, sha256 } = filter;
  const comes = (BUILT_IN_FILTERS as readonly string[]).includes(name) || findRuleFilter(name) !== undefined;
  if (model === undefined && !comes)
    return `what weighed in "${name}" is not known: it does not come with headrace; if it has a model, give its file with --model`;
  const loaded = loadFilter(model ?? name, tokenizer.sha256);
  if (loaded.sha256 === sha256) return loaded;
  if (model === undefined)
    return `what weighed in "${name}" is not known: these scores are of the model ${sha256.slice(0, 12)}, and the one that comes with this headrace is ${loaded.sha256.slice(0, 12)}; give the file of that model with --model`;
  throw new HeadraceError(
    "ERR_FILTER",
    `${model} is the model ${loaded.sha256.slice(0, 12)}, and the scores of "${name}" in ${dir} are of ${sha256.slice(0, 12)}; give the file that the build had`,
  );
}
