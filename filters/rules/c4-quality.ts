/**
 * C4's page rules (Raffel et al. 2020, JMLR 21/140, 2.2): braces, placeholder text, and fewer than five sentences in lines that look like text.
 * The verdict alone: C4 also removes lines from the pages that it keeps, a filter here changes no text.
 */
import { isAbbreviation } from "./abbreviations.ts";
import { citationRemover } from "./citations.ts";
import { ALPHANUMERIC, KIND, NOTABLE, SPACE } from "./kinds.ts";
import { stripEnd, stripStart } from "./lines.ts";
import { oncePage } from "./page.ts";
import type { RuleSet } from "./rule-set.ts";
import { codePoints, type Units } from "./units.ts";

/** In code points. */
const LONGEST_WORD = 1000;
const FEWEST_WORDS = 3;
const LONGEST_ABBREVIATION = 12;
const ENDS = codes(".?!\"'");
const MARKS = codes(".!?。！？");
const CLOSERS = codes("\"'”’)]");
const OPENERS = codes("\"'“‘([");
const FULL_STOP = 46;
const BRACE = 123;
/** Small letter as which U+212A, the Kelvin sign, counts. */
const SMALL_K = 107;

/** A phrase in small letters, and where in it the letter stands at which it is looked for. */
interface Phrase {
  readonly codes: readonly number[];
  readonly offset: number;
}

const PLACEHOLDER = phrase("lorem ipsum", "m");
const SCRIPT = phrase("javascript", "j");
const POLICIES = [
  phrase("terms of use", "f"),
  phrase("privacy policy", "v"),
  phrase("cookie policy", "k"),
  phrase("uses cookies", "k"),
  phrase("use of cookies", "k"),
  phrase("use cookies", "k"),
];

/** The set. */
export const C4_QUALITY: RuleSet = {
  name: "c4-quality",
  source: "Raffel et al. 2020, JMLR 21/140, 2.2",
  version: 2,
  rules: [
    { name: "placeholder-text", bound: 0, brokenWhen: "above", measure: (page) => lookAt(page).placeholder },
    { name: "curly-bracket", bound: 0, brokenWhen: "above", measure: (page) => lookAt(page).bracket },
    { name: "few-sentences", bound: 5, brokenWhen: "below", measure: (page) => lookAt(page).sentences },
  ],
};

/** A stretch of a text, or of a line without its citations. */
type Line = Pick<Units, "units" | "kinds">;

interface Look {
  /** Lines of text with a placeholder, and with a bracket. */
  readonly placeholder: number;
  readonly bracket: number;
  /** In lines that stay. */
  readonly sentences: number;
}

const removeCitations = citationRemover();

const lookAt = oncePage((page): Look => {
  const { lines, units } = page;
  const look = { placeholder: 0, bracket: 0, sentences: 0 };
  for (let i = 0; i < lines.count; i++) {
    const start = stripStart(page, lines.starts[i]!, lines.ends[i]!);
    const end = stripEnd(page, start, lines.ends[i]!);
    // What ends in no mark still does so without its citations, unless its end is one.
    if (end === start || (!ENDS.includes(units[end - 1]!) && units[end - 1] !== 93)) continue;
    if (!hasWords(page, start, end)) continue;
    const cleaned = removeCitations(page, start, end);
    if (cleaned === null) addLine(page, start, end, look);
    else addLine(cleaned, 0, cleaned.count, look);
  }
  return look;
});

/** Whether there are enough words between white space, and none that is too long. */
function hasWords(page: Units, start: number, end: number): boolean {
  let words = 0;
  for (let i = start; i < end && (words < FEWEST_WORDS || end - start > LONGEST_WORD); words++) {
    const from = i;
    while (i < end && (page.kinds[i]! & KIND) !== SPACE) i++;
    if (i - from > LONGEST_WORD && codePoints(page, from, i) > LONGEST_WORD) return false;
    i = stripStart(page, i, end);
  }
  return words >= FEWEST_WORDS;
}

/** Adds what is in one line, which is judged without its citations. */
function addLine(
  line: Line,
  start: number,
  end: number,
  look: { -readonly [K in keyof Look]: Look[K] },
): void {
  const { units, kinds } = line;
  if (end === start || !ENDS.includes(units[end - 1]!) || endsInDots(units, start, end)) return;
  let placeholder = false;
  let script = false;
  let bracket = false;
  let policy = false;
  let sentences = 1;
  for (let i = start; i < end; i++) {
    if ((kinds[i]! & NOTABLE) === 0) continue;
    const unit = units[i]!;
    if (MARKS.includes(unit)) {
      let marks = i + 1;
      while (marks < end && MARKS.includes(units[marks]!)) marks++;
      let closers = marks;
      while (closers < end && CLOSERS.includes(units[closers]!)) closers++;
      if (
        isFollowed(line, closers, end) &&
        !(unit === FULL_STOP && units[i + 1] !== FULL_STOP && isAbbreviated(line, start, i))
      )
        sentences++;
      i = closers - 1;
    } else if (unit === BRACE) bracket = true;
    else
      switch (lower(unit)) {
        case PLACEHOLDER.codes[PLACEHOLDER.offset]:
          placeholder ||= hasPhrase(units, i, start, end, PLACEHOLDER);
          break;
        case SCRIPT.codes[SCRIPT.offset]:
          script ||= hasPhrase(units, i, start, end, SCRIPT);
          break;
        default:
          for (const one of POLICIES)
            policy ||= lower(unit) === one.codes[one.offset] && hasPhrase(units, i, start, end, one);
      }
  }
  if (placeholder) look.placeholder++;
  if (script) return;
  if (bracket) look.bracket++;
  if (!policy) look.sentences += sentences;
}

function endsInDots(units: Uint16Array, start: number, end: number): boolean {
  return (
    end - start >= 3 &&
    units[end - 1] === FULL_STOP &&
    units[end - 2] === FULL_STOP &&
    units[end - 3] === FULL_STOP
  );
}

/** Whether white space and then, behind quotes or brackets, a letter or number comes: what ends before it is a sentence. */
function isFollowed(line: Line, at: number, end: number): boolean {
  let i = stripStart(line, at, end);
  if (i === at) return false;
  while (i < end && OPENERS.includes(line.units[i]!)) i++;
  return i < end && (line.kinds[i]! & ALPHANUMERIC) !== 0;
}

/** Whether the word before the full stop at `at` is an abbreviation. */
function isAbbreviated(line: Line, start: number, at: number): boolean {
  const first = Math.max(start, at - LONGEST_ABBREVIATION);
  let from = at;
  while (from > first && (line.kinds[from - 1]! & KIND) !== SPACE && !OPENERS.includes(line.units[from - 1]!))
    from--;
  return isAbbreviation(line, from, at);
}

function hasPhrase(
  units: Uint16Array,
  at: number,
  start: number,
  end: number,
  { codes, offset }: Phrase,
): boolean {
  const from = at - offset;
  if (from < start || from + codes.length > end) return false;
  for (let i = 0; i < codes.length; i++) if (lower(units[from + i]!) !== codes[i]) return false;
  return true;
}

/** Small letters of ASCII capitals, and of the only other sign that has one of the phrases' letters as its small letter. */
function lower(unit: number): number {
  if (unit >= 65 && unit <= 90) return unit | 32;
  return unit === 0x212a ? SMALL_K : unit;
}

function phrase(text: string, by: string): Phrase {
  return { codes: codes(text), offset: text.indexOf(by) };
}

function codes(text: string): readonly number[] {
  return Array.from(text, (sign) => sign.charCodeAt(0));
}
