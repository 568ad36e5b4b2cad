/**
 * Reads one input file: documents, quarantined records and incidents, in batches.
 * Nothing is lost in silence: what a record or a stretch of bytes became is always in a batch, and the bytes add up to the file.
 */
import type { Document } from "../core/document.ts";
import { HeadraceError } from "../core/errors.ts";
import { decompress } from "./decompress.ts";
import type { ByteAccount, Incident, Quarantined } from "./incidents.ts";
import type { InputFile } from "./inputs.ts";
import { type Line, LineSplitter } from "./lines.ts";
import type { Damage } from "./pieces.ts";
import { maxDocumentBytesOf, recordParser, type SourceOptions } from "./records.ts";
import { sniff } from "./sniff.ts";
import { StoredFile } from "./stored.ts";
import { zstdSelfTest } from "./unzstd.ts";

export type { ByteAccount, Incident, QuarantineCode, Quarantined } from "./incidents.ts";
export { quarantineCode } from "./incidents.ts";
export type { SourceOptions } from "./records.ts";
export { zstdSelfTest } from "./unzstd.ts";

/** A batch is passed on when it has this many bytes, stored or decompressed. */
const BATCH_BYTES = 512 * 1024;

/** A batch: what has been read since the one before. */
export interface SourceChunk {
  readonly documents: readonly Document[];
  readonly quarantined: readonly Quarantined[];
  readonly incidents: readonly Incident[];
  /** Stored bytes read and found unreadable since the batch before; over all batches they add up to the length of the file. */
  readonly bytesRead: number;
  readonly bytesUnreadable: number;
  /** UTF-8 bytes of the documents' text. */
  readonly textBytes: number;
  /** Number of the next physical line: a later read may go on `fromLine` here. */
  readonly nextLine: number;
  /** On the last batch: the bytes of the whole file. */
  readonly account?: ByteAccount;
}

/**
 * Reads `file` from start to end, lazily; there is at least one batch. With `fromLine`, records of earlier physical lines are passed over
 * (their bytes are still decoded and counted, and incidents before them are reported again).
 * Memory: about two batches, one line, and the decoder's window. Throws ERR_ARGUMENT, ERR_DOMAIN and ERR_RUNTIME before the first batch, nothing later.
 */
export async function* readSource(
  file: InputFile,
  options: SourceOptions = {},
  { fromLine = 1 }: { readonly fromLine?: number } = {},
): AsyncGenerator<SourceChunk> {
  const parse = recordParser(file.source, options);
  const lines = new LineSplitter(maxDocumentBytesOf(options));
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

  const stored = new StoredFile(file.path, file.bytes);
  const chunks = stored.chunks();
  try {
    const first = await chunks.next();
    const kind = first.done ? null : sniff(first.value);
    if (kind !== null && "foreign" in kind)
      damage({ byteFrom: 0, byteTo: file.bytes, reason: `is ${kind.foreign}` });
    // A file of which nothing could be read is one incident, not also one that ends too soon.
    else if (!first.done || stored.fault === null)
      for await (const piece of decompress(prepend(first, chunks), kind?.format ?? file.format)) {
        if (piece.kind === "damage") damage(piece);
        else {
          read += piece.stored;
          batch.bytesRead += piece.stored;
          batch.bytesDecoded += piece.bytes.length;
          for (const line of lines.push(piece.bytes)) take(line);
        }
        if (Math.max(batch.bytesRead, batch.bytesDecoded) >= BATCH_BYTES) {
          yield batch.chunk(lines.line);
          batch = new Batch();
        }
      }
    if (stored.fault !== null) damage(stored.fault);
    take(lines.finish());
  } finally {
    await chunks.return();
  }
  if (read + unreadable !== file.bytes)
    throw new HeadraceError(
      "ERR_ACCOUNT",
      `${file.source}: ${read} bytes read + ${unreadable} unreadable is not its ${file.bytes} bytes; please report this`,
    );
  yield {
    ...batch.chunk(lines.line),
    account: { read, unreadable, total: file.bytes, sha256: stored.sha256 },
  };
}

async function* prepend(
  first: IteratorResult<Buffer, void>,
  rest: AsyncGenerator<Buffer, void>,
): AsyncGenerator<Buffer> {
  if (!first.done) yield first.value;
  yield* rest;
}

/** A batch in the making. */
class Batch {
  readonly incidents: Incident[] = [];
  bytesRead = 0;
  bytesUnreadable = 0;
  bytesDecoded = 0;
  textBytes = 0;
  readonly #documents: Document[] = [];
  readonly #quarantined: Quarantined[] = [];

  add(record: Document | Quarantined): void {
    if ("text" in record) {
      this.textBytes += Buffer.byteLength(record.text);
      this.#documents.push(record);
    } else this.#quarantined.push(record);
  }

  chunk(nextLine: number): SourceChunk {
    const { incidents, bytesRead, bytesUnreadable, textBytes } = this;
    return {
      documents: this.#documents,
      quarantined: this.#quarantined,
      incidents,
      bytesRead,
      bytesUnreadable,
      textBytes,
      nextLine,
    };
  }
}
