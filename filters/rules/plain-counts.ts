/**
 * What the rules measure, counted in plain TypeScript: the twin that checks the kernel, and what serves where there is none.
 */
import type {
  LineCounts,
  PieceCounts,
  SentenceCounts,
  TextCounts,
  WordCounts,
  WrittenLineCounts,
} from "./counts.ts";
import type { Page } from "./page.ts";
import { countGrams, countPieces } from "./repetitions.ts";
import { countSentences } from "./sentences.ts";
import { countLines, countWords, occurrences } from "./word-counts.ts";
import { countWrittenLines } from "./written-lines.ts";

/** The counts of a page, which must not have turned when a group is first asked for. */
export class PlainCounts implements TextCounts {
  readonly characters: number;
  readonly #page: Page;
  #words?: WordCounts;
  #lines?: LineCounts;
  #pieces?: PieceCounts;
  #grams?: ArrayLike<number>;
  #sentences?: SentenceCounts;
  #writtenLines?: WrittenLineCounts;

  constructor(page: Page) {
    this.#page = page;
    this.characters = page.characters;
  }

  get hashes(): number {
    return occurrences(this.#page.text, "#");
  }

  get ellipses(): number {
    return occurrences(this.#page.text, "...") + occurrences(this.#page.text, "…");
  }

  get words(): WordCounts {
    this.#words ??= countWords(this.#page);
    return this.#words;
  }

  get lines(): LineCounts {
    this.#lines ??= countLines(this.#page);
    return this.#lines;
  }

  get pieces(): PieceCounts {
    this.#pieces ??= countPieces(this.#page);
    return this.#pieces;
  }

  get grams(): ArrayLike<number> {
    this.#grams ??= countGrams(this.#page);
    return this.#grams;
  }

  get sentences(): SentenceCounts {
    this.#sentences ??= countSentences(this.#page);
    return this.#sentences;
  }

  get writtenLines(): WrittenLineCounts {
    this.#writtenLines ??= countWrittenLines(this.#page);
    return this.#writtenLines;
  }
}
