/**
 * What Gopher's repetition rules ask of a text: repeated lines and paragraphs, and n-grams.
 */
import type { PieceCounts, Repeated } from "./counts.ts";
import { type Grams, repeatedGrams } from "./grams.ts";
import { MOST_GRAM } from "./kernel/results.ts";
import { pieceCutter, repetitionCounter, stripEnd, stripStart } from "./lines.ts";
import type { Page } from "./page.ts";
import type { Words } from "./words.ts";

/** Up to this length the most frequent n-gram is asked for, beyond it those that were there before. */
export const MOST_TOP_GRAM = 4;
const NEWLINE = 10;
const NONE: Repeated = { parts: 0, characters: 0 };
const cutLines = pieceCutter(1);
const cutParagraphs = pieceCutter(2);
const countRepeated = repetitionCounter();

/** Counts the repeated lines and paragraphs of a page. Linear. */
export function countPieces(page: Page): PieceCounts {
  const lineStretches = cutLines(page, 0, page.count);
  const lines = countRepeated(page, lineStretches);
  const start = stripStart(page, 0, page.count);
  const end = stripEnd(page, start, page.count);
  const paragraphStretches = cutParagraphs(page, start, end);
  // Paragraphs that are equal have equal lines, unless white space was stripped of one.
  const none = lines.parts === 0 && bounded(page.bytes, start, end, page.count);
  return {
    lineCount: lineStretches.count,
    lines,
    paragraphCount: paragraphStretches.count,
    paragraphs: none ? NONE : countRepeated(page, paragraphStretches),
  };
}

/** Whether [start, end) begins and ends where the text or a line does. */
function bounded(bytes: Uint8Array, start: number, end: number, count: number): boolean {
  return (start === 0 || bytes[start - 1] === NEWLINE) && (end === count || bytes[end] === NEWLINE);
}

const findGrams = repeatedGrams();
let seen = new Uint8Array(4096);

/** By n from 2 to 10, code points of the most frequent n-gram or of those that were there before (TextCounts.grams). */
export function countGrams({ words }: Page): ArrayLike<number> {
  const characters = new Int32Array(MOST_GRAM + 1);
  findGrams(words, MOST_GRAM, (grams) => {
    const { n } = grams;
    if (n > MOST_TOP_GRAM) characters[n] = repeatedCharacters(words, grams);
    else if (words.count >= n) characters[n] = topCharacters(words, grams);
  });
  return characters;
}

/** Of the most frequent n-gram, the first of equals: its length with single spaces, times its count. */
function topCharacters(words: Words, { n, count, positions, ids, counts }: Grams): number {
  let best = 0;
  let most = 1;
  for (let k = 0; k < count; k++) {
    if (counts[ids[k]!]! <= most) continue;
    most = counts[ids[k]!]!;
    best = positions[k]!;
  }
  return (charactersAt(words, best, n) + n - 1) * most;
}

/** Of n-grams that were there before; the words of one are not counted again. */
function repeatedCharacters(words: Words, { n, count, positions, ids, distinct }: Grams): number {
  if (seen.length < distinct) seen = new Uint8Array(distinct * 2);
  seen.fill(0, 0, distinct);
  let characters = 0;
  let next = 0;
  for (let k = 0; k < count; k++) {
    const position = positions[k]!;
    if (position < next) continue;
    if (seen[ids[k]!]) {
      characters += charactersAt(words, position, n);
      next = position + n;
    } else seen[ids[k]!] = 1;
  }
  return characters;
}

/** Code points of the words of the n-gram that begins at a word, without spaces. */
function charactersAt({ ids, lengths }: Words, position: number, n: number): number {
  let characters = 0;
  for (let i = position; i < position + n; i++) characters += lengths[ids[i]!]!;
  return characters;
}
