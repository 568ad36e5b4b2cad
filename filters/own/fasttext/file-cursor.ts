/**
 * A binary file read from start to end, little-endian, big parts straight into their arrays. What does not fit into the rest of the file is
 * refused before memory is taken for it.
 */

import { readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { HeadraceError, messageOf } from "../../../core/errors.ts";

const BLOCK = 1 << 16;
/** Bytes that one call reads at most; the system takes no more than 2 GiB. */
const MOST_READ = 1 << 30;

/** Reads values one after another. */
export class FileCursor {
  /** What is being read, for messages. */
  part = "file";
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #block = Buffer.alloc(BLOCK);
  /** [#from, #to) of the block is not taken yet. */
  #from = 0;
  #to = 0;
  /** Bytes of the file that were read into the block or past it. */
  #at = 0;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.#path = path;
    this.#handle = handle;
    this.#size = size;
  }

  /** Opens a file. Throws ERR_INPUT. */
  static async open(path: string): Promise<FileCursor> {
    try {
      const handle = await open(path);
      const { size } = await handle.stat();
      return new FileCursor(path, handle, size);
    } catch (cause) {
      throw new HeadraceError("ERR_INPUT", `${path} cannot be read (${messageOf(cause)}); check the path`, {
        cause,
      });
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** Bytes that are left. */
  get remaining(): number {
    return this.#size - this.#at + this.#to - this.#from;
  }

  /** Throws ERR_FILTER with what is wrong. */
  refuse(what: string): never {
    throw new HeadraceError("ERR_FILTER", `${this.#path}: its ${this.part} ${what}; copy the file again`);
  }

  byte(): number {
    this.#fill(1);
    return this.#block[this.#from++]!;
  }
  flag(): boolean {
    const value = this.byte();
    return value < 2 ? value === 1 : this.refuse(`has ${value} where 0 or 1 is expected`);
  }
  int32(): number {
    this.#fill(4);
    this.#from += 4;
    return this.#block.readInt32LE(this.#from - 4);
  }
  /** Throws ERR_FILTER beyond 2^53. */
  int64(): number {
    this.#fill(8);
    this.#from += 8;
    const value = Number(this.#block.readBigInt64LE(this.#from - 8));
    return Number.isSafeInteger(value) ? value : this.refuse(`has the count ${value}`);
  }
  skip(bytes: number): void {
    this.bytes(bytes);
  }
  /** Bytes up to a zero, which is passed over. */
  terminated(): Uint8Array {
    const bytes: number[] = [];
    for (let byte = this.byte(); byte !== 0; byte = this.byte()) bytes.push(byte);
    return Uint8Array.from(bytes);
  }
  bytes(count: number): Uint8Array {
    this.#require(count);
    const bytes = new Uint8Array(count);
    this.#read(bytes);
    return bytes;
  }
  /** A matrix, row after row. */
  floats(rows: number, columns: number): Float32Array {
    if (rows < 0 || columns < 0) this.refuse(`is ${rows} × ${columns}`);
    this.#require(rows * columns * 4);
    const values = new Float32Array(rows * columns);
    this.#read(new Uint8Array(values.buffer));
    return values;
  }

  #require(bytes: number): void {
    if (bytes < 0 || bytes > this.remaining)
      this.refuse(`needs ${bytes} bytes and the file has ${this.remaining} left: it is cut or damaged`);
  }

  #fill(count: number): void {
    if (this.#to - this.#from >= count) return;
    this.#require(count);
    this.#block.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
    while (this.#to < count) {
      const read = readSync(this.#handle.fd, this.#block, this.#to, BLOCK - this.#to, this.#at);
      if (read === 0) this.refuse("ends too soon: the file became shorter");
      this.#to += read;
      this.#at += read;
    }
  }

  #read(target: Uint8Array): void {
    const ready = Math.min(target.length, this.#to - this.#from);
    target.set(this.#block.subarray(this.#from, this.#from + ready));
    this.#from += ready;
    for (let done = ready; done < target.length; ) {
      const read = readSync(
        this.#handle.fd,
        target,
        done,
        Math.min(MOST_READ, target.length - done),
        this.#at,
      );
      if (read === 0) this.refuse("ends too soon: the file became shorter");
      done += read;
      this.#at += read;
    }
  }
}
