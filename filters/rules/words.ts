/**
 * The words of a text, numbered: equal words have equal numbers, in order of first appearance. The rule sets of Gopher, C4 and FineWeb count them.
 * A word is a run of letters, marks and digits, with what joins it inside (`o'clock`, `3.14`, `10:30`, `f(x`);
 * `e-mail` and `and/or` are three, English clitics (`n't`, `'s`) and units behind a number are words, and so is each other punctuation mark
 * and a run of dots or of `- / \ | ^ ~ @ +`. The published rules were tuned on words like these (spaCy's English ones); fixtures/rules says where verdicts differ.
 */
import { isAbbreviation } from "./abbreviations.ts";
import { addressEnd } from "./addresses.ts";
import { DIGIT, KIND, LETTER, MARK, RUN, SPACE, TRAIL } from "./kinds.ts";
import { grown, Numbering, PRIME } from "./numbering.ts";
import type { Units } from "./units.ts";

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
  /** Where it begins and ends in the text for the first time, in UTF-16 units. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** Units that are words of their own behind a number. */
const MEASURES = new Set(
  "km m cm dm mm nm ft yd in ha kg g mg lb oz mph kmh kPa Pa mbar mb MB kb KB gb GB tb TB T G M K am pm % ° °C °F".split(
    " ",
  ),
);
const LONGEST_MEASURE = 4;
const CLITICS = new Set(["s", "m", "re", "ve", "ll", "d"].map(codeOf));
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
export function wordSplitter(): (text: Units) => Words {
  const numbering = new Numbering();
  let ids = new Int32Array(4096);
  let counts = new Int32Array(1024);
  let lengths = new Int32Array(1024);
  let made = new Uint8Array(1024);
  let count = 0;
  let source: Units;
  let units: Uint16Array;
  let kinds: Uint8Array;

  function add(start: number, end: number, hash: number, length: number, of: number): void {
    const before = numbering.distinct;
    const id = numbering.number(start, end, hash);
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
    let hash = 0;
    let length = 0;
    let of = 0;
    for (let i = start; i < end; i++) {
      hash = Math.imul(hash ^ units[i]!, PRIME);
      const kind = kinds[i]!;
      if ((kind & KIND) === LETTER) of |= HAS_LETTER | NOT_SYMBOL;
      else if ((kind & KIND) === DIGIT) of |= NOT_SYMBOL;
      if ((kind & TRAIL) === 0) length++;
    }
    add(start, end, hash, length, of);
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
    while (i < end && (kindAt(i) === DIGIT || units[i] === FULL_STOP || units[i] === COMMA)) i++;
    if (i === end || end - i > LONGEST_MEASURE) return end;
    return MEASURES.has(String.fromCharCode(...units.subarray(i, end))) ? i : end;
  }

  function notAt(start: number, end: number): number {
    if (end - start !== CANNOT.length || (units[start]! | 32) !== CANNOT.charCodeAt(0)) return end;
    for (let i = 1; i < CANNOT.length; i++) if (units[start + i] !== CANNOT.charCodeAt(i)) return end;
    return start + 3;
  }

  /** Whether a word ends at one sign that stands between two letters or digits. */
  function parts(i: number): boolean {
    const before = kinds[i - 1]! & TRAIL ? MARK : kindAt(i - 1);
    const after = kindAt(i + 1);
    switch (units[i]) {
      case FULL_STOP:
        return before === LETTER && after === LETTER && isUpper(units[i + 1]!) && !isUpper(units[i - 1]!);
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
      default:
        return units[i] === ELLIPSIS;
    }
  }

  /** Whether signs that stand between letters hold something that always parts words: two dots or dashes, or an ellipsis. */
  function hasSeparator(start: number, end: number): boolean {
    for (let i = start; i < end; i++) {
      const unit = units[i]!;
      if (unit === ELLIPSIS) return true;
      if (i + 1 < end && unit === units[i + 1] && (unit === FULL_STOP || unit === DASH || unit === EM_DASH))
        return true;
    }
    return false;
  }

  /** Where the clitic begins that an apostrophe at `at` belongs to and that ends before `behind`; -1 where there is none. */
  function cliticAt(start: number, at: number, behind: number): number {
    const size = behind - at - 1;
    if (size < 1 || size > 2) return -1;
    const tail = lower(units[at + 1]!) | (size === 2 ? lower(units[at + 2]!) << 16 : 0);
    if (CLITICS.has(tail)) return at;
    return tail === 0x74 && lower(units[at - 1]!) === 0x6e && at - 1 > start ? at - 1 : -1;
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
      if (signs - i > 1) {
        if (hasSeparator(i, signs)) break;
      } else if (APOSTROPHES.includes(units[i]!)) {
        let behind = signs;
        while (kindAt(behind) === LETTER) behind++;
        clitic = cliticAt(start, i, behind);
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
    if (kindAt(end) !== SPACE && end > start && isWordKind(end + 1) && parts(end)) {
      const whole = addressEnd(source, start);
      if (whole > end) {
        take(start, whole);
        return whole;
      }
      takeRun(start, end);
      take(end, end + 1);
      return end + 1;
    }
    return takeStopped(start, end, kind);
  }

  /** Takes [start, end) with the full stop behind it where it is an abbreviation, else without. */
  function takeStopped(start: number, end: number, kind: number): number {
    const stopped =
      units[end] === FULL_STOP &&
      kind === LETTER &&
      isAbbreviation(source, Math.max(start, end - LONGEST_ABBREVIATION), end);
    if (stopped) take(start, end + 1);
    else takeRun(start, end);
    return stopped ? end + 1 : end;
  }

  return (text) => {
    source = text;
    ({ units, kinds } = text);
    count = 0;
    numbering.begin(units, text.count >> 3);
    for (let i = 0; i < text.count; ) {
      const kind = kinds[i]! & KIND;
      const start = i;
      if (kind === SPACE) i++;
      else if (kind === LETTER) {
        let hash = 0;
        let seen = 0;
        let now = kinds[i]!;
        do {
          hash = Math.imul(hash ^ units[i]!, PRIME);
          seen |= now;
          now = kinds[++i]!;
        } while ((now & KIND) === LETTER);
        // A word that ends at white space, or at one mark before it, needs no second look.
        const plain = (now & KIND) === SPACE;
        if ((plain || kindAt(i + 1) === SPACE) && (now & KIND) !== DIGIT) {
          const usual = (units[start]! | 32) !== CANNOT.charCodeAt(0) || i - start !== CANNOT.length;
          if (usual && (seen & TRAIL) === 0 && (plain || units[i] !== FULL_STOP))
            add(start, i, hash, i - start, HAS_LETTER | NOT_SYMBOL);
          else i = takeStopped(start, i, kind);
        } else i = takeJoined(start, start, kind);
      } else if (kind === DIGIT) i = takeJoined(start, start, kind);
      else {
        if (kind === MARK) i += kinds[i + 1]! & TRAIL ? 2 : 1;
        else while (kindAt(i) === kind) i++;
        if (kind === RUN && isWordKind(i)) i = takeJoined(start, i, kind);
        else take(start, i);
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

function isUpper(unit: number): boolean {
  return unit < 128 ? unit >= 65 && unit <= 90 : UPPER.test(String.fromCharCode(unit));
}

/** ASCII small letters of capitals; no other sign has one of the clitics' letters as its small letter. */
function lower(unit: number): number {
  return unit >= 65 && unit <= 90 ? unit | 32 : unit;
}

function codeOf(text: string): number {
  return text.charCodeAt(0) | (text.length > 1 ? text.charCodeAt(1) << 16 : 0);
}
