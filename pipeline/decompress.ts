/**
 * Stored bytes in, decompressed bytes out: plain, gzip (any number of members) and zstd (any number of frames).
 * Damage never throws: what can be decoded comes out, then the stretch of stored bytes that could not be decoded is named.
 */
import { gunzip } from "./gunzip.ts";
import { bytesPiece, type Piece } from "./pieces.ts";
import type { LineFormat } from "./sniff.ts";
import { unzstd } from "./unzstd.ts";

/**
 * Decodes a stored file that arrives in chunks of any size. Lazy: holds about a chunk and what the decoder's window takes.
 * The result depends on the bytes alone, not on how they were cut into chunks. Passes on what `chunks` throws.
 */
export function decompress(chunks: AsyncIterable<Buffer>, format: LineFormat): AsyncIterable<Piece> {
  switch (format) {
    case "jsonl":
      return plain(chunks);
    case "jsonl.gz":
      return gunzip(chunks);
    case "jsonl.zst":
      return unzstd(chunks);
    default:
      return format satisfies never;
  }
}

async function* plain(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  for await (const bytes of chunks) yield bytesPiece(bytes.length, bytes);
}
