/**
 * Text in columns of a terminal: how wide it is there, and where lines end. Marked stretches keep their marks over the end of a line.
 */

/** A stretch of text and how it is to look. */
export interface Fragment {
  readonly text: string;
  /** Escape sequences, or signs of their own width, around each word of it. */
  readonly before: string;
  readonly after: string;
}

/** Code points that take two columns (East Asian wide and full width, and emoji), in the terminals' own rough way. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const COMBINING = /[\p{Mn}\p{Me}\p{Cf}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colour
const COLOUR = /\u001b\[[\d;]*m/g;

/** The columns that a text takes, without its colours. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text.replaceAll(COLOUR, ""))
    columns += COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}

/**
 * Lines of at most `width` columns. Lines end where the text's do and between words; a word that is wider than a line is cut. White space
 * inside a line becomes one space, several empty lines one.
 */
export function wrap(fragments: readonly Fragment[], width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  let columns = 0;
  let space = false;
  const end = () => {
    if (line !== "" || (lines.length > 0 && lines.at(-1) !== "")) lines.push(line);
    line = "";
    columns = 0;
    space = false;
  };
  let word: string[] = [];
  let wordColumns = 0;
  const place = () => {
    if (word.length === 0) return;
    const gap = space && columns > 0 ? 1 : 0;
    if (columns > 0 && columns + gap + wordColumns > width) end();
    else if (gap === 1) {
      line += " ";
      columns += 1;
    }
    line += word.join("");
    columns += wordColumns;
    word = [];
    wordColumns = 0;
    space = false;
  };
  for (const { text, before, after } of fragments)
    for (const part of text.split(/(\s+)/)) {
      if (part === "") continue;
      if (part.trim() === "") {
        place();
        const breaks = part.split("\n").length - 1;
        if (breaks === 0) space = true;
        for (let i = 0; i < Math.min(2, breaks); i++) end();
        continue;
      }
      const around = columnsOf(before + after);
      for (const piece of cut(part, Math.max(1, width - around))) {
        const own = columnsOf(piece) + around;
        if (wordColumns + own > width) place();
        word.push(before + piece + after);
        wordColumns += own;
      }
    }
  place();
  end();
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Pieces of a word, none wider than a line. */
function cut(word: string, width: number): readonly string[] {
  if (columnsOf(word) <= width) return [word];
  const pieces: string[] = [];
  let piece = "";
  let columns = 0;
  for (const character of word) {
    const own = columnsOf(character);
    if (columns + own > width && piece !== "") {
      pieces.push(piece);
      piece = "";
      columns = 0;
    }
    piece += character;
    columns += own;
  }
  return piece === "" ? pieces : [...pieces, piece];
}
