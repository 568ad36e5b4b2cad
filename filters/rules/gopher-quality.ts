/**
 * Gopher's quality rules (Rae et al. 2021, arXiv 2112.11446, A.1.1), with its bounds.
 */
import { strip } from "./lines.ts";
import type { Page } from "./page.ts";
import type { RuleSet } from "./rule-set.ts";
import { LETTER, NOT_SYMBOL } from "./words.ts";

const STOP_WORDS = new Set(["the", "be", "to", "of", "and", "that", "have", "with"]);

/** The set. */
export const GOPHER_QUALITY: RuleSet = {
  name: "gopher-quality",
  source: "arXiv 2112.11446, A.1.1",
  version: 1,
  rules: [
    { name: "few-words", bound: 50, brokenWhen: "below", measure: (page) => solidWords(page).count },
    { name: "many-words", bound: 100_000, brokenWhen: "above", measure: (page) => solidWords(page).count },
    { name: "short-words", bound: 3, brokenWhen: "below", measure: meanLength },
    { name: "long-words", bound: 10, brokenWhen: "above", measure: meanLength },
    {
      name: "hashes",
      bound: 0.1,
      brokenWhen: "above",
      measure: (page) => aWord(page, occurrences(page.text, "#")),
    },
    {
      name: "ellipses",
      bound: 0.1,
      brokenWhen: "above",
      measure: (page) => aWord(page, occurrences(page.text, "...") + occurrences(page.text, "…")),
    },
    {
      name: "bullet-lines",
      bound: 0.9,
      brokenWhen: "above",
      measure: (page) => lineShare(page, (line) => line.startsWith("•") || line.startsWith("-")),
    },
    {
      name: "ellipsis-lines",
      bound: 0.3,
      brokenWhen: "above",
      measure: (page) => lineShare(page, (line) => line.endsWith("...") || line.endsWith("…")),
    },
    {
      name: "few-letters",
      bound: 0.8,
      brokenWhen: "below",
      measure: (page) => aWord(page, withLetters(page)),
    },
    { name: "few-stop-words", bound: 2, brokenWhen: "below", measure: stopWords },
  ],
};

/** Words that are more than punctuation. */
function solidWords({ words }: Page): { readonly count: number; readonly characters: number } {
  let count = 0;
  let characters = 0;
  for (let i = 0; i < words.count; i++) {
    const id = words.ids[i]!;
    if ((words.kinds[id]! & NOT_SYMBOL) === 0) continue;
    count++;
    characters += words.lengths[id]!;
  }
  return { count, characters };
}

function meanLength(page: Page): number {
  const { count, characters } = solidWords(page);
  return characters / count;
}

function withLetters({ words }: Page): number {
  let count = 0;
  for (let i = 0; i < words.count; i++) if (words.kinds[words.ids[i]!]! & LETTER) count++;
  return count;
}

/** How many of the stop words are there. */
function stopWords({ words }: Page): number {
  let found = 0;
  for (let id = 0; id < words.distinct; id++)
    if (words.lengths[id]! <= 4 && STOP_WORDS.has(words.word(id))) found++;
  return found;
}

function aWord({ words }: Page, count: number): number {
  return count / words.count;
}

function lineShare({ lines }: Page, is: (line: string) => boolean): number {
  return lines.filter((line) => is(strip(line))).length / lines.length;
}

/** Occurrences that do not overlap. */
function occurrences(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}
