/**
 * Bytes in, lines out, with the place of each in the decompressed stream. Memory is bounded by the longest line allowed.
 * A line is a *physical* line: blank lines are no records, but they count, so that a number is what an editor shows.
 */

/** A line that is not blank, without its line break. */
export interface Line {
  /** 1-based number of the physical line. A gap ends the line before it; the lost bytes count as no line. */
  readonly line: number;
  /** [byteFrom, byteTo) in the decompressed stream. */
  readonly byteFrom: number;
  readonly byteTo: number;
  /** A view of the bytes; null when the line is longer than allowed and was only scanned past. */
  readonly bytes: Buffer | null;
  /** Bytes just before or just after this line were lost, so it may be a part of one. */
  readonly torn: boolean;
}

const STREAM_START = { lineAt: 0, line: 1 };
const NOTHING = Buffer.alloc(0);
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Splits a stream at line feeds; a carriage return before one, and a byte order mark at the very start, are dropped. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  /** The bytes of the unfinished line; nothing once it is too long. */
  #kept: Buffer[] = [];
  #from: number;
  #at: number;
  #line: number;
  #torn = false;

  /** `start`: where the first byte is in the decompressed stream, and the line that begins with it. */
  constructor(
    maxLineBytes: number,
    start: { readonly lineAt: number; readonly line: number } = STREAM_START,
  ) {
    this.#maxLineBytes = maxLineBytes;
    this.#from = start.lineAt;
    this.#at = start.lineAt;
    this.#line = start.line;
  }

  /** Number of the physical line that the next byte belongs to. */
  get line(): number {
    return this.#line;
  }

  /** Bytes of the line that is not complete yet. */
  get pending(): number {
    return this.#at - this.#from;
  }

  /** The lines that `bytes` complete, lazily: take them all before the next call. */
  *push(bytes: Buffer): Generator<Line> {
    let from = 0;
    for (let to = bytes.indexOf(LINE_FEED); to >= 0; to = bytes.indexOf(LINE_FEED, from)) {
      const line = this.#complete(bytes.subarray(from, to));
      from = to + 1;
      this.#at++;
      this.#next();
      this.#torn = false;
      if (line !== null) yield line;
    }
    if (from < bytes.length) this.#keep(bytes.subarray(from));
  }

  /** Bytes were lost here. Returns the part of a line that stands before the gap, if any. */
  gap(): Line | null {
    this.#torn = true;
    return this.finish();
  }

  /** The last line, if no line feed ended it. */
  finish(): Line | null {
    const line = this.#complete(NOTHING);
    if (this.#at > this.#from) this.#next();
    return line;
  }

  #next(): void {
    this.#kept = [];
    this.#from = this.#at;
    this.#line++;
  }

  #keep(bytes: Buffer): void {
    this.#at += bytes.length;
    if (this.#at - this.#from > this.#maxLineBytes) this.#kept = [];
    else this.#kept.push(bytes);
  }

  /** The unfinished line with its last bytes; null when it is blank. */
  #complete(last: Buffer): Line | null {
    let bytes: Buffer | null = last;
    if (this.#at > this.#from) {
      this.#keep(last);
      bytes = this.#at - this.#from > this.#maxLineBytes ? null : Buffer.concat(this.#kept);
    } else {
      this.#at += last.length;
      if (last.length > this.#maxLineBytes) bytes = null;
    }
    let byteFrom = this.#from;
    let byteTo = this.#at;
    if (bytes !== null) {
      if (byteFrom === 0 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) {
        bytes = bytes.subarray(3);
        byteFrom = 3;
      }
      if (bytes[bytes.length - 1] === CARRIAGE_RETURN) {
        bytes = bytes.subarray(0, -1);
        byteTo--;
      }
      if (isBlank(bytes)) return null;
    }
    return { line: this.#line, byteFrom, byteTo, bytes, torn: this.#torn };
  }
}

/** True for JSON's white space only. */
function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== CARRIAGE_RETURN) return false;
  return true;
}
