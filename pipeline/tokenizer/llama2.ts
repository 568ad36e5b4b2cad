/**
 * LLaMA-2's vocabulary without a download: the one inside the npm package llama-tokenizer-js (MIT as its author states; the
 * vocabulary itself is Meta's, LLaMA 2 Community Licence), checked against the fingerprint of the official `tokenizer.model`.
 * Only the list of pieces is read out of the package's file: running it would build an encoder that is not used, and the order of merges
 * follows from the ids. Whatever is wrong with either changes the fingerprint.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { HeadraceError } from "../../core/errors.ts";
import {
  bytePiece,
  checkVocabulary,
  fingerprint,
  PIECE_TYPE,
  type PieceSet,
  pieceSet,
  SPACE_MARK,
  type Vocabulary,
} from "./vocabulary.ts";

/**
 * Fingerprint of LLaMA-2's vocabulary, from its `tokenizer.model`
 * (499,723 bytes, sha256 9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347).
 */
export const LLAMA2_SHA256 = "a6b3b9b573c0666ecd3da13939fd74ad534ff3cd91e7b6326eeeca750c7b5199";

const SUBJECT = "llama-tokenizer-js";

/** LLaMA-2's vocabulary. Throws ERR_TOKENIZER when the installed package holds another one. */
export async function llama2Vocabulary(): Promise<Vocabulary> {
  const pieces = piecesIn(await readFile(fileURLToPath(import.meta.resolve(SUBJECT)), "latin1"));
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
  const set = pieceSet(pieces, types, SUBJECT);
  const vocabulary = checkVocabulary(
    { ...set, ranks: ranksById(set), dummyPrefix: true, unknown: 0, bos: 1, eos: 2 },
    SUBJECT,
  );
  const seen = fingerprint(vocabulary);
  if (seen !== LLAMA2_SHA256)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `the vocabulary in llama-tokenizer-js has fingerprint ${seen}, LLaMA-2's is ${LLAMA2_SHA256}; install version 1.2.2 or name a tokenizer.model`,
    );
  return vocabulary;
}

/** The pieces by id: lines of UTF-8 in base64 in the package's source. */
function piecesIn(source: string): readonly string[] {
  const mark = 'llama_vocab_base64 = "';
  const from = source.indexOf(mark);
  if (from < 0)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `${SUBJECT} holds no vocabulary where version 1.2.2 has it; install that version or name a tokenizer.model`,
    );
  const start = from + mark.length;
  return Buffer.from(source.slice(start, source.indexOf('"', start)), "base64")
    .toString()
    .split("\n");
}

/** LLaMA-2's scores fall with the id, but for runs of spaces, which come last and tie. */
function ranksById({ pieces, splits }: PieceSet): Int32Array {
  const ranks = new Int32Array(pieces.length).fill(-1);
  for (let i = 2; i < splits.length; i += 3) ranks[splits[i]!] = 0;
  const isRun = (id: number) => pieces[id] === SPACE_MARK.repeat(pieces[id]!.length);
  let rank = 0;
  for (let id = 0; id < ranks.length; id++) if (ranks[id] === 0 && !isRun(id)) ranks[id] = rank++;
  for (let id = 0; id < ranks.length; id++) if (ranks[id] === 0 && isRun(id)) ranks[id] = rank;
  return ranks;
}
