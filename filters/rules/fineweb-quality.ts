/**
 * FineWeb's own rules (Penedo et al. 2024, arXiv 2406.17557, 3.6), with the bounds of its released configuration.
 */
import { repeated, strip } from "./lines.ts";
import type { Page } from "./page.ts";
import type { RuleSet } from "./rule-set.ts";

const SHORT_LINE = 30;
/** A mark that ends a sentence, in any script: Unicode's Sentence_Terminal. */
const TERMINAL = /\p{Sentence_Terminal}$/u;

/** The set. */
export const FINEWEB_QUALITY: RuleSet = {
  name: "fineweb-quality",
  source: "arXiv 2406.17557, 3.6",
  version: 1,
  rules: [
    {
      name: "lines-end-in-punctuation",
      bound: 0.12,
      brokenWhen: "below",
      measure: (page) => lineShare(page, (line) => TERMINAL.test(line)),
    },
    {
      name: "short-lines",
      bound: 0.67,
      brokenWhen: "above",
      measure: (page) => lineShare(page, (line) => line.length <= SHORT_LINE),
    },
    {
      name: "repeated-line-characters",
      bound: 0.01,
      brokenWhen: "above",
      measure: (page) => repeated(written(page)).characters / (page.characters - newLines(page)),
    },
    {
      name: "new-lines",
      bound: 0.3,
      brokenWhen: "above",
      measure: (page) => newLines(page) / page.words.count,
    },
  ],
};

/** Lines that are not blank. */
function written({ text }: Page): readonly string[] {
  return text.split("\n").filter((line) => strip(line) !== "");
}

function lineShare(page: Page, is: (line: string) => boolean): number {
  const lines = written(page);
  return lines.filter(is).length / lines.length;
}

function newLines({ text }: Page): number {
  return text.split("\n").length - 1;
}
