/**
 * What a row of a plan holds, by the number that the plan gives as its start: tokens one after another in the stream, or the pieces of a packed row.
 */
import type { TokenIds } from "../core/document.ts";
import type { Piece, PieceReader } from "../shards/pack/pieces.ts";
import type { TokenStream } from "../shards/stream.ts";

/** The rows of one domain. Its methods are synchronous and read files. */
export interface RowSource {
  /** Fills `into` with the row at a start. Throws ERR_SHARD where a file is cut. */
  read(start: number, into: TokenIds): void;
  /** Where documents start in a row of `width` tokens, or pieces of them in a packed one: ascending, in [0, width). */
  documentStarts(start: number, width: number): readonly number[];
  /** The stretches of the stream that a row holds, in order; what they leave of its width is padding. */
  stretches(start: number, width: number): readonly Piece[];
}

/** Rows that lie end to end on the ring of a stream. */
export function concatRows(stream: TokenStream): RowSource {
  return {
    read: (start, into) => stream.read(start, into),
    documentStarts: (start, width) => stream.documentBoundaries(start, width),
    stretches(start, width) {
      const found: Piece[] = [];
      for (let left = width, position = start; left > 0; position = 0) {
        const tokens = Math.min(left, stream.tokens - position);
        found.push({ position, tokens });
        left -= tokens;
      }
      return found;
    },
  };
}

/** Rows of a pack plan over a stream. */
export function packedRows(stream: TokenStream, pieces: PieceReader, padding: number): RowSource {
  return {
    read(row, into) {
      let place = 0;
      for (const { position, tokens } of pieces.of(row)) {
        stream.read(position, into.subarray(place, place + tokens));
        place += tokens;
      }
      into.fill(padding, place);
    },
    documentStarts(row) {
      let place = 0;
      return pieces.of(row).map(({ tokens }) => {
        place += tokens;
        return place - tokens;
      });
    },
    stretches: (row) => pieces.of(row),
  };
}
