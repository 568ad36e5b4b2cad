/**
 * Ids back to text, as SentencePiece does it: space marks become spaces, the dummy prefix goes, byte pieces are read as UTF-8.
 */
import { HeadraceError } from "../../core/errors.ts";
import { PIECE_TYPE, SPACE_MARK, type Vocabulary } from "./vocabulary.ts";

const UNKNOWN_SURFACE = " \u2047 ";

/** The decoder of a vocabulary. Throws ERR_ARGUMENT for an id that is not in it. */
export function decoderOf(vocabulary: Vocabulary): (ids: Iterable<number>) => string {
  const { pieces, types, dummyPrefix } = vocabulary;
  const removesSpaces = vocabulary.rules?.removeExtraSpaces === true;
  return (ids) => {
    let text = "";
    let prefixSeen = !dummyPrefix && !removesSpaces;
    const bytes: number[] = [];
    for (const id of ids) {
      const type = types[id];
      if (type === undefined)
        throw new HeadraceError(
          "ERR_ARGUMENT",
          `token id ${id} is not in a vocabulary of ${pieces.length}; ids come from the tokenizer that the shards name`,
        );
      if (type === PIECE_TYPE.byte) {
        bytes.push(Number.parseInt(pieces[id]!.slice(1, -1), 16));
        continue;
      }
      if (bytes.length > 0) text += decodeBytes(bytes.splice(0));
      if (type === PIECE_TYPE.control) continue;
      let surface = type === PIECE_TYPE.unknown ? UNKNOWN_SURFACE : pieces[id]!;
      const spelled = type === PIECE_TYPE.normal || type === PIECE_TYPE.user;
      if (!prefixSeen && text === "" && spelled && surface.startsWith(SPACE_MARK)) {
        surface = surface.slice(SPACE_MARK.length);
        prefixSeen = !removesSpaces;
      }
      text += spelled ? surface.replaceAll(SPACE_MARK, " ") : surface;
    }
    return text + decodeBytes(bytes);
  };
}

/** UTF-8 to text; every byte that is no part of a whole valid sequence becomes one U+FFFD (not one a maximal part, as TextDecoder does). */
function decodeBytes(bytes: readonly number[]): string {
  let text = "";
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i]!;
    const size =
      first < 0x80
        ? 1
        : first >= 0xc2 && first < 0xe0
          ? 2
          : first >= 0xe0 && first < 0xf0
            ? 3
            : first >= 0xf0 && first < 0xf5
              ? 4
              : 0;
    const sequence = bytes.slice(i, i + size);
    const character = size > 0 && sequence.length === size ? strict(Uint8Array.from(sequence)) : undefined;
    text += character ?? "\ufffd";
    i += character === undefined ? 1 : size;
  }
  return text;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function strict(sequence: Uint8Array): string | undefined {
  try {
    return utf8.decode(sequence);
  } catch {
    return undefined;
  }
}
