/**
 * What Gopher's quality rules ask of the words and lines of a text.
 */
import type { LineCounts, WordCounts } from "./counts.ts";
import { stripEnd, stripStart } from "./lines.ts";
import type { Page } from "./page.ts";
import { codeAt } from "./utf8.ts";
import { HAS_LETTER, NOT_SYMBOL } from "./words.ts";

/** Gopher's (arXiv 2112.11446, A.1.1). */
export const STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with"];
const PACKED_STOP_WORDS = new Set(STOP_WORDS.map(packed));
const LONGEST_STOP_WORD = 4;
const [BULLET, HYPHEN, FULL_STOP, ELLIPSIS] = ["•", "-", ".", "…"].map((sign) => sign.charCodeAt(0));
/** Bytes of an ellipsis. */
const ELLIPSIS_SIZE = 3;

/** Counts the words of a page by what they are made of. */
export function countWords({ words, bytes }: Page): WordCounts {
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
      PACKED_STOP_WORDS.has(packedBytes(bytes, starts[id]!, ends[id]!))
    )
      stopWords++;
  }
  return { count: words.count, solid, characters, withLetters, stopWords };
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

/** Counts the lines of a page by how they begin and end. */
export function countLines(page: Page): LineCounts {
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
  return { count: lines.count, bullets, ellipses };
}

function endsInDots(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= 3 && bytes[end - 2] === FULL_STOP && bytes[end - 3] === FULL_STOP;
}

function endsInEllipsis(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    bytes[end - 1]! > 127 && end - start >= ELLIPSIS_SIZE && codeAt(bytes, end - ELLIPSIS_SIZE) === ELLIPSIS
  );
}

/** Occurrences that do not overlap. */
export function occurrences(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}
