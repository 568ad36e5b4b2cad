/**
 * `--special-tokens parse`: literal `<s>`, `</s>` and `<unk>` in a text become their control ids, as Hugging Face's tokenizers does
 * with LLaMA-2's file, where every stretch between them is a text of its own with a space mark in front. The default spells them out.
 */
import { ensureCapacity, type TokenBuffer } from "./tokenizer.ts";
import { PIECE_TYPE, type Vocabulary } from "./vocabulary.ts";

/** Whether a control piece that is spelled in a text is ordinary text or the control id. */
export type SpecialTokens = "spell" | "parse";

/** Encodes the stretches of a text with `encodeInto` and the control pieces between them as their ids; leftmost and longest first. */
export function parseSpecialTokens(
  { pieces, types }: Vocabulary,
  encodeInto: (text: string, buffer: TokenBuffer, at: number) => number,
): (text: string, buffer: TokenBuffer, at: number) => number {
  const specials = new Map<string, number>();
  for (const [id, piece] of pieces.entries())
    if (types[id] === PIECE_TYPE.control || types[id] === PIECE_TYPE.unknown) specials.set(piece, id);
  const pattern = longestOf(specials.keys());
  return (text, buffer, at) => {
    let out = at;
    for (const [i, part] of text.split(pattern).entries())
      if (i % 2 === 0) out += encodeInto(part, buffer, out);
      else ensureCapacity(buffer, out + 1)[out++] = specials.get(part)!;
    return out - at;
  };
}

/** Splits a text at any of the pieces, the longest where several start, with the pieces between the stretches. */
export function longestOf(pieces: Iterable<string>): RegExp {
  const longestFirst = [...pieces].sort((a, b) => b.length - a.length);
  return new RegExp(
    `(${longestFirst.map((piece) => piece.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|")})`,
  );
}
