/**
 * Text of strangers made safe to look at: what would steer a terminal, turn the direction of what follows or not be seen at all is spelled out.
 */

/**
 * Controls but tab and line feed; characters of format (marks and overrides of direction, invisible spaces and operators, tags) but the two
 * joiners and the Arabic and Kaithi signs, which are seen; separators of lines and paragraphs; halves of pairs.
 */
const UNSEEN =
  /(?![\t\n])\p{Cc}|(?!\u200c|\u200d|[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}])\p{Cf}|\p{Zl}|\p{Zp}|\p{Cs}/gu;

/** The text with each such character as its picture (C0 and DEL) or its code point, such as ⟨U+202E⟩. Line feeds and tabs stay. */
export function visibleText(text: string): string {
  return text.replaceAll(UNSEEN, (character) => {
    const code = character.codePointAt(0)!;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
  });
}
