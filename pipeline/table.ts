/**
 * Reads a table (parquet or Arrow) as a source: rows to documents and quarantined records, what cannot be read to incidents, in batches.
 * The number of a row in its file takes the place of the physical line's.
 */
import { HeadraceError } from "../core/errors.ts";
import { readArrow } from "./arrow-input.ts";
import { Batch, type SourceChunk } from "./batch.ts";
import type { TablePiece } from "./cells.ts";
import type { InputFile } from "./inputs.ts";
import { readParquet } from "./parquet.ts";
import { changedSince, type FileRange } from "./range.ts";
import type { SourceOptions } from "./records.ts";
import { rowParser } from "./rows.ts";
import type { TableFormat } from "./sniff.ts";
import { TableFile } from "./table-file.ts";

/** Reads a table; as `readSource`, of which it is a part. */
export async function* readTable(
  file: InputFile,
  format: TableFormat,
  options: SourceOptions,
  fromLine: number,
): AsyncGenerator<SourceChunk> {
  const parser = rowParser(file.source, options);
  const { source, range } = file;
  const from = range?.from.byte ?? 0;
  const to = range?.to.byte ?? file.bytes;
  const total = to - from;
  let unreadable = 0;
  let read = 0;
  let nextLine = range?.from.line ?? 1;
  let batch = new Batch();
  const incident = (byteFrom: number, byteTo: number, reason: string) => {
    batch.incidents.push({ source, byteFrom, byteTo, reason });
    batch.bytesUnreadable += byteTo - byteFrom;
    unreadable += byteTo - byteFrom;
  };

  const changed = range ? await changedSince(file) : null;
  const stored = changed ?? (await TableFile.open(file.path, file.bytes, range === undefined));
  if (typeof stored === "string") {
    incident(from, to, stored);
    yield { ...batch.chunk(nextLine), account: { read: 0, unreadable: total, total, sha256: null } };
    return;
  }
  try {
    const { text, domain, url, scores, maxBytes } = parser;
    const fields = { text, domain, url, scores, maxBytes };
    for await (const piece of pieces(format, stored, fields, range)) {
      batch.bytesRead += piece.stored;
      read += piece.stored;
      for (const { byteFrom, byteTo, reason } of piece.damage) incident(byteFrom, byteTo, reason);
      const { rows, columns } = piece;
      for (let i = 0; rows !== null && i < rows.rows; i++) {
        nextLine = rows.line + i + 1;
        if (rows.line + i >= fromLine) batch.add(parser.parse(rows, i, columns));
        if (batch.full) {
          yield batch.chunk(nextLine);
          batch = new Batch();
        }
      }
    }
    const end = await stored.finish();
    if ("problem" in end) incident(to, to, end.problem);
    if (read + unreadable !== total)
      throw new HeadraceError(
        "ERR_ACCOUNT",
        `${source}: ${read} bytes read + ${unreadable} unreadable is not its ${total} bytes; please report this`,
      );
    const sha256 = "sha256" in end ? end.sha256 : null;
    yield { ...batch.chunk(nextLine), account: { read, unreadable, total, sha256 } };
  } finally {
    await stored.close();
  }
}

function pieces(
  format: TableFormat,
  file: TableFile,
  fields: Parameters<typeof readParquet>[1],
  range: FileRange | undefined,
): AsyncIterable<TablePiece> {
  switch (format) {
    case "parquet":
      return readParquet(file, fields, range);
    case "arrow":
      return readArrow(file, fields, range);
    default:
      return format satisfies never;
  }
}
