/**
 * A SentencePiece vocabulary as the kernel takes it: seams, the pieces of code points, and merges at the rank of what they make.
 */
import { mergeTables } from "./kernel-merges.ts";
import { type KernelForm, table } from "./kernel-tables.ts";
import { seamsOf } from "./seams.ts";
import { byteIdsOf, type Vocabulary } from "./vocabulary.ts";

/** The tables of a vocabulary, in time linear in its pieces. */
export function sentencePieceForm(vocabulary: Vocabulary): KernelForm {
  const { ascii, characters, pairs } = seamsOf(vocabulary);
  const byteIds = byteIdsOf(vocabulary);
  const byteSymbols = new Int32Array(256).fill(-1);
  for (let byte = 0; byte < 128; byte++)
    byteSymbols[byte] = characters[byte]! >= 0 ? characters[byte]! : byteIds[byte]!;
  const { pieces, splits, ranks } = vocabulary;
  const merges = { pairs: splits, rankOf: (_: number, result: number) => ranks[result]! };
  return {
    tables: [
      ...mergeTables(merges, pieces.length, byteSymbols),
      table("asciiSeams", asciiSeams(ascii)),
      table("pairs", pairs),
      table("characters", characters),
      table("byteIds", byteIds),
    ],
    numbers: {
      pairMask: pairs.length / 2 - 1,
      characterCount: characters.length,
    },
    cut: "seams",
    prefix: vocabulary.dummyPrefix ? "always" : "never",
  };
}

/** By `left | right << 8`, as the kernel loads two bytes: 1 where a text can be cut. */
function asciiSeams(ascii: Uint8Array): Uint8Array {
  const seams = new Uint8Array(2 ** 15);
  for (let left = 0; left < 128; left++)
    for (let right = 0; right < 128; right++)
      seams[left | (right << 8)] = ascii[(left << 8) | right] === 1 ? 0 : 1;
  return seams;
}
