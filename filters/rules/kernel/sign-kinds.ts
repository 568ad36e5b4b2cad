/**
 * What kind of sign a byte of UTF-8 belongs to: bits of one byte, known to the kernel and to TypeScript alike.
 */

/** Kinds, in the low three bits. All bytes of a code point have its kind. */
export const SPACE = 0;
export const LETTER = 1;
export const DIGIT = 2;
export const MARK = 3;
/** One of `- / \ | ^ ~ @ +`, of which a run is one word. */
export const RUN = 4;
export const DOT = 5;
export const KIND = 7;
/** Where Python's `str.splitlines` breaks. Like all that follow but TRAIL it is on the first byte of a code point alone. */
export const BREAK = 8;
/** A letter or number, but no combining mark (which is of kind LETTER). */
export const ALPHANUMERIC = 16;
/** A letter by which the phrases of C4's rules are found, a rare one. */
export const PIVOT = 32;
/** On all bytes of a code point but the first. */
export const TRAIL = 64;
/** A sign at which C4's rules look closer wherever it stands: an end of a sentence, a bracket, the Kelvin sign, whose small letter is a k. */
export const NOTABLE = 128;
