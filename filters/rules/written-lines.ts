/**
 * What FineWeb's rules ask of the lines of a text that are not blank.
 */
import { type Bytes, codePoints } from "./bytes.ts";
import type { WrittenLineCounts } from "./counts.ts";
import { TRAIL } from "./kernel/sign-kinds.ts";
import { pieceCutter, repetitionCounter, StretchList, stripStart } from "./lines.ts";
import type { Page } from "./page.ts";
import { codeAt } from "./utf8.ts";

/** In code points. */
const SHORT_LINE = 30;
const NEWLINE = 10;
/** A mark that ends a sentence, in any script: Unicode's Sentence_Terminal. */
const TERMINAL = /\p{Sentence_Terminal}/u;
const ASCII_TERMINALS = [".", "!", "?"].map((mark) => mark.charCodeAt(0));

const cutLines = pieceCutter(1);
const written = new StretchList();
const countRepeated = repetitionCounter();

/** Counts in the lines of a page. Linear. */
export function countWrittenLines(page: Page): WrittenLineCounts {
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
  let newlines = 0;
  for (let i = 0; i < page.breakCount; i++) if (page.bytes[page.breaks[i]!] === NEWLINE) newlines++;
  const repeatedCharacters = countRepeated(page, written).characters;
  return { count: written.count, terminated, short, repeatedCharacters, newlines };
}

/** Whether the code point before `end` ends a sentence. */
function isTerminal({ bytes, kinds }: Bytes, end: number): boolean {
  let last = end - 1;
  while (kinds[last]! & TRAIL) last--;
  return bytes[last]! < 128 ? ASCII_TERMINALS.includes(bytes[last]!) : isTerminalSign(codeAt(bytes, last));
}

/** Whether a code point ends a sentence. */
export function isTerminalSign(code: number): boolean {
  return TERMINAL.test(String.fromCodePoint(code));
}
