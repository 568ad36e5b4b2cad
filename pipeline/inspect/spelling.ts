/**
 * Ids back to text piece by piece, so that one can point at what an id spells. Together the pieces are exactly what the tokenizer decodes.
 */
import type { TokenIds } from "../../core/document.ts";
import type { Tokenizer } from "../tokenizer/index.ts";

/** A stretch of text and the ids that spell it: one, or as many as a character has whose bytes are ids of their own. */
export interface Spelled {
  readonly text: string;
  readonly ids: readonly number[];
}

/** A character of UTF-8 has at most four bytes. */
const MOST_IDS_A_CHARACTER = 4;

/** Spells ids. Deterministic; remembers the text of each id. */
export interface Speller {
  /** What an id adds behind others; a byte that is no character by itself is U+FFFD. */
  textOf(id: number): string;
  /**
   * Spells from the first id until `characters` UTF-16 units are reached, or the end. Null where the pieces are not what decoding all of
   * them gives (some normalizers join them otherwise).
   */
  spell(ids: TokenIds, characters: number): readonly Spelled[] | null;
}

/** The speller of a tokenizer. */
export function speller(tokenizer: Tokenizer): Speller {
  // Behind a letter no id is the first of its text, which some decoders treat otherwise.
  const anchor = tokenizer.encode("a");
  const before = tokenizer.decode(anchor).length;
  const known = new Map<number, string>();
  const behindAnchor = (ids: readonly number[]) => tokenizer.decode([...anchor, ...ids]).slice(before);
  const textOf = (id: number) => {
    const text = known.get(id) ?? behindAnchor([id]);
    known.set(id, text);
    return text;
  };
  return {
    textOf,
    spell(ids, characters) {
      const pieces: Spelled[] = [];
      let length = 0;
      let at = 0;
      while (at < ids.length && length < characters) {
        let size = 1;
        let text = textOf(ids[at]!);
        while (text.includes("\ufffd") && size < MOST_IDS_A_CHARACTER && at + size < ids.length) {
          const longer = behindAnchor(Array.from(ids.subarray(at, at + size + 1)));
          size += 1;
          if (longer.includes("\ufffd")) continue;
          text = longer;
          break;
        }
        if (text.includes("\ufffd")) size = 1;
        pieces.push({ text, ids: Array.from(ids.subarray(at, at + size)) });
        length += text.length;
        at += size;
      }
      return settleFirst(pieces, tokenizer.decode(ids.subarray(0, at)));
    },
  };
}

/** The pieces of `text`; the first may have lost the space that the tokenizer put before it. */
function settleFirst(pieces: readonly Spelled[], text: string): readonly Spelled[] | null {
  const joined = pieces.map((piece) => piece.text).join("");
  if (joined === text) return pieces;
  const first = pieces.findIndex((piece) => piece.text !== "");
  if (joined !== ` ${text}` || !pieces[first]?.text.startsWith(" ")) return null;
  return pieces.map((piece, i) => (i === first ? { ...piece, text: piece.text.slice(1) } : piece));
}
