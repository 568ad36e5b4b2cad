/**
 * What kind of sign a byte of UTF-8 belongs to, in a byte: what words, lines and sentences are cut by.
 */
import { grown } from "./grown.ts";
import {
  ALPHANUMERIC,
  BREAK,
  DIGIT,
  DOT,
  KIND,
  LETTER,
  MARK,
  NOTABLE,
  PIVOT,
  RUN,
  SPACE,
  TRAIL,
} from "./kernel/sign-kinds.ts";
import { codeAt, sizeOf } from "./utf8.ts";

const LETTERS = /[\p{L}\p{M}]/u;
const DIGITS = /\p{N}/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts the separators U+001C to U+001F as white space
const SPACES = /[\s\x1c-\x1f\x85]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python breaks lines at U+001C to U+001E
const BREAKS = /[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const ALPHANUMERICS = /[\p{L}\p{N}]/u;
const NOTABLES = ".!?。！？{[\u212a";
const PIVOTS = "jJvVkKfFmM";

/** The kinds of ASCII. */
export const ASCII = Uint8Array.from({ length: 128 }, (_, code) => kindBySight(code));
/** No kind of a first byte: not seen yet. */
const UNKNOWN = TRAIL;

/** The kind of the first byte of a code point. */
export function kindBySight(code: number): number {
  const sign = String.fromCodePoint(code);
  let kind = MARK;
  if (LETTERS.test(sign)) kind = LETTER;
  else if (DIGITS.test(sign)) kind = DIGIT;
  else if (SPACES.test(sign)) kind = SPACE;
  else if (sign === ".") kind = DOT;
  else if ("-/\\|^~@+".includes(sign)) kind = RUN;
  if (BREAKS.test(sign)) kind |= BREAK;
  if (ALPHANUMERICS.test(sign)) kind |= ALPHANUMERIC;
  if (NOTABLES.includes(sign)) kind |= NOTABLE;
  if (PIVOTS.includes(sign)) kind |= PIVOT;
  return kind;
}

/** Finds the kinds of a text, and where its lines may break. Remembers the kinds of code points that it has seen. */
export class KindSorter {
  breaks = new Int32Array(1024);
  breakCount = 0;
  readonly #known = new Uint8Array(0x11_0000).fill(UNKNOWN);

  /** Writes the kinds of `bytes[0, count)` to `kinds`; returns how many bytes are not the first of a code point. Linear. */
  sort(bytes: Uint8Array, count: number, kinds: Uint8Array): number {
    const known = this.#known;
    let trails = 0;
    let breaks = this.breaks;
    let found = 0;
    for (let i = 0; i < count; ) {
      const lead = bytes[i]!;
      const kind = lead < 0x80 ? ASCII[lead]! : kindOf(codeAt(bytes, i), known);
      if (kind & BREAK) {
        if (found === breaks.length) breaks = grown(breaks);
        breaks[found++] = i;
      }
      kinds[i++] = kind;
      if (lead < 0x80) continue;
      for (let size = sizeOf(lead); size > 1; size--, trails++) kinds[i++] = (kind & KIND) | TRAIL;
    }
    this.breaks = breaks;
    this.breakCount = found;
    return trails;
  }
}

function kindOf(code: number, known: Uint8Array): number {
  let kind = known[code]!;
  if (kind === UNKNOWN) {
    kind = kindBySight(code);
    known[code] = kind;
  }
  return kind;
}
