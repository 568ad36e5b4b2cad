/**
 * The scan of a big file: its hash, and where it can be cut so that several workers read it. Its cost is that of reading and, of zstd,
 * decompressing. A file in which a scan finds anything that is not as it should be is not cut: one worker reads it and reports on it.
 */
import { CutFinder } from "./cut-finder.ts";
import { decompress } from "./decompress.ts";
import { FrameWalker } from "./frames.ts";
import type { InputFile } from "./inputs.ts";
import { EXPANSION } from "./plan.ts";
import { changedSince, type Scan } from "./range.ts";
import { scanTable } from "./scan-table.ts";
import { isTable, type LineFormat, sniff } from "./sniff.ts";
import { StoredFile } from "./stored.ts";

/** Whether files of a format can be read from within. */
export function canCut(format: InputFile["format"]): boolean {
  return format !== "jsonl.gz";
}

/** Scans a file for ranges of about `taskBytes` of text. Null where it cannot be cut, or nothing would be gained. Reads it once or twice. */
export async function scanFile(file: InputFile, taskBytes: number): Promise<Scan | null> {
  const scan = isTable(file.format)
    ? await scanTable(file, taskBytes / EXPANSION[file.format])
    : await scanLines(file, taskBytes);
  return scan === null || scan.cuts.length < 3 || (await changedSince(file)) !== null ? null : scan;
}

async function scanLines(file: InputFile, taskBytes: number): Promise<Scan | null> {
  const { path, bytes } = file;
  const format = file.format as LineFormat;
  // Without a second frame there is no need to decompress anything.
  const frames = format === "jsonl.zst" ? await frameStarts(file) : [];
  if (format === "jsonl.zst" && frames.length < 2) return null;
  const finder = new CutFinder(taskBytes, format === "jsonl");
  const stored = new StoredFile(path, bytes);
  let at = 0;
  let frame = 0;
  for await (const piece of decompress(sniffed(stored.chunks(), format), format)) {
    if (piece.kind === "damage") return null;
    if (piece.stored > 0) {
      while (frames[frame]! < at) frame++;
      if (frames[frame] === at) finder.offer(at);
    }
    at += piece.stored;
    finder.push(piece.bytes);
  }
  return stored.fault === null && stored.sha256 !== null && at === bytes
    ? { sha256: stored.sha256, cuts: finder.finish(bytes) }
    : null;
}

/** Where the frames of a file start. */
async function frameStarts({ path, bytes }: InputFile): Promise<readonly number[]> {
  const walker = new FrameWalker();
  const starts: number[] = [];
  for await (const chunk of new StoredFile(path, bytes).chunks())
    for (const part of walker.push(chunk)) if (part.first && part.kind === "frame") starts.push(part.from);
  return starts;
}

/** The chunks; none of a file that is something else than it was planned as. */
async function* sniffed(chunks: AsyncIterable<Buffer>, format: LineFormat): AsyncGenerator<Buffer> {
  let first = true;
  for await (const chunk of chunks) {
    const kind = first ? sniff(chunk) : null;
    if (kind !== null && !("format" in kind && kind.format === format)) return;
    first = false;
    yield chunk;
  }
}
