/**
 * C4's page rules (Raffel et al. 2020, JMLR 21/140, 2.2): braces, placeholder text, and fewer than five sentences in lines that look like text.
 * The verdict alone: C4 also removes lines from the pages that it keeps, a filter here changes no text.
 */
import type { RuleSet } from "./rule-set.ts";

/** The set. */
export const C4_QUALITY: RuleSet = {
  name: "c4-quality",
  source: "Raffel et al. 2020, JMLR 21/140, 2.2",
  version: 2,
  rules: [
    {
      name: "placeholder-text",
      bound: 0,
      brokenWhen: "above",
      measure: ({ sentences }) => sentences.placeholders,
    },
    { name: "curly-bracket", bound: 0, brokenWhen: "above", measure: ({ sentences }) => sentences.brackets },
    { name: "few-sentences", bound: 5, brokenWhen: "below", measure: ({ sentences }) => sentences.count },
  ],
};
