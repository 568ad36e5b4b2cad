/**
 * Where byte-level BPE cuts a text before it merges: the published patterns as hand-written scanners over UTF-8, without a regular
 * expression engine, so that neither Node's Unicode version nor backtracking decides anything. Linear in the text.
 */
import { CLASS, codePointClasses } from "./unicode.ts";
import { codePointAt, sequenceLength } from "./utf8.ts";

/** One step of a pre-tokenizer; each cuts the pieces of the one before it. */
export type PreTokenizerStep = "gpt-2" | "llama-3" | "qwen-2" | "o200k" | "digits" | "digit-runs";

/** The patterns, as files spell them. */
export const PATTERNS: ReadonlyMap<string, PreTokenizerStep> = new Map<string, PreTokenizerStep>([
  [String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, "gpt-2"],
  [
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    "llama-3",
  ],
  [
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    "qwen-2",
  ],
  [
    String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    "o200k",
  ],
]);

/** Where the piece that starts at `from` ends, in (from, end]. `end` is where the text, or the piece of the step before, ends. */
export type Scanner = (bytes: Uint8Array, from: number, end: number) => number;

/** The scanner of a step. */
export function scannerOf(step: PreTokenizerStep): Scanner {
  const classes = codePointClasses();
  switch (step) {
    case "gpt-2":
      return gpt2(classes);
    case "llama-3":
      return words(classes, lettersAfterSign(classes), 3, false);
    case "qwen-2":
      return words(classes, lettersAfterSign(classes), 1, false);
    case "o200k":
      return words(classes, casedWord(classes), 3, true);
    case "digits":
      return digits(classes, 1);
    case "digit-runs":
      return digits(classes, Number.POSITIVE_INFINITY);
    default:
      return step satisfies never;
  }
}

const APOSTROPHE = 0x27;
const SPACE = 0x20;
const SLASH = 0x2f;
const KINDS = CLASS.letter | CLASS.number | CLASS.other;

function gpt2(classes: Uint8Array): Scanner {
  return (bytes, from, end) => {
    const first = bytes[from]!;
    if (first === APOSTROPHE) {
      const to = contractionEnd(bytes, from, end, false);
      if (to > from) return to;
    }
    let at = from;
    let kind = classes[codePointAt(bytes, at)]!;
    if (first === SPACE && from + 1 < end) {
      const next = classes[codePointAt(bytes, from + 1)]!;
      if ((next & CLASS.space) === 0) {
        kind = next;
        at++;
      }
    }
    return (kind & CLASS.space) === 0
      ? runEnd(classes, bytes, at, end, kind & KINDS)
      : spaceEnd(classes, bytes, from, end, false);
  };
}

/** The form that LLaMA-3, Qwen-2 and o200k share: words, numbers of at most `maxDigits`, signs with line ends behind, white space. */
function words(classes: Uint8Array, wordEnd: Scanner, maxDigits: number, slashes: boolean): Scanner {
  const contractionsFirst = !slashes;
  return (bytes, from, end) => {
    const first = bytes[from]!;
    if (contractionsFirst && first === APOSTROPHE) {
      const to = contractionEnd(bytes, from, end, true);
      if (to > from) return to;
    }
    const word = wordEnd(bytes, from, end);
    if (word > from) return contractionsFirst ? word : contractionEnd(bytes, word, end, true);
    const kind = classes[codePointAt(bytes, from)]!;
    if ((kind & CLASS.number) !== 0) {
      let to = from;
      for (
        let count = 0;
        count < maxDigits && to < end && (classes[codePointAt(bytes, to)]! & CLASS.number) !== 0;
        count++
      )
        to += sequenceLength(bytes[to]!);
      return to;
    }
    const at = first === SPACE && from + 1 < end ? from + 1 : from;
    if ((classes[codePointAt(bytes, at)]! & CLASS.other) !== 0) {
      let to = runEnd(classes, bytes, at, end, CLASS.other);
      while (to < end && (isLineEnd(bytes[to]!) || (slashes && bytes[to] === SLASH))) to++;
      return to;
    }
    return spaceEnd(classes, bytes, from, end, true);
  };
}

/** `[^\r\n\p{L}\p{N}]?\p{L}+`, or `from` where it does not match. */
function lettersAfterSign(classes: Uint8Array): Scanner {
  return (bytes, from, end) => {
    const first = bytes[from]!;
    const kind = classes[codePointAt(bytes, from)]!;
    if ((kind & CLASS.letter) !== 0) return runEnd(classes, bytes, from, end, CLASS.letter);
    if ((kind & CLASS.number) !== 0 || isLineEnd(first)) return from;
    const at = from + sequenceLength(first);
    const to = runEnd(classes, bytes, at, end, CLASS.letter);
    return to > at ? to : from;
  };
}

/**
 * The first two alternatives of o200k without their contractions, or `from` where neither matches. The first, `U*L+`, may give back
 * what it took as U: its longest match then ends behind the last code point of the run of U that is an L too.
 */
function casedWord(classes: Uint8Array): Scanner {
  const lowerEnding = (bytes: Uint8Array, from: number, end: number): number => {
    let at = from;
    let both = -1;
    while (at < end) {
      const kind = classes[codePointAt(bytes, at)]!;
      if ((kind & CLASS.upper) === 0) break;
      at += sequenceLength(bytes[at]!);
      if ((kind & CLASS.lower) !== 0) both = at;
    }
    const to = runEnd(classes, bytes, at, end, CLASS.lower);
    return to > at ? to : both;
  };
  return (bytes, from, end) => {
    const first = bytes[from]!;
    const sign =
      (classes[codePointAt(bytes, from)]! & (CLASS.letter | CLASS.number)) === 0 && !isLineEnd(first);
    const at = sign ? from + sequenceLength(first) : from;
    const lower = lowerEnding(bytes, at, end);
    if (lower > 0) return lower;
    const bare = sign ? lowerEnding(bytes, from, end) : -1;
    if (bare > 0) return bare;
    const upper = runEnd(classes, bytes, at, end, CLASS.upper);
    return upper > at ? upper : from;
  };
}

/** Numbers in pieces of at most `most` code points, and what is between them. */
function digits(classes: Uint8Array, most: number): Scanner {
  return (bytes, from, end) => {
    const numeric = classes[codePointAt(bytes, from)]! & CLASS.numeric;
    let to = from;
    for (let count = 0; to < end && (numeric === 0 || count < most); count++) {
      if ((classes[codePointAt(bytes, to)]! & CLASS.numeric) !== numeric) break;
      to += sequenceLength(bytes[to]!);
    }
    return to;
  };
}

/**
 * The end of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at `from`, or `from`. Ignoring case takes U+017F (long s) for an s,
 * as Oniguruma does.
 */
function contractionEnd(bytes: Uint8Array, from: number, end: number, ignoreCase: boolean): number {
  if (from + 1 >= end || bytes[from] !== APOSTROPHE) return from;
  const fold = ignoreCase ? 0x20 : 0;
  const first = bytes[from + 1]!;
  switch (String.fromCharCode(first | fold)) {
    case "s":
    case "t":
    case "m":
    case "d":
      return from + 2;
    case "r":
    case "v":
      return from + 2 < end && (bytes[from + 2]! | fold) === 0x65 ? from + 3 : from;
    case "l":
      return from + 2 < end && (bytes[from + 2]! | fold) === 0x6c ? from + 3 : from;
    default:
      return ignoreCase && first === 0xc5 && bytes[from + 2] === 0xbf ? from + 3 : from;
  }
}

/** The end of the run of code points from `at` on that have a bit of `mask`. */
function runEnd(classes: Uint8Array, bytes: Uint8Array, at: number, end: number, mask: number): number {
  let to = at;
  while (to < end) {
    const byte = bytes[to]!;
    if (byte < 0x80) {
      if ((classes[byte]! & mask) === 0) break;
      to++;
    } else {
      if ((classes[codePointAt(bytes, to)]! & mask) === 0) break;
      to += sequenceLength(byte);
    }
  }
  return to;
}

/** `\s*[\r\n]+` where asked for, then `\s+(?!\S)`, then `\s+`: a run of white space leaves its last one to the word behind it. */
function spaceEnd(
  classes: Uint8Array,
  bytes: Uint8Array,
  from: number,
  end: number,
  toLineEnd: boolean,
): number {
  let to = from;
  let last = from;
  let line = from;
  while (to < end && (classes[codePointAt(bytes, to)]! & CLASS.space) !== 0) {
    last = to;
    to += sequenceLength(bytes[to]!);
    if (isLineEnd(bytes[last]!)) line = to;
  }
  if (toLineEnd && line > from) return line;
  return to === end || last === from ? to : last;
}

function isLineEnd(byte: number): boolean {
  return byte === 0x0a || byte === 0x0d;
}
