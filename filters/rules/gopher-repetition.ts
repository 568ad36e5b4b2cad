/**
 * Gopher's repetition rules (Rae et al. 2021, arXiv 2112.11446, table A1), with its bounds.
 */
import type { TextCounts } from "./counts.ts";
import type { Rule, RuleSet } from "./rule-set.ts";

const TOP_BOUNDS: readonly (readonly [n: number, bound: number])[] = [
  [2, 0.2],
  [3, 0.18],
  [4, 0.16],
];
const REPEATED_BOUNDS: readonly (readonly [n: number, bound: number])[] = [
  [5, 0.15],
  [6, 0.14],
  [7, 0.13],
  [8, 0.12],
  [9, 0.11],
  [10, 0.1],
];

/** The set. */
export const GOPHER_REPETITION: RuleSet = {
  name: "gopher-repetition",
  source: "arXiv 2112.11446, table A1",
  version: 1,
  rules: [
    share("paragraphs", 0.3, ({ pieces }) => pieces.paragraphs.parts / pieces.paragraphCount),
    share("paragraph-characters", 0.2, ({ pieces, characters }) => pieces.paragraphs.characters / characters),
    share("lines", 0.3, ({ pieces }) => pieces.lines.parts / pieces.lineCount),
    share("line-characters", 0.2, ({ pieces, characters }) => pieces.lines.characters / characters),
    ...TOP_BOUNDS.map(([n, bound]) =>
      share(`top-${n}-gram`, bound, ({ words, grams, characters }) =>
        words.count < n ? 0 : grams[n]! / characters,
      ),
    ),
    ...REPEATED_BOUNDS.map(([n, bound]) =>
      share(`repeated-${n}-grams`, bound, ({ grams, characters }) => grams[n]! / characters),
    ),
  ],
};

function share(name: string, bound: number, measure: (counts: TextCounts) => number): Rule {
  return { name, bound, brokenWhen: "above", measure };
}
