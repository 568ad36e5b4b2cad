/**
 * A text as plain TypeScript reads it for the rule sets. Lines and words are cut when they are first asked for.
 */
import { type Bytes, byteReader } from "./bytes.ts";
import { breakLines, type Stretches } from "./lines.ts";
import { type Words, wordSplitter } from "./words.ts";

/** One text; what is in its arrays is gone when the page turns. */
export interface Page extends Bytes {
  /** As Python's `str.splitlines` cuts them. */
  readonly lines: Stretches;
  readonly words: Words;
}

/** Turns pages: the same text again gives the same page. Owns the memory of all that is on it. */
export function pages(): (text: string) => Page {
  const read = byteReader();
  const cut = breakLines();
  const split = wordSplitter();
  let page: Page | undefined;
  return (text) => {
    if (page?.text !== text) page = open(read(text), cut, split);
    return page;
  };
}

function open(of: Bytes, cut: (of: Bytes) => Stretches, split: (of: Bytes) => Words): Page {
  let lines: Stretches | undefined;
  let words: Words | undefined;
  return {
    ...of,
    get lines() {
      lines ??= cut(of);
      return lines;
    },
    get words() {
      words ??= split(of);
      return words;
    },
  };
}
