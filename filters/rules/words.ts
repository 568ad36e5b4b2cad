/**
 * The words of a text, numbered: equal words have equal numbers, in order of first appearance. The rule sets of Gopher, C4 and FineWeb count them.
 * A word is a run of letters, marks and digits, with what joins it inside (`o'clock`, `3.14`, `10:30`, `f(x`);
 * `e-mail` and `and/or` are three, English clitics (`n't`, `'s`) and units behind a number are words, and so is each other punctuation mark
 * and a run of dots or of `- / \ | ^ ~ @ +`. The published rules were tuned on words like these (spaCy's English ones); fixtures/rules says where verdicts differ.
 */
import { isAbbreviation } from "./abbreviations.ts";
import { addressEnd } from "./addresses.ts";
import type { Bytes } from "./bytes.ts";
import { grown } from "./grown.ts";
import { DIGIT, KIND, LETTER, MARK, RUN, SPACE, TRAIL } from "./kernel/sign-kinds.ts";
import { Numbering } from "./numbering.ts";
import { codeAt, sizeOf } from "./utf8.ts";

/** What a word is made of: bits. */
export const HAS_LETTER = 1;
export const NOT_SYMBOL = 2;

/** The words of the last text; arrays are longer than `count` or `distinct` and are reused by the next text. */
export interface Words {
  /** How many there are. */
  readonly count: number;
  /** The number of each word. */
  readonly ids: Int32Array;
  /** How many different words there are; the arrays below have an entry for each. */
  readonly distinct: number;
  /** How often it is there. */
  readonly counts: Int32Array;
  /** Length in code points. */
  readonly lengths: Int32Array;
  /** `HAS_LETTER` where a letter is in it, `NOT_SYMBOL` where anything but punctuation, symbols and control characters is. */
  readonly kinds: Uint8Array;
  /** Where it begins and ends in the text for the first time, in bytes. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** Units that are words of their own behind a number. */
export const MEASURES =
  "km m cm dm mm nm ft yd in ha kg g mg lb oz mph kmh kPa Pa mbar mb MB kb KB gb GB tb TB T G M K am pm % ° °C °F".split(
    " ",
  );
const MEASURE_SET = new Set(MEASURES);
const LONGEST_MEASURE = 4;
/** One or two letters, the second in the next eight bits. */
const CLITICS = new Set(
  ["s", "m", "re", "ve", "ll", "d"].map((letters) => Buffer.from(`${letters}\0`).readUInt16LE()),
);
const SMALL_T = 0x74;
const SMALL_N = 0x6e;
const LONGEST_ABBREVIATION = 12;
const CANNOT = "cannot";
const APOSTROPHES = ["'", "’"].map(codeOf);
const [COMMA, FULL_STOP, ELLIPSIS, DASH, EM_DASH] = [",", ".", "…", "-", "—"].map(codeOf) as [
  number,
  number,
  number,
  number,
  number,
];
const UPPER = /\p{Lu}/u;

/** Makes a splitter. It owns its memory: the words of one text are gone when the next is split. Deterministic, linear in the text. */
export function wordSplitter(): (text: Bytes) => Words {
  const numbering = new Numbering();
  let ids = new Int32Array(4096);
  let counts = new Int32Array(1024);
  let lengths = new Int32Array(1024);
  let made = new Uint8Array(1024);
  let count = 0;
  let source: Bytes;
  let bytes: Buffer;
  let kinds: Uint8Array;

  function add(start: number, end: number, length: number, of: number): void {
    const before = numbering.distinct;
    const id = numbering.number(start, end);
    if (id === before) {
      if (id === lengths.length) {
        lengths = grown(lengths);
        counts = grown(counts);
        made = grown(made);
      }
      lengths[id] = length;
      made[id] = of;
      counts[id] = 1;
    } else counts[id]!++;
    if (count === ids.length) ids = grown(ids);
    ids[count++] = id;
  }

  /** Numbers [start, end) as one word. */
  function take(start: number, end: number): void {
    let length = 0;
    let of = 0;
    for (let i = start; i < end; i++) {
      const kind = kinds[i]!;
      if ((kind & KIND) === LETTER) of |= HAS_LETTER | NOT_SYMBOL;
      else if ((kind & KIND) === DIGIT) of |= NOT_SYMBOL;
      if ((kind & TRAIL) === 0) length++;
    }
    add(start, end, length, of);
  }

  /** Numbers [start, end) as one word, or as two where it is a number with its unit, or `cannot`. */
  function takeRun(start: number, end: number): void {
    const middle = kindAt(start) === DIGIT ? measureAt(start, end) : notAt(start, end);
    take(start, middle);
    if (middle < end) take(middle, end);
  }

  function kindAt(i: number): number {
    return kinds[i]! & KIND;
  }

  function isWordKind(i: number): boolean {
    const kind = kindAt(i);
    return kind === LETTER || kind === DIGIT;
  }

  function measureAt(start: number, end: number): number {
    let i = start;
    while (i < end && (kindAt(i) === DIGIT || bytes[i] === FULL_STOP || bytes[i] === COMMA)) i++;
    if (i === end || end - i > LONGEST_MEASURE) return end;
    return MEASURE_SET.has(bytes.toString("utf8", i, end)) ? i : end;
  }

  function notAt(start: number, end: number): number {
    if (end - start !== CANNOT.length || (bytes[start]! | 32) !== CANNOT.charCodeAt(0)) return end;
    for (let i = 1; i < CANNOT.length; i++) if (bytes[start + i] !== CANNOT.charCodeAt(i)) return end;
    return start + 3;
  }

  /** Whether a word ends at one sign that stands between two letters or digits. */
  function parts(i: number): boolean {
    const behind = i + sizeOf(bytes[i]!);
    const before = kindAt(i - 1);
    const after = kindAt(behind);
    switch (codeAt(bytes, i)) {
      case FULL_STOP:
        return before === LETTER && after === LETTER && isUpper(behind) && !isUpper(startOf(i - 1));
      case COMMA:
        return before === LETTER && after === LETTER;
      case 0x3a: // : / = < > ~ – —
      case 0x2f:
      case 0x3d:
      case 0x3c:
      case 0x3e:
      case 0x7e:
      case 0x2013:
      case EM_DASH:
        return after === LETTER;
      case DASH:
        return after === LETTER || before === DIGIT;
      case 0x2b: // + * ^
      case 0x2a:
      case 0x5e:
        return before === DIGIT && after === DIGIT;
      case ELLIPSIS:
        return true;
      default:
        return false;
    }
  }

  function startOf(i: number): number {
    let start = i;
    while (kinds[start]! & TRAIL) start--;
    return start;
  }

  function isUpper(at: number): boolean {
    const byte = bytes[at]!;
    return byte < 128 ? byte >= 65 && byte <= 90 : isUpperSign(codeAt(bytes, at));
  }

  /** Whether signs that stand between letters hold something that always parts words: two dots or dashes, or an ellipsis. */
  function hasSeparator(start: number, end: number): boolean {
    for (let i = start; i < end; i += sizeOf(bytes[i]!)) {
      const sign = codeAt(bytes, i);
      if (sign === ELLIPSIS) return true;
      const next = i + sizeOf(bytes[i]!);
      if (
        (sign === FULL_STOP || sign === DASH || sign === EM_DASH) &&
        next < end &&
        codeAt(bytes, next) === sign
      )
        return true;
    }
    return false;
  }

  /** Where the clitic begins whose apostrophe is at `at` and whose letters are [from, end); -1 where there is none. */
  function cliticAt(start: number, at: number, from: number, end: number): number {
    const size = end - from;
    if (size < 1 || size > 2) return -1;
    const tail = lower(bytes[from]!) | (size === 2 ? lower(bytes[from + 1]!) << 8 : 0);
    if (CLITICS.has(tail)) return at;
    return tail === SMALL_T && lower(bytes[at - 1]!) === SMALL_N && at - 1 > start ? at - 1 : -1;
  }

  let clitic = 0;

  /** From the start of a word: its end, behind all that joins; `clitic` is then where a clitic begins, or the end. */
  function runEnd(start: number): number {
    let i = start;
    for (;;) {
      while (isWordKind(i)) i++;
      let signs = i;
      while (kindAt(signs) >= MARK) signs++;
      if (kindAt(signs) === SPACE) break;
      if (signs - i > sizeOf(bytes[i]!)) {
        if (hasSeparator(i, signs)) break;
      } else if (APOSTROPHES.includes(codeAt(bytes, i))) {
        let behind = signs;
        while (kindAt(behind) === LETTER) behind++;
        clitic = cliticAt(start, i, signs, behind);
        if (clitic >= 0) return behind;
      } else if (parts(i)) break;
      i = signs;
    }
    clitic = i;
    return i;
  }

  /** Takes the word that begins at `start`, whose joined part begins at `i`, whatever joins it; returns where to go on. */
  function takeJoined(start: number, from: number, kind: number): number {
    const end = runEnd(from);
    if (clitic < end) {
      take(start, clitic);
      take(clitic, end);
      return end;
    }
    const behind = end + sizeOf(bytes[end]!);
    if (kindAt(end) !== SPACE && end > start && isWordKind(behind) && parts(end)) {
      const whole = addressEnd(source, start);
      if (whole > end) {
        take(start, whole);
        return whole;
      }
      takeRun(start, end);
      take(end, behind);
      return behind;
    }
    return takeStopped(start, end, kind);
  }

  /** Takes [start, end) with the full stop behind it where it is an abbreviation, else without. */
  function takeStopped(start: number, end: number, kind: number): number {
    const stopped = bytes[end] === FULL_STOP && kind === LETTER && isStopped(start, end);
    if (stopped) take(start, end + 1);
    else takeRun(start, end);
    return stopped ? end + 1 : end;
  }

  function isStopped(start: number, end: number): boolean {
    return isAbbreviation(source, Math.max(start, end - LONGEST_ABBREVIATION), end);
  }

  return (text) => {
    source = text;
    ({ bytes, kinds } = text);
    count = 0;
    numbering.begin(text, text.count >> 3);
    for (let i = 0; i < text.count; ) {
      const kind = kinds[i]! & KIND;
      const start = i;
      if (kind === SPACE) i++;
      else if (kind === LETTER) {
        let seen = 0;
        let now = kinds[i]!;
        do {
          seen |= now;
          now = kinds[++i]!;
        } while ((now & KIND) === LETTER);
        // A word that ends at white space, or at one mark before it, needs no second look.
        const plain = (now & KIND) === SPACE;
        if ((plain || kindAt(i + 1) === SPACE) && (now & KIND) !== DIGIT) {
          const usual = (bytes[start]! | 32) !== CANNOT.charCodeAt(0) || i - start !== CANNOT.length;
          if (!usual || (seen & TRAIL) !== 0 || (!plain && bytes[i] === FULL_STOP && isStopped(start, i)))
            i = takeStopped(start, i, kind);
          else add(start, i, i - start, HAS_LETTER | NOT_SYMBOL);
        } else i = takeJoined(start, start, kind);
      } else if (kind === DIGIT) i = takeJoined(start, start, kind);
      else {
        if (kind === MARK) i += sizeOf(bytes[i]!);
        else while (kindAt(i) === kind) i++;
        if (kind === RUN && isWordKind(i)) i = takeJoined(start, i, kind);
        else add(start, i, kind === MARK ? 1 : i - start, 0);
      }
    }
    return {
      count,
      ids,
      distinct: numbering.distinct,
      counts,
      lengths,
      kinds: made,
      starts: numbering.starts,
      ends: numbering.ends,
    };
  };
}

/** Whether a code point is a capital letter. */
export function isUpperSign(code: number): boolean {
  return UPPER.test(String.fromCodePoint(code));
}

/** ASCII small letters of capitals; no other sign has one of the clitics' letters as its small letter. */
function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte | 32 : byte;
}

function codeOf(sign: string): number {
  return sign.codePointAt(0)!;
}
