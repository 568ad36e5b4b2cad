/**
 * Sentences, brackets and placeholder text in the lines of a text that C4's rules look at.
 */
import { isAbbreviation } from "./abbreviations.ts";
import { type Bytes, codePoints } from "./bytes.ts";
import { citationRemover } from "./citations.ts";
import type { SentenceCounts } from "./counts.ts";
import { ALPHANUMERIC, KIND, NOTABLE, PIVOT, SPACE } from "./kernel/sign-kinds.ts";
import { stripEnd, stripStart } from "./lines.ts";
import type { Page } from "./page.ts";
import { codeAt, sizeOf } from "./utf8.ts";

/** In code points. */
const LONGEST_WORD = 1000;
const FEWEST_WORDS = 3;
const LONGEST_ABBREVIATION = 12;
const MARKS = codes(".!?。！？");
const CLOSERS = codes("\"'”’)]");
const OPENERS = codes("\"'“‘([");
const FULL_STOP = 46;
const BRACE = 123;
const OPEN = 91;
const CLOSE = 93;
const BLANK = 32;
/** Bytes of a curly quote. */
const QUOTE_SIZE = 3;
/** The letters by which phrases are found, rare ones. */
const PLACEHOLDER_AT = 109; // m
const SCRIPT_AT = 106; // j
const POLICY_K = 107;
const POLICY_V = 118;
const POLICY_F = 102;

/** A phrase in small letters, and where in it the letter stands at which it is looked for. */
export interface Phrase {
  readonly codes: readonly number[];
  readonly offset: number;
}

const PLACEHOLDER = phrase("lorem ipsum", PLACEHOLDER_AT);
const SCRIPT = phrase("javascript", SCRIPT_AT);
const PRIVACY = phrase("privacy policy", POLICY_V);
const TERMS = phrase("terms of use", POLICY_F);
const COOKIES = ["cookie policy", "uses cookies", "use of cookies", "use cookies"].map((text) =>
  phrase(text, POLICY_K),
);
export const PHRASES: readonly Phrase[] = [PLACEHOLDER, SCRIPT, PRIVACY, TERMS, ...COOKIES];

/** A stretch of a text, or of a line without its citations. */
type Line = Pick<Bytes, "bytes" | "kinds">;

type Look = { -readonly [K in keyof SentenceCounts]: SentenceCounts[K] };

const removeCitations = citationRemover();

/** Counts in the lines of a page. Linear. */
export function countSentences(page: Page): SentenceCounts {
  const { lines, bytes } = page;
  const look = { placeholders: 0, brackets: 0, count: 0 };
  for (let i = 0; i < lines.count; i++) {
    const end = stripEnd(page, lines.starts[i]!, lines.ends[i]!);
    // What ends in no mark still does so without its citations, unless its end is one.
    const last = bytes[end - 1]!;
    if (end === lines.starts[i] || !(isEnd(last) || last === CLOSE)) continue;
    const start = stripStart(page, lines.starts[i]!, end);
    if (!hasWords(page, start, end)) continue;
    if (addLine(page, start, end, look)) continue;
    const cleaned = removeCitations(page, start, end);
    addLine(cleaned, 0, cleaned.count, look, false);
  }
  return look;
}

/** Whether there are enough words between white space, and none that is too long. */
function hasWords(page: Bytes, start: number, end: number): boolean {
  let words = 0;
  for (let i = start; i < end && (words < FEWEST_WORDS || end - start > LONGEST_WORD); words++) {
    const from = i;
    while (i < end && (page.kinds[i]! & KIND) !== SPACE) i++;
    if (i - from > LONGEST_WORD && codePoints(page, from, i) > LONGEST_WORD) return false;
    i = stripStart(page, i, end);
  }
  return words >= FEWEST_WORDS;
}

/** Adds what is in one line, which is judged without its citations; does nothing and returns false where one may be in it. */
function addLine(line: Line, start: number, end: number, look: Look, mayHaveCitations = true): boolean {
  const { bytes, kinds } = line;
  if (mayHaveCitations && bytes[end - 1] === CLOSE) return false;
  if (end === start || !isEnd(bytes[end - 1]!) || endsInDots(bytes, start, end)) return true;
  let placeholder = false;
  let script = false;
  let bracket = false;
  let policy = false;
  let sentences = 1;
  for (let i = start; i < end; i++) {
    if ((kinds[i]! & (NOTABLE | PIVOT)) === 0) continue;
    const sign = lower(bytes, i);
    switch (sign) {
      case OPEN:
        if (mayHaveCitations) return false;
        break;
      case BRACE:
        bracket = true;
        break;
      case PLACEHOLDER_AT:
        if (bytes[i + 1] === BLANK) placeholder ||= hasPhrase(bytes, i, start, end, PLACEHOLDER);
        break;
      case SCRIPT_AT:
        script ||= hasPhrase(bytes, i, start, end, SCRIPT);
        break;
      case POLICY_V:
        policy ||= hasPhrase(bytes, i, start, end, PRIVACY);
        break;
      case POLICY_F:
        if (bytes[i + 1] === BLANK) policy ||= hasPhrase(bytes, i, start, end, TERMS);
        break;
      case POLICY_K:
        for (const one of COOKIES) policy ||= hasPhrase(bytes, i, start, end, one);
        break;
      default: {
        const closers = runEnd(bytes, i, end, MARKS);
        const behind = runEnd(bytes, closers, end, CLOSERS);
        if (
          isFollowed(line, behind, end) &&
          !(sign === FULL_STOP && bytes[i + 1] !== FULL_STOP && isAbbreviated(line, start, i))
        )
          sentences++;
        i = behind - 1;
      }
    }
  }
  if (placeholder) look.placeholders++;
  if (script) return true;
  if (bracket) look.brackets++;
  if (!policy) look.count += sentences;
  return true;
}

function isEnd(byte: number): boolean {
  return byte === 46 || byte === 33 || byte === 63 || byte === 34 || byte === 39;
}

function endsInDots(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start >= 3 &&
    bytes[end - 1] === FULL_STOP &&
    bytes[end - 2] === FULL_STOP &&
    bytes[end - 3] === FULL_STOP
  );
}

/** The end of the run of `signs` that begins at `at`. */
function runEnd(bytes: Uint8Array, at: number, end: number, signs: readonly number[]): number {
  let i = at;
  while (i < end && signs.includes(codeAt(bytes, i))) i += sizeOf(bytes[i]!);
  return i;
}

/** Whether white space and then, behind quotes or brackets, a letter or number comes: what ends before it is a sentence. */
function isFollowed(line: Line, at: number, end: number): boolean {
  const space = stripStart(line, at, end);
  if (space === at) return false;
  const i = runEnd(line.bytes, space, end, OPENERS);
  return i < end && (line.kinds[i]! & ALPHANUMERIC) !== 0;
}

/** Whether the word before the full stop at `at` is an abbreviation. */
function isAbbreviated(line: Line, start: number, at: number): boolean {
  const first = Math.max(start, at - LONGEST_ABBREVIATION);
  let from = at;
  while (from > first && (line.kinds[from - 1]! & KIND) !== SPACE && !isOpenerEnd(line.bytes, from)) from--;
  return isAbbreviation(line, from, at);
}

/** Whether a quote or bracket that opens ends before `at`. */
function isOpenerEnd(bytes: Uint8Array, at: number): boolean {
  const last = bytes[at - 1]!;
  if (last < 128) return OPENERS.includes(last);
  return sizeOf(bytes[at - QUOTE_SIZE]!) === QUOTE_SIZE && OPENERS.includes(codeAt(bytes, at - QUOTE_SIZE));
}

function hasPhrase(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  { codes, offset }: Phrase,
): boolean {
  const first = at - offset;
  const rest = at + sizeOf(bytes[at]!) - offset - 1;
  if (first < start || rest + codes.length > end) return false;
  for (let i = 0; i < offset; i++) if (lower(bytes, first + i) !== codes[i]) return false;
  for (let i = offset + 1; i < codes.length; i++) if (lower(bytes, rest + i) !== codes[i]) return false;
  return true;
}

/** The code point at `at`, small for ASCII capitals and for the only other sign that has one of the phrases' letters as its small letter. */
function lower(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]!;
  if (byte < 128) return byte >= 65 && byte <= 90 ? byte | 32 : byte;
  const code = codeAt(bytes, at);
  return code === 0x212a ? POLICY_K : code;
}

function phrase(text: string, by: number): Phrase {
  return { codes: codes(text), offset: codes(text).indexOf(by) };
}

function codes(text: string): readonly number[] {
  return Array.from(text, (sign) => sign.charCodeAt(0));
}
