/**
 * The words of a text, numbered: equal words have equal numbers, in order of first appearance. The rule sets of Gopher, C4 and FineWeb count them.
 * A word is a run of letters, marks and digits, with what joins it inside (`o'clock`, `3.14`, `10:30`, `f(x`);
 * `e-mail` and `and/or` are three, English clitics (`n't`, `'s`) and units behind a number are words, and so is each other punctuation mark
 * and a run of dots or of `- / \ | ^ ~ @ +`. The published rules were tuned on words like these (spaCy's English ones); fixtures/rules says where verdicts differ.
 */

/** What a word is made of: bits. */
export const LETTER = 1;
export const NOT_SYMBOL = 2;

/** The words of the last text; arrays are longer than `count` and are reused by the next text. */
export interface Words {
  /** How many there are. */
  readonly count: number;
  /** The number of each word. */
  readonly ids: Int32Array;
  /** How many different words there are; the arrays below have an entry for each. */
  readonly distinct: number;
  /** Length in code points. */
  readonly lengths: Int32Array;
  /** `LETTER` where a letter is in it, `NOT_SYMBOL` where anything but punctuation, symbols and control characters is. */
  readonly kinds: Uint8Array;
  /** The text of a numbered word. */
  word(id: number): string;
  /** Where the word at a position starts and ends, in UTF-16 units. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

const SPACE = 0;
const LETTER_CLASS = 1;
const DIGIT = 2;
const MARK = 3;
const RUN = 4;
const DOT = 5;

const LETTERS = /[\p{L}\p{M}]/u;
const DIGITS = /\p{N}/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts the separators U+001C to U+001F as white space
const SPACES = /[\p{Z}\s\x1c-\x1f\x85]/u;
const UPPER = /\p{Lu}/u;

const ASCII = Uint8Array.from({ length: 128 }, (_, code) => classBySight(String.fromCharCode(code)));

function classBySight(char: string): number {
  if (LETTERS.test(char)) return LETTER_CLASS;
  if (DIGITS.test(char)) return DIGIT;
  if (SPACES.test(char)) return SPACE;
  if (char === ".") return DOT;
  return "-/\\|^~@+".includes(char) ? RUN : MARK;
}

/** Class of a code point; those above ASCII are remembered, as a text has few of them. */
function classifier(): (code: number) => number {
  const known = new Map<number, number>();
  return (code) => {
    if (code < 128) return ASCII[code]!;
    let kind = known.get(code);
    if (kind === undefined) {
      kind = classBySight(String.fromCodePoint(code));
      if (known.size < 65_536) known.set(code, kind);
    }
    return kind;
  };
}

const CLITICS = new Set(["s", "m", "re", "ve", "ll", "d"]);

/** Units that are words of their own behind a number. */
const UNITS = new Set(
  "km m cm dm mm nm ft yd in ha kg g mg lb oz mph kmh kPa Pa mbar mb MB kb KB gb GB tb TB T G M K am pm % ° °C °F".split(
    " ",
  ),
);

/** An address: protocol, user, host with a top-level domain in lower case, port and path, of which only the host must be there. */
const ADDRESS =
  /^(?:[\w+.-]{2,}:\/\/)?(?:[^\s@]+@)?(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?\.)+\p{Ll}{2,63}(?::\d{2,5})?(?:[/?#]\S*)?$/u;
const LONGEST_ADDRESS = 2048;
const CLOSING = ".,;:!?)]}>\"'’”*_&#»";

const ABBREVIATION =
  /^(?:\p{L}|[A-Z](?:\.[A-Z])+|a\.m|p\.m|e\.g|i\.e|Ph\.D|Mrs?|Ms|Messrs|Dr|Prof|Rev|Gen|Gov|Sen|Rep|Adm|St|Mt|Inc|[Cc]o|Corp|Ltd|Bros|Jr|vs|Jan|Feb|Apr|Aug|Sept?|Oct|Nov|Dec)$/u;

/** Whether a full stop behind it ends no sentence. `word` is without the stop. */
export function isAbbreviation(word: string): boolean {
  return ABBREVIATION.test(word);
}

/** Makes a splitter. It owns its memory: the words of one text are gone when the next is split. Deterministic, linear in the text. */
export function wordSplitter(): (text: string) => Words {
  const classOf = classifier();
  let starts = new Int32Array(4096);
  let ends = new Int32Array(4096);
  let ids = new Int32Array(4096);
  let lengths = new Int32Array(1024);
  let firsts = new Int32Array(1024);
  let hashes = new Int32Array(1024);
  let kinds = new Uint8Array(1024);
  let table = new Int32Array(8192).fill(-1);
  let count = 0;
  let distinct = 0;
  let source = "";

  function number(start: number, end: number, hash: number, kind: number, length: number): void {
    if (count === starts.length) {
      starts = grown(starts);
      ends = grown(ends);
      ids = grown(ids);
    }
    const mask = table.length - 1;
    let slot = Math.imul(hash, 0x9e3779b1) >>> 7;
    let id = -1;
    for (; ; slot++) {
      id = table[slot & mask]!;
      if (id < 0 || (hashes[id] === hash && same(firsts[id]!, start, end - start))) break;
    }
    if (id < 0) {
      id = distinct++;
      if (id === lengths.length) {
        lengths = grown(lengths);
        firsts = grown(firsts);
        hashes = grown(hashes);
        kinds = grown(kinds);
      }
      lengths[id] = length;
      firsts[id] = count;
      hashes[id] = hash;
      kinds[id] = kind;
      table[slot & mask] = id;
    }
    starts[count] = start;
    ends[count] = end;
    ids[count++] = id;
    if (distinct * 2 > table.length) rehash();
  }

  function same(position: number, start: number, size: number): boolean {
    const from = starts[position]!;
    if (ends[position]! - from !== size) return false;
    for (let i = 0; i < size; i++)
      if (source.charCodeAt(from + i) !== source.charCodeAt(start + i)) return false;
    return true;
  }

  function rehash(): void {
    table = new Int32Array(table.length * 2).fill(-1);
    const mask = table.length - 1;
    for (let id = 0; id < distinct; id++) {
      let slot = Math.imul(hashes[id]!, 0x9e3779b1) >>> 7;
      while (table[slot & mask]! >= 0) slot++;
      table[slot & mask] = id;
    }
  }

  /** The class of what stands at `i`, and how many units it takes. */
  function at(i: number): { readonly kind: number; readonly units: number } {
    if (i >= source.length) return NOTHING;
    const unit = source.charCodeAt(i);
    if (unit < 128) return ONE[ASCII[unit]!]!;
    const code = source.codePointAt(i)!;
    return (code > 0xffff ? TWO : ONE)[classOf(code)]!;
  }

  /** Numbers [start, end) as one word. */
  function take(start: number, end: number): void {
    let hash = 0;
    let length = 0;
    let kind = 0;
    for (let i = start; i < end; length++) {
      const { kind: of, units } = at(i);
      for (let u = 0; u < units; u++) hash = Math.imul(hash ^ source.charCodeAt(i + u), 0x01000193);
      if (of === LETTER_CLASS) kind |= LETTER | NOT_SYMBOL;
      else if (of === DIGIT) kind |= NOT_SYMBOL;
      i += units;
    }
    number(start, end, hash, kind, length);
  }

  /** Whether a word ends at one sign that stands between two letters or digits. */
  function parts(i: number): boolean {
    const before = at(i - 1).kind;
    const after = at(i + 1).kind;
    switch (source[i]!) {
      case ".":
        return (
          before === LETTER_CLASS &&
          after === LETTER_CLASS &&
          UPPER.test(source[i + 1]!) &&
          !UPPER.test(source[i - 1]!)
        );
      case ",":
        return before === LETTER_CLASS && after === LETTER_CLASS;
      case ":":
      case "/":
      case "=":
      case "<":
      case ">":
        return after === LETTER_CLASS;
      case "-":
        return after === LETTER_CLASS || before === DIGIT;
      case "+":
      case "*":
      case "^":
        return before === DIGIT && after === DIGIT;
      case "~":
      case "–":
      case "—":
        return after === LETTER_CLASS;
      default:
        return source[i] === "…";
    }
  }

  /** From the start of a word: its end, behind all that joins. `clitic` is where a clitic begins, or the end. */
  function runEnd(start: number): { readonly end: number; readonly clitic: number } {
    let i = start;
    for (;;) {
      const here = at(i);
      if (here.kind === LETTER_CLASS || here.kind === DIGIT) {
        i += here.units;
        continue;
      }
      let signs = i;
      for (
        let one = at(signs);
        one.kind !== SPACE && one.kind !== LETTER_CLASS && one.kind !== DIGIT;
        one = at(signs)
      )
        signs += one.units;
      if (at(signs).kind === SPACE) break;
      const joint = source.slice(i, signs);
      if (joint.length > 1) {
        if (/\.\.|…|--|——/.test(joint)) break;
      } else if (joint === "'" || joint === "’") {
        let behind = signs;
        for (let one = at(behind); one.kind === LETTER_CLASS; one = at(behind)) behind += one.units;
        const tail = source.slice(signs, behind).toLowerCase();
        if (CLITICS.has(tail)) return { end: behind, clitic: i };
        if (tail === "t" && source[i - 1]?.toLowerCase() === "n" && i - 1 > start)
          return { end: behind, clitic: i - 1 };
      } else if (parts(i)) break;
      i = signs;
    }
    return { end: i, clitic: i };
  }

  /** Numbers [start, end) as one word, or as two where it is a number with its unit, or `cannot`. */
  function takeRun(start: number, end: number): void {
    const middle = at(start).kind === DIGIT ? unitAt(start, end) : end - start === 6 ? notAt(start) : end;
    take(start, middle);
    if (middle < end) take(middle, end);
  }

  /** The end of the address (of a page, a file on a host, a mailbox) that begins at `start`; `start` where none does. */
  function addressEnd(start: number): number {
    let end = start;
    for (let one = at(end); one.kind !== SPACE && end - start < LONGEST_ADDRESS; one = at(end))
      end += one.units;
    while (end > start && CLOSING.includes(source[end - 1]!)) end--;
    return ADDRESS.test(source.slice(start, end)) ? end : start;
  }

  function unitAt(start: number, end: number): number {
    let i = start;
    while (i < end && (at(i).kind === DIGIT || source[i] === "." || source[i] === ",")) i++;
    return i < end && end - i <= 4 && UNITS.has(source.slice(i, end)) ? i : end;
  }

  function notAt(start: number): number {
    return /^[cC]annot$/.test(source.slice(start, start + 6)) ? start + 3 : start + 6;
  }

  return (text) => {
    source = text;
    count = 0;
    distinct = 0;
    table.fill(-1);
    for (let i = 0; i < text.length; ) {
      const { kind, units } = at(i);
      const start = i;
      if (kind === SPACE) {
        i += units;
        continue;
      }
      if (kind === MARK) i += units;
      else if (kind === RUN || kind === DOT) while (at(i).kind === kind) i++;
      const next = at(i).kind;
      const word = i === start || (kind === RUN && (next === LETTER_CLASS || next === DIGIT));
      if (!word) {
        take(start, i);
        continue;
      }
      const { end, clitic } = runEnd(i);
      i = end;
      if (clitic < end) {
        take(start, clitic);
        take(clitic, end);
      } else if (
        at(end).kind !== SPACE &&
        end > start &&
        (at(end + 1).kind === LETTER_CLASS || at(end + 1).kind === DIGIT) &&
        parts(end)
      ) {
        const whole = addressEnd(start);
        if (whole > end) {
          i = whole;
          take(start, i);
        } else {
          takeRun(start, end);
          take(end, ++i);
        }
      } else if (
        text[end] === "." &&
        kind === LETTER_CLASS &&
        isAbbreviation(text.slice(Math.max(start, end - 12), end))
      )
        take(start, ++i);
      else takeRun(start, end);
    }
    return {
      count,
      ids,
      distinct,
      lengths,
      kinds,
      starts,
      ends,
      word: (id) => text.slice(starts[firsts[id]!]!, ends[firsts[id]!]!),
    };
  };
}

const ONE = [SPACE, LETTER_CLASS, DIGIT, MARK, RUN, DOT].map((kind) => ({ kind, units: 1 }));
const TWO = [SPACE, LETTER_CLASS, DIGIT, MARK, RUN, DOT].map((kind) => ({ kind, units: 2 }));
const NOTHING = { kind: SPACE, units: 1 };

function grown<T extends Int32Array | Uint8Array>(from: T): T {
  const to = new (from.constructor as new (length: number) => T)(from.length * 2);
  to.set(from);
  return to;
}
