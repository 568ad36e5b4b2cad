/**
 * How long a document is, as a filter: in code points, UTF-8 bytes, words (what white space divides), lines or tokens.
 * By default values are in thousands in the column (scale 1,000), so that every whole number up to 255,999 has a score of its own;
 * a longer text has the longest length there is.
 */
import type { OpenedFilter, OwnDocument } from "./own-filter.ts";
import { type OwnSpec, ownScale, refuse } from "./spec.ts";

const LENGTHS = {
  characters: ({ text }: OwnDocument) => codePoints(text),
  bytes: ({ text }: OwnDocument) => Buffer.byteLength(text),
  words: ({ text }: OwnDocument) => occurrences(text, /\S+/g),
  lines: ({ text }: OwnDocument) => occurrences(text, /\n/g) + 1,
  tokens: ({ tokens }: OwnDocument) => tokens.length,
} as const;

/** The filter of `length:characters`, `bytes`, `words`, `lines` or `tokens`. Throws ERR_ARGUMENT. */
export function lengthFilter(spec: OwnSpec): OpenedFilter {
  if (!Object.hasOwn(LENGTHS, spec.value))
    return refuse(spec.text, `measures "${spec.value}"; there are ${Object.keys(LENGTHS).join(", ")}`);
  const lengthOf = LENGTHS[spec.value as keyof typeof LENGTHS];
  return {
    ...ownScale(spec, { dropWhen: null, scale: 1000, cut: null, missing: "quarantine" }),
    identity: { unit: spec.value },
    saturates: true,
    values: (documents) => documents.map(lengthOf),
    why: (document) => [`${lengthOf(document)} ${spec.value}`],
  };
}

/** Code points of a text; a lone surrogate is one. */
export function codePoints(text: string): number {
  let count = text.length;
  for (let i = 1; i < text.length; i++)
    if ((text.charCodeAt(i) & 0xfc00) === 0xdc00 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) count--;
  return count;
}

function occurrences(text: string, pattern: RegExp): number {
  let count = 0;
  pattern.lastIndex = 0;
  while (pattern.test(text)) count++;
  return count;
}
