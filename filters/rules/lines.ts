/**
 * Lines of a text as Python's `str.splitlines` and `str.strip` see them, which is what the published rules were written with.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python breaks lines at U+001C to U+001E
const BREAKS = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python strips U+001C to U+001F
const EDGE = /^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g;

/** The lines without their ends; a break at the end of the text begins no line. */
export function splitLines(text: string): readonly string[] {
  const lines = text.split(BREAKS);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Without white space at either end. */
export function strip(text: string): string {
  return text.replace(EDGE, "");
}

/** Length in code points. */
export function codePoints(text: string): number {
  let pairs = 0;
  for (let i = 0; i + 1 < text.length; i++)
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) pairs++;
  return text.length - pairs;
}

/** How many parts repeat an earlier one, and their code points. */
export function repeated(parts: readonly string[]): { readonly parts: number; readonly characters: number } {
  const seen = new Set<string>();
  let count = 0;
  let characters = 0;
  for (const part of parts)
    if (seen.has(part)) {
      count++;
      characters += codePoints(part);
    } else seen.add(part);
  return { parts: count, characters };
}
