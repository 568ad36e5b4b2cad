/**
 * What the `tokenizers` library holds each code point to be, from tables that were asked of it (unicode-tables.ts), and its NFC.
 * Its parts know three versions of Unicode and Node a fourth, so Node's own `\p{L}` and `normalize` may not decide alone.
 */
import { CLASS_RUNS, CLASS_VALUES, NFC_ISOLATED } from "./unicode-tables.ts";

/** Bits of a code point's class. Exactly one of `letter`, `number`, `space` and `other` is set but for surrogates, which have none. */
export const CLASS = {
  /** `\p{L}`, `\p{N}` and `\s` of its regular expressions. */
  letter: 1,
  number: 2,
  space: 4,
  /** What its Digits pre-tokenizer cuts out: newer than `\p{N}`. */
  numeric: 8,
  /** `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`. */
  upper: 16,
  lower: 32,
  /** `[^\s\p{L}\p{N}]`. */
  other: 64,
} as const;

let classes: Uint8Array | undefined;

/** The class of every code point, 1.1 MB; made at the first call and shared. */
export function codePointClasses(): Uint8Array {
  if (classes !== undefined) return classes;
  const made = new Uint8Array(0x110000);
  let at = 0;
  for (const [, length, letter] of CLASS_RUNS.matchAll(/([0-9a-z]+)([A-Z])/g)) {
    const end = at + Number.parseInt(length!, 36);
    made.fill(CLASS_VALUES[letter!.charCodeAt(0) - 65]!, at, end);
    at = end;
  }
  classes = made;
  return made;
}

const isolated = new RegExp(
  `([${NFC_ISOLATED.split(",")
    .map((range) => {
      const [from, to] = range.split("-").map((point) => `\\u{${Number.parseInt(point, 36).toString(16)}}`);
      return to === undefined ? from : `${from}-${to}`;
    })
    .join("")}]+)`,
  "u",
);

/** NFC as the library has it (Unicode 9): stretches of what it does not know are left as they are and nothing crosses them. */
export function normalizeNfc(text: string): string {
  if (!isolated.test(text)) return text.normalize("NFC");
  return text
    .split(isolated)
    .map((part, i) => (i % 2 === 0 ? part.normalize("NFC") : part))
    .join("");
}
