/**
 * Where the kernel leaves what it counted, as the number of a word of 32 bits; counts.ts says what each is.
 */
export const CHARACTERS = 0;
export const HASHES = 1;
export const ELLIPSES = 2;

export const WORDS = 3;
export const SOLID = 4;
export const SOLID_CHARACTERS = 5;
export const WITH_LETTERS = 6;
export const STOP_WORDS = 7;

export const LINES = 8;
export const BULLETS = 9;
export const ELLIPSIS_LINES = 10;

export const PIECES = 11;
export const REPEATED_PIECES = 12;
export const REPEATED_PIECE_CHARACTERS = 13;
export const PARAGRAPHS = 14;
export const REPEATED_PARAGRAPHS = 15;
export const REPEATED_PARAGRAPH_CHARACTERS = 16;

/** By n from 0 to MOST_GRAM. */
export const GRAMS = 17;
export const MOST_GRAM = 10;

export const PLACEHOLDERS = 28;
export const BRACKETS = 29;
export const SENTENCES = 30;

export const WRITTEN_LINES = 31;
export const TERMINATED = 32;
export const SHORT = 33;
export const REPEATED_CHARACTERS = 34;
export const NEWLINES = 35;

export const RESULTS = 36;
