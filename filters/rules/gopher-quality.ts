/**
 * Gopher's quality rules (Rae et al. 2021, arXiv 2112.11446, A.1.1), with its bounds.
 */
import { stripEnd, stripStart } from "./lines.ts";
import { oncePage, type Page } from "./page.ts";
import type { RuleSet } from "./rule-set.ts";
import { codeAt } from "./utf8.ts";
import { HAS_LETTER, NOT_SYMBOL } from "./words.ts";

const STOP_WORDS = new Set(["the", "be", "to", "of", "and", "that", "have", "with"].map(packed));
const LONGEST_STOP_WORD = 4;
const [BULLET, HYPHEN, FULL_STOP, ELLIPSIS] = ["•", "-", ".", "…"].map((sign) => sign.charCodeAt(0));
/** Bytes of an ellipsis. */
const ELLIPSIS_SIZE = 3;

/** The set. */
export const GOPHER_QUALITY: RuleSet = {
  name: "gopher-quality",
  source: "arXiv 2112.11446, A.1.1",
  version: 1,
  rules: [
    { name: "few-words", bound: 50, brokenWhen: "below", measure: (page) => countWords(page).solid },
    { name: "many-words", bound: 100_000, brokenWhen: "above", measure: (page) => countWords(page).solid },
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
      measure: (page) => countLines(page).bullets / page.lines.count,
    },
    {
      name: "ellipsis-lines",
      bound: 0.3,
      brokenWhen: "above",
      measure: (page) => countLines(page).ellipses / page.lines.count,
    },
    {
      name: "few-letters",
      bound: 0.8,
      brokenWhen: "below",
      measure: (page) => aWord(page, countWords(page).withLetters),
    },
    { name: "few-stop-words", bound: 2, brokenWhen: "below", measure: (page) => countWords(page).stopWords },
  ],
};

interface WordCounts {
  /** Words that are more than punctuation, and their code points. */
  readonly solid: number;
  readonly characters: number;
  readonly withLetters: number;
  /** How many of the stop words are there. */
  readonly stopWords: number;
}

const countWords = oncePage(({ words, bytes }): WordCounts => {
  const { distinct, counts, lengths, kinds, starts, ends } = words;
  let solid = 0;
  let characters = 0;
  let withLetters = 0;
  let stopWords = 0;
  for (let id = 0; id < distinct; id++) {
    const count = counts[id]!;
    if (kinds[id]! & NOT_SYMBOL) {
      solid += count;
      characters += lengths[id]! * count;
    }
    if ((kinds[id]! & HAS_LETTER) === 0) continue;
    withLetters += count;
    if (
      ends[id]! - starts[id]! <= LONGEST_STOP_WORD &&
      STOP_WORDS.has(packedBytes(bytes, starts[id]!, ends[id]!))
    )
      stopWords++;
  }
  return { solid, characters, withLetters, stopWords };
});

function meanLength(page: Page): number {
  const { solid, characters } = countWords(page);
  return characters / solid;
}

/** A short word as a number. */
function packedBytes(bytes: Uint8Array, start: number, end: number): number {
  let number = 0;
  for (let i = start; i < end; i++) number = (number << 8) | bytes[i]!;
  return number;
}

function packed(word: string): number {
  return packedBytes(Buffer.from(word), 0, word.length);
}

function aWord({ words }: Page, count: number): number {
  return count / words.count;
}

const countLines = oncePage((page): { readonly bullets: number; readonly ellipses: number } => {
  const { lines, bytes } = page;
  let bullets = 0;
  let ellipses = 0;
  for (let i = 0; i < lines.count; i++) {
    const start = stripStart(page, lines.starts[i]!, lines.ends[i]!);
    const end = stripEnd(page, start, lines.ends[i]!);
    if (start === end) continue;
    const first = codeAt(bytes, start);
    if (first === BULLET || first === HYPHEN) bullets++;
    if (bytes[end - 1] === FULL_STOP ? endsInDots(bytes, start, end) : endsInEllipsis(bytes, start, end))
      ellipses++;
  }
  return { bullets, ellipses };
});

function endsInDots(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= 3 && bytes[end - 2] === FULL_STOP && bytes[end - 3] === FULL_STOP;
}

function endsInEllipsis(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    bytes[end - 1]! > 127 && end - start >= ELLIPSIS_SIZE && codeAt(bytes, end - ELLIPSIS_SIZE) === ELLIPSIS
  );
}

/** Occurrences that do not overlap. */
function occurrences(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}
