/**
 * What the rules measure: whole numbers counted in one text. Whoever counts them, the kernel or plain TypeScript, gives the same numbers; all
 * division is left to the rules.
 */

/** The counts of one text. A group is counted when it is first asked for, and must be asked for before the next text is read. */
export interface TextCounts {
  /** Code points. */
  readonly characters: number;
  readonly hashes: number;
  /** `…` and `...`. */
  readonly ellipses: number;
  readonly words: WordCounts;
  readonly lines: LineCounts;
  readonly pieces: PieceCounts;
  /**
   * By n, code points of the most frequent n-gram with single spaces times its count (n from 2 to 4; 0 where there are fewer words), and of n-grams that
   * were there before, without spaces and no word twice (n from 5 to 10).
   */
  readonly grams: ArrayLike<number>;
  readonly sentences: SentenceCounts;
  readonly writtenLines: WrittenLineCounts;
}

/** Words as words.ts cuts them. */
export interface WordCounts {
  readonly count: number;
  /** Those that are more than punctuation, symbols and control characters, and their code points. */
  readonly solid: number;
  readonly characters: number;
  readonly withLetters: number;
  /** How many of Gopher's stop words are there. */
  readonly stopWords: number;
}

/** Lines as Python's `str.splitlines` cuts them. */
export interface LineCounts {
  readonly count: number;
  readonly bullets: number;
  /** Those that end in an ellipsis. */
  readonly ellipses: number;
}

/** Pieces that repeat an earlier one, and their code points. */
export interface Repeated {
  readonly parts: number;
  readonly characters: number;
}

/** Lines between newlines, and paragraphs between two or more of them. */
export interface PieceCounts {
  readonly lineCount: number;
  readonly lines: Repeated;
  readonly paragraphCount: number;
  readonly paragraphs: Repeated;
}

/** In the lines that C4 looks at. */
export interface SentenceCounts {
  /** Lines with placeholder text, and with a curly bracket. */
  readonly placeholders: number;
  readonly brackets: number;
  /** Sentences in lines that stay. */
  readonly count: number;
}

/** Lines between newlines that are not blank. */
export interface WrittenLineCounts {
  readonly count: number;
  /** Those that end as a sentence does. */
  readonly terminated: number;
  /** Those of up to 30 code points. */
  readonly short: number;
  /** Code points of those that repeat an earlier one. */
  readonly repeatedCharacters: number;
  /** In the whole text. */
  readonly newlines: number;
}
