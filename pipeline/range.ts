/**
 * A range of an input file: a stretch that a worker can read without what precedes it, because a scan found out where it begins and which
 * line that is. The ranges of a file give, one after another, the records, places and bytes of the file read whole.
 */
import { statusOf, unreachable } from "./input-fault.ts";
import { sameTime } from "./modified.ts";
import { bytesPiece, type Piece } from "./pieces.ts";

/** A place from which a file can be read. */
export interface FileCut {
  /** Stored byte: the start of a line, of a zstd frame, of what a row group owns, of an Arrow message. */
  readonly byte: number;
  /** Where the decompressed stream is at that byte. Of a table 0, as is `lineAt`. */
  readonly decodedAt: number;
  /** Where the first line that starts there or after it starts in the decompressed stream. */
  readonly lineAt: number;
  /** Number of that line, or of the row. */
  readonly line: number;
}

/** What the scan of a file found. */
export interface Scan {
  /** Of the bytes as stored. */
  readonly sha256: string;
  /** Ascending, the start and the end of the file among them: at least three. */
  readonly cuts: readonly FileCut[];
}

/** The part of a file between two cuts. */
export interface FileRange {
  readonly from: FileCut;
  readonly to: FileCut;
  /** Whether it begins, and whether it ends, with the file. */
  readonly first: boolean;
  readonly last: boolean;
  /** Of the whole file, as the scan found it. */
  readonly sha256: string;
}

/** Stored bytes of a file, or of the range of it that is to be read. */
export function storedBytes({
  bytes,
  range,
}: {
  readonly bytes: number;
  readonly range?: FileRange;
}): number {
  return range ? range.to.byte - range.from.byte : bytes;
}

/** What has changed about a file since it was scanned; null for nothing that its status shows. */
export async function changedSince(file: {
  readonly path: string;
  readonly bytes: number;
  readonly modified: number;
}): Promise<string | null> {
  const status = await statusOf(file.path);
  if (typeof status === "string") return unreachable(file.path, status);
  return status.size === file.bytes && sameTime(status.mtimeMs, file.modified)
    ? null
    : "has changed since the build was planned; start again";
}

/**
 * Of a file's pieces from the range's first byte on, those of the range: bytes of its lines alone, to the end of the last one although
 * that may lie in a later frame, and stored bytes up to its end alone. Ends there, but with the file where the range does.
 */
export async function* withinRange(
  pieces: AsyncIterable<Piece>,
  { from, to, last }: FileRange,
): AsyncGenerator<Piece> {
  let stored = from.byte;
  let at = from.decodedAt;
  for await (const piece of pieces) {
    if (piece.kind === "damage") {
      // The scan saw none, so the lines are not where it saw them.
      yield { ...piece, byteTo: to.byte };
      return;
    }
    const counted = Math.min(piece.stored, to.byte - stored);
    const start = Math.min(Math.max(0, from.lineAt - at), piece.bytes.length);
    const end = Math.max(start, Math.min(to.lineAt - at, piece.bytes.length));
    stored += counted;
    at += piece.bytes.length;
    yield bytesPiece(counted, piece.bytes.subarray(start, end));
    if (!last && stored === to.byte && at >= to.lineAt) return;
  }
}
