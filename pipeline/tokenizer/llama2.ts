/**
 * LLaMA-2's vocabulary without a download: the one inside the npm package llama-tokenizer-js (MIT as its author states; the
 * vocabulary itself is Meta's, LLaMA 2 Community Licence), checked against the fingerprint of the official `tokenizer.model`.
 */
import { HeadraceError } from "../../core/errors.ts";
import { ranksFromMerges } from "./merge-order.ts";
import {
  bytePiece,
  checkVocabulary,
  fingerprint,
  PIECE_TYPE,
  pieceSet,
  type Vocabulary,
} from "./vocabulary.ts";

/**
 * Fingerprint of LLaMA-2's vocabulary, from its `tokenizer.model`
 * (499,723 bytes, sha256 9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347).
 */
export const LLAMA2_SHA256 = "a6b3b9b573c0666ecd3da13939fd74ad534ff3cd91e7b6326eeeca750c7b5199";

/** LLaMA-2's vocabulary. Throws ERR_TOKENIZER when the installed package holds another one. */
export async function llama2Vocabulary(): Promise<Vocabulary> {
  const { default: source } = await import("llama-tokenizer-js");
  const subject = "llama-tokenizer-js";
  const pieces = source.vocabById;
  const bytes = new Set(Array.from({ length: 256 }, (_, byte) => bytePiece(byte)));
  const types = Uint8Array.from(pieces, (piece, id) =>
    id === 0
      ? PIECE_TYPE.unknown
      : id < 3
        ? PIECE_TYPE.control
        : bytes.has(piece)
          ? PIECE_TYPE.byte
          : PIECE_TYPE.normal,
  );
  const merges = [...source.merges.keys()].map((merge) => merge.split(" ") as [string, string]);
  const set = pieceSet(pieces, types, subject);
  const vocabulary = checkVocabulary(
    {
      ...set,
      ranks: ranksFromMerges(set, merges, subject),
      dummyPrefix: true,
      unknown: 0,
      bos: 1,
      eos: 2,
    },
    subject,
  );
  const seen = fingerprint(vocabulary);
  if (seen !== LLAMA2_SHA256)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `the vocabulary in llama-tokenizer-js has fingerprint ${seen}, LLaMA-2's is ${LLAMA2_SHA256}; install version 1.2.2 or name a tokenizer.model`,
    );
  return vocabulary;
}
