/**
 * A batch of a source in the making: what has been read since the one before.
 */
import type { Document } from "../core/document.ts";
import type { ByteAccount, Incident, Quarantined } from "./incidents.ts";

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
  /** What share of `bytesRead`, from 0 to 1, is the beginning of a record that is not complete yet. */
  readonly pending: number;
  /** Number of the next physical line, or row of a table: a later read may go on `fromLine` here. */
  readonly nextLine: number;
  /** On the last batch: the bytes of the whole file. */
  readonly account?: ByteAccount;
}

/** A batch is passed on when it has this many bytes, stored or decompressed. */
const BATCH_BYTES = 512 * 1024;
/** Or this many quarantined records. */
const BATCH_RECORDS = 16_384;

/** Collects documents, quarantined records and incidents. */
export class Batch {
  readonly incidents: Incident[] = [];
  bytesRead = 0;
  bytesUnreadable = 0;
  bytesDecoded = 0;
  textBytes = 0;
  readonly #documents: Document[] = [];
  readonly #quarantined: Quarantined[] = [];

  /** Whether it is time to pass it on. */
  get full(): boolean {
    return (
      Math.max(this.bytesRead, this.bytesDecoded, this.textBytes) >= BATCH_BYTES ||
      this.#quarantined.length >= BATCH_RECORDS
    );
  }

  add(record: Document | Quarantined): void {
    if ("text" in record) {
      this.textBytes += record.utf8?.length ?? Buffer.byteLength(record.text);
      this.#documents.push(record);
    } else this.#quarantined.push(record);
  }

  /** The batch as it is passed on; `pendingBytes` are those decoded bytes that begin a record whose end has not come yet. */
  chunk(nextLine: number, pendingBytes = 0): SourceChunk {
    const { incidents, bytesRead, bytesUnreadable, bytesDecoded, textBytes } = this;
    return {
      documents: this.#documents,
      quarantined: this.#quarantined,
      incidents,
      bytesRead,
      bytesUnreadable,
      textBytes,
      pending: pendingBytes === 0 ? 0 : Math.min(1, pendingBytes / bytesDecoded),
      nextLine,
    };
  }
}
