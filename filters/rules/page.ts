/**
 * A text as the rule sets look at it. What several rules need is found once, and what no rule asks for is not looked for.
 */
import { codePoints, splitLines } from "./lines.ts";
import { type Words, wordSplitter } from "./words.ts";

/** One text; its words are gone when the page turns. */
export interface Page {
  readonly text: string;
  /** Code points. */
  readonly characters: number;
  readonly lines: readonly string[];
  readonly words: Words;
}

/** Turns pages: the same text again gives the same page. Owns the memory of the words. */
export function pages(): (text: string) => Page {
  const split = wordSplitter();
  let page: Page | undefined;
  return (text) => {
    if (page?.text !== text) page = open(text, split);
    return page;
  };
}

function open(text: string, split: (text: string) => Words): Page {
  let characters: number | undefined;
  let lines: readonly string[] | undefined;
  let words: Words | undefined;
  return {
    text,
    get characters() {
      characters ??= codePoints(text);
      return characters;
    },
    get lines() {
      lines ??= splitLines(text);
      return lines;
    },
    get words() {
      words ??= split(text);
      return words;
    },
  };
}
