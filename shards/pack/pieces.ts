/**
 * The pieces of a packed row, by its number: two positioned reads of the plan's files, nothing kept. No token is read here.
 */
import type { FilePool } from "../files.ts";
import { packFiles } from "./plan.ts";

/** A stretch of a domain's stream inside one document. */
export interface Piece {
  /** Its first token in the stream. */
  readonly position: number;
  readonly tokens: number;
}

/** The rows of one domain of a pack plan. */
export interface PieceReader {
  /** The pieces of a row, in the order in which they stand in it. Throws ERR_SHARD where a file of the plan is cut or missing. */
  of(row: number): readonly Piece[];
  /** The rows that hold a token of a stretch of the stream, ascending. Reads all pieces of the domain. Throws ERR_SHARD. */
  holding(stretch: Piece, rows: number): readonly { readonly row: number; readonly tokens: number }[];
}

/** Rows whose pieces are looked through at a time. */
const ROWS = 2 ** 16;

/** Opens the rows of a domain of the plan in a folder; `files` is the caller's. Reads nothing yet. */
export function openPieces(folder: string, domain: string, files: FilePool): PieceReader {
  const paths = packFiles(folder, domain);

  function read(first: number, until: number): { readonly edges: Uint32Array; readonly words: Uint32Array } {
    const edges = new Uint32Array(until - first + 1);
    files.read(paths.rows, new Uint8Array(edges.buffer), 4 * first);
    const words = new Uint32Array(2 * (edges.at(-1)! - edges[0]!));
    files.read(paths.pieces, new Uint8Array(words.buffer), 8 * edges[0]!);
    return { edges, words };
  }

  return {
    of(row) {
      const { words } = read(row, row + 1);
      return Array.from({ length: words.length / 2 }, (_, i) => pieceAt(words, i));
    },
    holding({ position, tokens }, rows) {
      const found: { row: number; tokens: number }[] = [];
      for (let first = 0; first < rows; first += ROWS) {
        const { edges, words } = read(first, Math.min(rows, first + ROWS));
        for (let row = 0; row + 1 < edges.length; row++) {
          let held = 0;
          for (let i = edges[row]! - edges[0]!; i < edges[row + 1]! - edges[0]!; i++) {
            const piece = pieceAt(words, i);
            const from = Math.max(position, piece.position);
            held += Math.max(0, Math.min(position + tokens, piece.position + piece.tokens) - from);
          }
          if (held > 0) found.push({ row: first + row, tokens: held });
        }
      }
      return found;
    },
  };
}

/** Piece i of a list of 64-bit words, little-endian: position x 2^20 + tokens. */
function pieceAt(words: Uint32Array, i: number): Piece {
  const low = words[2 * i]!;
  return { position: words[2 * i + 1]! * 4096 + (low >>> 20), tokens: low & 0xfffff };
}
