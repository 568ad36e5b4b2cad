/**
 * Foreign tokens as a segment that can be compacted into shards: lengths and hashes from the score segment of the scan, ids from the
 * file itself. Memory is one batch of the score segment.
 */

import type { TokenType } from "../schema.ts";
import { openScores } from "../scores.ts";
import type { SegmentReader } from "../segment.ts";
import type { OpenInput } from "./scan.ts";

/** A batch ends before the document that would bring it over so many tokens, so that its offsets fit 31 bits. */
const BATCH_TOKENS = 2 ** 30;

/** Opens an input that was scanned. Closing it leaves the foreign files open. */
export function openForeignSegment(input: OpenInput, tokenType: TokenType): SegmentReader {
  const scores = openScores(input.scorePath);
  return {
    name: input.source,
    schema: { tokenType, filters: [], hashes: true },
    sources: [input.source],
    *batches() {
      let at = 0;
      for (const b of scores.batches.keys()) {
        const { documents, tokens: lengths, lines, hashes } = scores.readBatch(b);
        for (let from = 0; from < documents; ) {
          let to = from + 1;
          let tokens = lengths[from]!;
          while (to < documents && tokens + lengths[to]! <= BATCH_TOKENS) tokens += lengths[to++]!;
          const start = at;
          yield {
            index: {
              documents: to - from,
              offsets: offsetsOf(lengths.subarray(from, to)),
              sources: new Int32Array(to - from),
              lines: lines.subarray(from, to),
              scores: [],
              hashes: hashes!.subarray(from, to),
            },
            readTokens: (position, into) => input.tokens.read(start + position, into),
          };
          at += tokens;
          from = to;
        }
      }
    },
    close: () => scores.close(),
  };
}

function offsetsOf(lengths: Uint32Array): Int32Array {
  const offsets = new Int32Array(lengths.length + 1);
  for (const [i, length] of lengths.entries()) offsets[i + 1] = offsets[i]! + length;
  return offsets;
}
