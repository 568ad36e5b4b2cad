/**
 * The first reading of foreign tokens: every id is checked, every document is hashed and gets its row in a score segment, so that what
 * comes after (which documents are validation, what the shards hold) goes by the segment as in a build.
 */
import { createHash } from "node:crypto";
import type { TokenIds } from "../../core/document.ts";
import { HeadraceError } from "../../core/errors.ts";
import type { ManifestTokenizer } from "../manifest.ts";
import { type TokenType, tokenArray } from "../schema.ts";
import { openScoreWriter } from "../scores.ts";
import { type CandidateCollector, collectCandidates } from "../validation.ts";
import type { ForeignTokens } from "./foreign.ts";
import type { ImportInput } from "./inputs.ts";

/** An input that is open. */
export interface OpenInput extends ImportInput {
  readonly tokens: ForeignTokens;
  /** Its score segment. */
  readonly scorePath: string;
}

/** What was seen of the documents of a split and domain. */
export interface Scan {
  readonly candidates: ReturnType<CandidateCollector["result"]>;
  /** Documents whose first id is BOS, and whose last is EOS. */
  readonly withBos: number;
  readonly withEos: number;
}

/** What the ids must fit. */
type Vocabulary = Pick<ManifestTokenizer, "vocabularySize" | "bos" | "eos">;

/** Documents, and tokens unless one document has more, that are read at a time. */
const CHUNK_DOCUMENTS = 65_536;
const CHUNK_TOKENS = 1 << 22;

/**
 * Reads the inputs of one split and domain and writes their score segments. `targetTokens` bounds the candidates for validation.
 * Throws ERR_INPUT at an id outside the vocabulary, ERR_OUTPUT.
 */
export async function scanInputs(
  inputs: readonly OpenInput[],
  of: {
    readonly tokenizer: Vocabulary;
    readonly tokenType: TokenType;
    readonly targetTokens: number;
    readonly advance: (tokens: number) => void;
  },
): Promise<Scan> {
  const collector = collectCandidates(of.targetTokens);
  const { bos, eos, vocabularySize } = of.tokenizer;
  let withBos = 0;
  let withEos = 0;
  for (const { tokens: foreign, scorePath, source, domain, split } of inputs) {
    const scores = await openScoreWriter(scorePath, { filters: [], hashes: true });
    try {
      for (const { first, at, lengths, tokens } of chunksOf(foreign)) {
        const ids = tokenArray(of.tokenType, tokens);
        foreign.read(at, ids);
        let from = 0;
        for (const [i, length] of lengths.entries()) {
          const document = ids.subarray(from, from + length);
          from += length;
          checkIds(document, vocabularySize, `document ${first + i + 1} of ${source}`);
          if (length > 0 && document[0] === bos) withBos++;
          if (length > 0 && document[length - 1] === eos) withEos++;
          const hash = hashOfIds(document);
          collector.add(hash, length);
          const verdict = split === "train" ? "kept" : "held-out";
          await scores.append({
            source,
            line: first + i + 1,
            domain,
            tokens: length,
            scores: [],
            verdict,
            hash,
          });
        }
        of.advance(tokens);
      }
      await scores.close();
    } finally {
      await scores.abort();
    }
  }
  return { candidates: collector.result(), withBos, withEos };
}

/** Documents that lie together: `first` counts from 0 in the input, `at` is its first token. */
function* chunksOf(foreign: ForeignTokens) {
  let at = 0;
  for (let from = 0; from < foreign.documents; from += CHUNK_DOCUMENTS) {
    const lengths = foreign.lengths(from, Math.min(foreign.documents, from + CHUNK_DOCUMENTS));
    for (let i = 0; i < lengths.length; ) {
      let to = i + 1;
      let tokens = lengths[i]!;
      while (to < lengths.length && tokens + lengths[to]! <= CHUNK_TOKENS) tokens += lengths[to++]!;
      yield { first: from + i, at, lengths: lengths.subarray(i, to), tokens };
      at += tokens;
      i = to;
    }
  }
}

function checkIds(ids: TokenIds, vocabularySize: number, subject: string): void {
  for (let i = 0; i < ids.length; i++)
    if (ids[i]! < 0 || ids[i]! >= vocabularySize)
      throw new HeadraceError(
        "ERR_INPUT",
        `${subject} has token ${ids[i]}, and the tokenizer has ids from 0 to ${vocabularySize - 1}; name the tokenizer that made it`,
      );
}

/** There is no text to hash: the first 8 bytes, big-endian, of SHA-256 of the ids as little-endian int32. */
function hashOfIds(ids: TokenIds): bigint {
  return createHash("sha256").update(Int32Array.from(ids)).digest().readBigUInt64BE();
}
