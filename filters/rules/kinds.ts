/**
 * What kind of sign a UTF-16 unit is, in a byte: what words, lines and sentences are cut by. One look-up a unit; the table fills as signs are seen.
 */

/** Kinds, in the low three bits. Both units of a surrogate pair have the kind of their code point. */
export const SPACE = 0;
export const LETTER = 1;
export const DIGIT = 2;
export const MARK = 3;
/** One of `- / \ | ^ ~ @ +`, of which a run is one word. */
export const RUN = 4;
export const DOT = 5;
export const KIND = 7;
/** Where Python's `str.splitlines` breaks. */
export const BREAK = 8;
/** A letter or number, but no combining mark (which is of kind LETTER). */
export const ALPHANUMERIC = 16;
/** A sign at which C4's rules look closer: an end of a sentence, a bracket, a letter by which their phrases are found. */
export const NOTABLE = 32;
/** The second unit of a surrogate pair. */
export const TRAIL = 64;

const LETTERS = /[\p{L}\p{M}]/u;
const DIGITS = /\p{N}/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts the separators U+001C to U+001F as white space
const SPACES = /[\s\x1c-\x1f\x85]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python breaks lines at U+001C to U+001E
const BREAKS = /[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const ALPHANUMERICS = /[\p{L}\p{N}]/u;
const NOTABLES = ".!?。！？{jJvVkK\u212afFmM";

/** Kind of a unit that must be looked at: a surrogate, or a unit not seen before. */
const UNKNOWN = 7;
const table = new Uint8Array(65_536).fill(UNKNOWN);
const pairs = new Map<number, number>();
for (let unit = 0; unit < 128; unit++) table[unit] = kindBySight(String.fromCharCode(unit));

function kindBySight(sign: string): number {
  let kind = MARK;
  if (LETTERS.test(sign)) kind = LETTER;
  else if (DIGITS.test(sign)) kind = DIGIT;
  else if (SPACES.test(sign)) kind = SPACE;
  else if (sign === ".") kind = DOT;
  else if ("-/\\|^~@+".includes(sign)) kind = RUN;
  if (BREAKS.test(sign)) kind |= BREAK;
  if (ALPHANUMERICS.test(sign)) kind |= ALPHANUMERIC;
  if (NOTABLES.includes(sign)) kind |= NOTABLE;
  return kind;
}

/** Writes the kinds of `units[0, count)` to `kinds` and returns how many surrogate pairs there are. Linear. */
export function sortUnits(units: Uint16Array, count: number, kinds: Uint8Array): number {
  let paired = 0;
  for (let i = 0; i < count; i++) {
    let kind = table[units[i]!]!;
    if (kind === UNKNOWN) {
      const low = i + 1 < count ? units[i + 1]! : 0;
      if ((units[i]! & 0xfc00) === 0xd800 && (low & 0xfc00) === 0xdc00) {
        kind = kindOfPair(units[i]!, low);
        kinds[i++] = kind;
        kind |= TRAIL;
        paired++;
      } else kind = kindOfUnit(units[i]!);
    }
    kinds[i] = kind;
  }
  return paired;
}

function kindOfUnit(unit: number): number {
  const kind = kindBySight(String.fromCharCode(unit));
  if ((unit & 0xf800) !== 0xd800) table[unit] = kind;
  return kind;
}

function kindOfPair(high: number, low: number): number {
  const code = ((high & 0x3ff) << 10) | (low & 0x3ff);
  let kind = pairs.get(code);
  if (kind === undefined) {
    kind = kindBySight(String.fromCharCode(high, low));
    if (pairs.size < 65_536) pairs.set(code, kind);
  }
  return kind;
}
