/**
 * Gopher's quality rules (Rae et al. 2021, arXiv 2112.11446, A.1.1), with its bounds.
 */
import type { TextCounts } from "./counts.ts";
import type { RuleSet } from "./rule-set.ts";

/** The set. */
export const GOPHER_QUALITY: RuleSet = {
  name: "gopher-quality",
  source: "arXiv 2112.11446, A.1.1",
  version: 1,
  rules: [
    { name: "few-words", bound: 50, brokenWhen: "below", measure: ({ words }) => words.solid },
    { name: "many-words", bound: 100_000, brokenWhen: "above", measure: ({ words }) => words.solid },
    { name: "short-words", bound: 3, brokenWhen: "below", measure: meanLength },
    { name: "long-words", bound: 10, brokenWhen: "above", measure: meanLength },
    {
      name: "hashes",
      bound: 0.1,
      brokenWhen: "above",
      measure: ({ hashes, words }) => hashes / words.count,
    },
    {
      name: "ellipses",
      bound: 0.1,
      brokenWhen: "above",
      measure: ({ ellipses, words }) => ellipses / words.count,
    },
    {
      name: "bullet-lines",
      bound: 0.9,
      brokenWhen: "above",
      measure: ({ lines }) => lines.bullets / lines.count,
    },
    {
      name: "ellipsis-lines",
      bound: 0.3,
      brokenWhen: "above",
      measure: ({ lines }) => lines.ellipses / lines.count,
    },
    {
      name: "few-letters",
      bound: 0.8,
      brokenWhen: "below",
      measure: ({ words }) => words.withLetters / words.count,
    },
    { name: "few-stop-words", bound: 2, brokenWhen: "below", measure: ({ words }) => words.stopWords },
  ],
};

function meanLength({ words }: TextCounts): number {
  return words.characters / words.solid;
}
