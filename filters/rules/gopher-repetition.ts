/**
 * Gopher's repetition rules (Rae et al. 2021, arXiv 2112.11446, table A1), with its bounds.
 */
import { type Grams, repeatedGrams } from "./grams.ts";
import { pieceCutter, type Repeated, repetitionCounter, stripEnd, stripStart } from "./lines.ts";
import { oncePage, type Page } from "./page.ts";
import type { Rule, RuleSet } from "./rule-set.ts";
import type { Words } from "./words.ts";

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
const MOST = 10;

/** The set. */
export const GOPHER_REPETITION: RuleSet = {
  name: "gopher-repetition",
  source: "arXiv 2112.11446, table A1",
  version: 1,
  rules: [
    share("paragraphs", 0.3, (page) => pieces(page).paragraphs.parts / pieces(page).paragraphCount),
    share("paragraph-characters", 0.2, (page) => pieces(page).paragraphs.characters / page.characters),
    share("lines", 0.3, (page) => pieces(page).lines.parts / pieces(page).lineCount),
    share("line-characters", 0.2, (page) => pieces(page).lines.characters / page.characters),
    ...TOP_BOUNDS.map(([n, bound]) => share(`top-${n}-gram`, bound, (page) => gramShares(page)[n]!)),
    ...REPEATED_BOUNDS.map(([n, bound]) =>
      share(`repeated-${n}-grams`, bound, (page) => gramShares(page)[n]!),
    ),
  ],
};

function share(name: string, bound: number, measure: (page: Page) => number): Rule {
  return { name, bound, brokenWhen: "above", measure };
}

/** Lines between newlines, and paragraphs between two or more of them. */
interface Pieces {
  readonly lineCount: number;
  readonly lines: Repeated;
  readonly paragraphCount: number;
  readonly paragraphs: Repeated;
}

const NEWLINE = 10;
const NONE: Repeated = { parts: 0, characters: 0 };
const cutLines = pieceCutter(1);
const cutParagraphs = pieceCutter(2);
const countRepeated = repetitionCounter();

const pieces = oncePage((page): Pieces => {
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
});

/** Whether [start, end) begins and ends where the text or a line does. */
function bounded(bytes: Uint8Array, start: number, end: number, count: number): boolean {
  return (start === 0 || bytes[start - 1] === NEWLINE) && (end === count || bytes[end] === NEWLINE);
}

const findGrams = repeatedGrams();
let seen = new Uint8Array(4096);

/** By n: the share of characters in the most frequent n-gram (n to 4) or in n-grams that were there before (n from 5). */
const gramShares = oncePage(({ words, characters }): Float64Array => {
  const shares = new Float64Array(MOST + 1);
  findGrams(words, MOST, (grams) => {
    const { n } = grams;
    if (n >= 5) shares[n] = repeatedCharacters(words, grams) / characters;
    else if (words.count >= n) shares[n] = topCharacters(words, grams) / characters;
  });
  return shares;
});

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
