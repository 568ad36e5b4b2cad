/**
 * Stored bytes in, decompressed bytes out: plain, gzip (any number of members) and zstd (any number of frames).
 * Damage never throws: what can be decoded comes out, then the stretch of stored bytes that could not be decoded is named.
 */
import { gunzip } from "./gunzip.ts";
import { bytesPiece, damagePiece, type Piece } from "./pieces.ts";
import { type InputFormat, type LineFormat, sniff } from "./sniff.ts";
import { unzstd } from "./unzstd.ts";

/**
 * Decodes a stored file that arrives in chunks of any size. Lazy: holds about a chunk and what the decoder's window takes.
 * The result depends on the bytes alone, not on how they were cut into chunks. Passes on what `chunks` throws.
 * `from`: position of the first byte in the file, above 0 only where reading can begin: a line, or a frame of zstd.
 */
export function decompress(
  chunks: AsyncIterable<Buffer>,
  format: LineFormat,
  from = 0,
): AsyncIterable<Piece> {
  switch (format) {
    case "jsonl":
      return plain(chunks);
    case "jsonl.gz":
      return unlessWrapped(gunzip(chunks), format);
    case "jsonl.zst":
      // What begins inside of a line looks like anything.
      return from === 0 ? unlessWrapped(unzstd(chunks), format) : unzstd(chunks, from);
    default:
      return format satisfies never;
  }
}

async function* plain(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  for await (const bytes of chunks) yield bytesPiece(bytes.length, bytes);
}

const WORDS: Readonly<Record<InputFormat, string>> = {
  jsonl: "lines",
  "jsonl.gz": "gzip",
  "jsonl.zst": "zstd",
  parquet: "parquet",
  arrow: "Arrow",
};

/** Passes pieces on, unless what comes out is no text of lines: then no line of it could be read, and all of it is one damage. */
async function* unlessWrapped(pieces: AsyncIterable<Piece>, format: LineFormat): AsyncGenerator<Piece> {
  let begun = false;
  let inside: string | null = null;
  let from = 0;
  let at = 0;
  for await (const piece of pieces) {
    if (!begun && piece.kind === "bytes" && piece.bytes.length > 0) {
      begun = true;
      inside = wrapped(piece.bytes, format);
      from = at;
    }
    at = piece.kind === "bytes" ? at + piece.stored : piece.byteTo;
    if (inside === null) yield piece;
  }
  if (inside !== null) yield damagePiece(from, at, inside);
}

/** What is wrong with the first bytes that came out; null where they may be lines. */
function wrapped(bytes: Buffer, format: LineFormat): string | null {
  const inside = sniff(bytes);
  if (inside === null) return null;
  if ("foreign" in inside) return `holds ${inside.foreign}`;
  return inside.format === "jsonl"
    ? null
    : `holds ${WORDS[inside.format]} inside ${WORDS[format]}; unpack it once`;
}
