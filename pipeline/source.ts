/**
 * Reads one input file: documents, quarantined records and incidents, in batches.
 * Nothing is lost in silence: what a record or a stretch of bytes became is always in a batch, and the bytes add up to the file.
 */
import { HeadraceError } from "../core/errors.ts";
import { ahead } from "./ahead.ts";
import { Batch, type SourceChunk } from "./batch.ts";
import { byteRecordParser } from "./byte-records.ts";
import { decompress } from "./decompress.ts";
import type { InputFile } from "./inputs.ts";
import { type Line, LineSplitter } from "./lines.ts";
import type { Damage } from "./pieces.ts";
import { changedSince, withinRange } from "./range.ts";
import { maxDocumentBytesOf, type SourceOptions } from "./records.ts";
import { isTable, sniff } from "./sniff.ts";
import { StoredFile } from "./stored.ts";
import { readTable } from "./table.ts";
import { TextBlocks } from "./text-blocks.ts";
import { zstdSelfTest } from "./unzstd.ts";

export type { SourceChunk } from "./batch.ts";
export type { ByteAccount, Incident, QuarantineCode, Quarantined } from "./incidents.ts";
export { quarantineCode } from "./incidents.ts";
export type { SourceOptions } from "./records.ts";
export { zstdSelfTest } from "./unzstd.ts";

/**
 * Reads `file` from start to end, lazily; there is at least one batch. With `fromLine`, records of earlier physical lines (rows of a table)
 * are passed over (their bytes are still decoded and counted, and incidents before them are reported again). With `lend`, a document's `utf8`
 * is good until the next batch is asked for, and its memory is used again.
 * Memory: about two batches, one line, and the decoder's window; of parquet a page and a dictionary a column, of Arrow a megabyte of text,
 * or the buffers of a record batch where they are compressed. Throws ERR_ARGUMENT, ERR_DOMAIN and ERR_RUNTIME (zstd does not work, or the
 * machine is short of files or memory) before the first batch, nothing later.
 */
export async function* readSource(
  file: InputFile,
  options: SourceOptions = {},
  { fromLine = 1, lend = false }: { readonly fromLine?: number; readonly lend?: boolean } = {},
): AsyncGenerator<SourceChunk> {
  if (isTable(file.format)) {
    yield* readTable(file, file.format, options, fromLine);
    return;
  }
  const { range } = file;
  const from = range?.from.byte ?? 0;
  const to = range?.to.byte ?? file.bytes;
  const blocks = new TextBlocks(lend);
  const parse = byteRecordParser(file.source, options, blocks);
  const lines = new LineSplitter(maxDocumentBytesOf(options), range?.from);
  if (file.format === "jsonl.zst") await zstdSelfTest();
  let read = 0;
  let unreadable = 0;
  let batch = new Batch();

  const take = (line: Line | null) => {
    if (line !== null && line.line >= fromLine) batch.add(parse(line));
  };
  const damage = ({ byteFrom, byteTo, reason }: Damage) => {
    take(lines.gap());
    unreadable += byteTo - byteFrom;
    batch.bytesUnreadable += byteTo - byteFrom;
    batch.incidents.push({ source: file.source, byteFrom, byteTo, reason });
  };

  const changed = range ? await changedSince(file) : null;
  const stored = new StoredFile(file.path, file.bytes, from);
  const chunks = stored.chunks();
  try {
    const first = await chunks.next();
    const kind = first.done || range ? null : sniff(first.value);
    const formatNow = kind !== null && "format" in kind ? kind.format : file.format;
    if (changed !== null) damage({ byteFrom: from, byteTo: to, reason: changed });
    else if (kind !== null && "foreign" in kind)
      damage({ byteFrom: 0, byteTo: file.bytes, reason: `is ${kind.foreign}` });
    else if (isTable(formatNow))
      damage({
        byteFrom: 0,
        byteTo: file.bytes,
        reason: `was ${file.format} when the build was planned and is ${formatNow} now; start again`,
      });
    // A file of which nothing could be read is one incident, not also one that ends too soon.
    else if (!first.done || stored.fault === null) {
      const pieces = decompress(prepend(first, chunks), formatNow, from);
      for await (const piece of ahead(range ? withinRange(pieces, range) : pieces)) {
        if (piece.kind === "damage") damage(piece);
        else {
          read += piece.stored;
          batch.bytesRead += piece.stored;
          batch.bytesDecoded += piece.bytes.length;
          for (const line of lines.push(piece.bytes)) take(line);
        }
        if (batch.full) {
          yield batch.chunk(lines.line, lines.pending);
          batch = new Batch();
          blocks.takeBack();
        }
      }
    }
    const fault = stored.fault?.reason ?? (range ? await changedSince(file) : null);
    if (fault !== null && changed === null)
      damage({ byteFrom: from + read + unreadable, byteTo: to, reason: fault });
    take(lines.finish());
  } finally {
    await chunks.return();
  }
  const total = to - from;
  if (read + unreadable !== total)
    throw new HeadraceError(
      "ERR_ACCOUNT",
      `${file.source}: ${read} bytes read + ${unreadable} unreadable is not its ${total} bytes; please report this`,
    );
  yield {
    ...batch.chunk(lines.line),
    account: { read, unreadable, total, sha256: stored.sha256 },
  };
}

async function* prepend(
  first: IteratorResult<Buffer, void>,
  rest: AsyncGenerator<Buffer, void>,
): AsyncGenerator<Buffer> {
  if (!first.done) yield first.value;
  yield* rest;
}
