/**
 * Byte-pair encoding as its definition reads, quadratic and over strings, to hold the fast one against.
 */
import { bytePiece, SPACE_MARK, type Vocabulary } from "../../../pipeline/tokenizer/vocabulary.ts";

/** The ids of a text: merge the best-ranked adjacent pair, the leftmost among equals, until none makes a piece. */
export function referenceIds(vocabulary: Vocabulary, text: string): number[] {
  if (text === "") return [];
  const marked = ((vocabulary.dummyPrefix ? " " : "") + text.toWellFormed()).replaceAll(" ", SPACE_MARK);
  const symbols = [...marked];
  for (;;) {
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const id = vocabulary.ids.get(symbols[i]! + symbols[i + 1]!);
      if (id !== undefined && vocabulary.ranks[id]! < bestRank) {
        best = i;
        bestRank = vocabulary.ranks[id]!;
      }
    }
    if (best < 0) break;
    symbols.splice(best, 2, symbols[best]! + symbols[best + 1]!);
  }
  return symbols.flatMap((symbol) => {
    const id = vocabulary.ids.get(symbol);
    if (id !== undefined) return [id];
    return [...Buffer.from(symbol)].map((byte) => vocabulary.pieces.indexOf(bytePiece(byte)));
  });
}
