/**
 * C4's page rules (Raffel et al. 2020, JMLR 21/140, 2.2): braces, placeholder text, and fewer than five sentences in lines that look like text.
 * The verdict alone: C4 also removes lines from the pages that it keeps, a filter here changes no text.
 */
import { splitLines, strip } from "./lines.ts";
import type { Page } from "./page.ts";
import type { RuleSet } from "./rule-set.ts";
import { isAbbreviation } from "./words.ts";

const LONGEST_WORD = 1000;
const FEWEST_WORDS = 3;
const CITATION = /\[\d*\]|\[edit\]|\[citation needed\]/g;
const ENDS = [".", "?", "!", '"', "'"];
const POLICIES = [
  "terms of use",
  "privacy policy",
  "cookie policy",
  "uses cookies",
  "use of cookies",
  "use cookies",
];

/** The set. */
export const C4_QUALITY: RuleSet = {
  name: "c4-quality",
  source: "Raffel et al. 2020, JMLR 21/140, 2.2",
  version: 1,
  rules: [
    { name: "placeholder-text", bound: 0, brokenWhen: "above", measure: (page) => lookAt(page).placeholder },
    { name: "curly-bracket", bound: 0, brokenWhen: "above", measure: (page) => lookAt(page).bracket },
    { name: "few-sentences", bound: 5, brokenWhen: "below", measure: (page) => lookAt(page).sentences },
  ],
};

interface Look {
  /** Lines of text with a placeholder, and with a bracket. */
  readonly placeholder: number;
  readonly bracket: number;
  /** In lines that stay. */
  readonly sentences: number;
}

let last: { readonly page: Page; readonly look: Look } | undefined;

function lookAt(page: Page): Look {
  if (last?.page === page) return last.look;
  let placeholder = 0;
  let bracket = 0;
  let sentences = 0;
  for (const whole of splitLines(page.text)) {
    const words = strip(whole).split(/\s+/);
    if (words.some((word) => word.length > LONGEST_WORD)) continue;
    const line = strip(whole).replace(CITATION, "");
    if (!ENDS.some((end) => line.endsWith(end)) || line.endsWith("...")) continue;
    if (words.length < FEWEST_WORDS) continue;
    const lower = line.toLowerCase();
    if (lower.includes("lorem ipsum")) placeholder++;
    if (lower.includes("javascript")) continue;
    if (line.includes("{")) bracket++;
    if (POLICIES.some((policy) => lower.includes(policy))) continue;
    sentences += sentencesOf(line);
  }
  last = { page, look: { placeholder, bracket, sentences } };
  return last.look;
}

/** Sentences of a line: stretches that a mark of the end of a sentence closes, before white space and not after an abbreviation. */
function sentencesOf(line: string): number {
  let count = 1;
  for (const end of line.matchAll(/[.!?。！？]+["'”’)\]]*(?=\s+["'“‘([]*[\p{L}\p{N}])/gu))
    if (end[0][0] !== "." || end[0].startsWith("..") || !isAbbreviation(wordBefore(line, end.index))) count++;
  return count;
}

/** What stands between the last white space or bracket and `at`. */
function wordBefore(line: string, at: number): string {
  return /[^\s("'“‘[]*$/u.exec(line.slice(Math.max(0, at - 12), at))![0];
}
