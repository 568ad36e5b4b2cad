/**
 * FineWeb's own rules (Penedo et al. 2024, arXiv 2406.17557, 3.6), with the bounds of its released configuration.
 */
import { type Bytes, codePoints } from "./bytes.ts";
import { TRAIL } from "./kinds.ts";
import { pieceCutter, repetitionCounter, StretchList, stripStart } from "./lines.ts";
import { oncePage } from "./page.ts";
import type { RuleSet } from "./rule-set.ts";

/** In code points. */
const SHORT_LINE = 30;
const NEWLINE = 10;
/** A mark that ends a sentence, in any script: Unicode's Sentence_Terminal. */
const TERMINAL = /\p{Sentence_Terminal}$/u;
const ASCII_TERMINALS = [".", "!", "?"].map((mark) => mark.charCodeAt(0));

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
      measure: (page) => lookAt(page).terminated / lookAt(page).lines,
    },
    {
      name: "short-lines",
      bound: 0.67,
      brokenWhen: "above",
      measure: (page) => lookAt(page).short / lookAt(page).lines,
    },
    {
      name: "repeated-line-characters",
      bound: 0.01,
      brokenWhen: "above",
      measure: (page) => lookAt(page).repeatedCharacters / (page.characters - lookAt(page).newLines),
    },
    {
      name: "new-lines",
      bound: 0.3,
      brokenWhen: "above",
      measure: (page) => lookAt(page).newLines / page.words.count,
    },
  ],
};

/** Of the lines that are not blank, and how many newlines there are. */
interface Look {
  readonly lines: number;
  readonly terminated: number;
  readonly short: number;
  readonly repeatedCharacters: number;
  readonly newLines: number;
}

const cutLines = pieceCutter(1);
const written = new StretchList();
const countRepeated = repetitionCounter();

const lookAt = oncePage((page): Look => {
  const { count, starts, ends } = cutLines(page, 0, page.count);
  written.count = 0;
  let terminated = 0;
  let short = 0;
  for (let i = 0; i < count; i++) {
    const start = starts[i]!;
    const end = ends[i]!;
    if (stripStart(page, start, end) === end) continue;
    written.add(start, end);
    if (isTerminal(page, end)) terminated++;
    if (codePoints(page, start, end) <= SHORT_LINE) short++;
  }
  let newLines = 0;
  for (let i = 0; i < page.breakCount; i++) if (page.bytes[page.breaks[i]!] === NEWLINE) newLines++;
  const repeatedCharacters = countRepeated(page, written).characters;
  return { lines: written.count, terminated, short, repeatedCharacters, newLines };
});

/** Whether the code point before `end` ends a sentence. */
function isTerminal({ bytes, kinds }: Bytes, end: number): boolean {
  let last = end - 1;
  while (kinds[last]! & TRAIL) last--;
  return bytes[last]! < 128
    ? ASCII_TERMINALS.includes(bytes[last]!)
    : TERMINAL.test(bytes.toString("utf8", last, end));
}
