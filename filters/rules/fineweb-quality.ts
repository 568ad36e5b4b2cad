/**
 * FineWeb's own rules (Penedo et al. 2024, arXiv 2406.17557, 3.6), with the bounds of its released configuration.
 */
import type { RuleSet } from "./rule-set.ts";

/** The set. */
export const FINEWEB_QUALITY: RuleSet = {
  name: "fineweb-quality",
  source: "arXiv 2406.17557, 3.6",
  version: 2,
  rules: [
    {
      name: "lines-end-in-punctuation",
      bound: 0.12,
      brokenWhen: "below",
      measure: ({ writtenLines }) => writtenLines.terminated / writtenLines.count,
    },
    {
      name: "short-lines",
      bound: 0.67,
      brokenWhen: "above",
      measure: ({ writtenLines }) => writtenLines.short / writtenLines.count,
    },
    {
      name: "repeated-line-characters",
      bound: 0.01,
      brokenWhen: "above",
      measure: ({ writtenLines, characters }) =>
        writtenLines.repeatedCharacters / (characters - writtenLines.newlines),
    },
    {
      name: "new-lines",
      bound: 0.3,
      brokenWhen: "above",
      measure: ({ writtenLines, words }) => writtenLines.newlines / words.count,
    },
  ],
};
