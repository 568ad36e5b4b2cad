/**
 * A stored file that is read by position, and hashed in one pass all the same: what is read in order is hashed as it comes, what lies
 * between is read for the hash alone, and only what was read ahead of the hash (a footer, a small column) is read twice.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { messageOf } from "../core/errors.ts";
import { openInput } from "./input-fault.ts";

const CHUNK_BYTES = 1024 * 1024;

/** An open file of a known length. Reading throws an Error whose message says what a person can do. */
export class TableFile {
  readonly bytes: number;
  readonly #handle: FileHandle;
  readonly #hash = createHash("sha256");
  #hashedTo: number;

  private constructor(handle: FileHandle, bytes: number, hashed: boolean) {
    this.#handle = handle;
    this.bytes = bytes;
    this.#hashedTo = hashed ? 0 : bytes;
  }

  /** Opens a file, to be hashed or not, and compares its length with the planned one. Returns what is wrong instead of throwing. */
  static async open(path: string, bytes: number, hashed = true): Promise<TableFile | string> {
    const handle = await openInput(path);
    if (typeof handle === "string") return handle;
    const problem = changed(bytes, (await handle.stat()).size);
    if (problem === null) return new TableFile(handle, bytes, hashed);
    await handle.close();
    return problem;
  }

  /** The bytes [from, to). */
  async read(from: number, to: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(to - from);
    await this.fill(buffer, from);
    return buffer;
  }

  /** Fills a buffer from byte `from`. */
  async fill(buffer: Buffer, from: number): Promise<void> {
    for (let done = 0; done < buffer.length; ) {
      const { bytesRead } = await this.#handle.read(buffer, done, buffer.length - done, from + done);
      if (bytesRead === 0) throw new Error(`ends at byte ${from + done} of ${this.bytes}; start again`);
      done += bytesRead;
    }
  }

  /** Fills a buffer from byte `from` and hashes everything up to its end that has not been hashed yet. */
  async fillInOrder(buffer: Buffer, from: number): Promise<void> {
    await this.#hashUpTo(from);
    await this.fill(buffer, from);
    const end = from + buffer.length;
    if (end <= this.#hashedTo) return;
    this.#hash.update(buffer.subarray(Math.max(0, this.#hashedTo - from)));
    this.#hashedTo = end;
  }

  /** SHA-256 of the whole file (of a file that is not hashed, of nothing), or what kept it from being read to its end. Call once, last. */
  async finish(): Promise<{ readonly sha256: string } | { readonly problem: string }> {
    try {
      await this.#hashUpTo(this.bytes);
      const problem = changed(this.bytes, (await this.#handle.stat()).size);
      return problem === null ? { sha256: this.#hash.digest("hex") } : { problem };
    } catch (error) {
      return { problem: `cannot be read to its end: ${messageOf(error)}` };
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #hashUpTo(end: number): Promise<void> {
    while (this.#hashedTo < end) {
      const to = Math.min(end, this.#hashedTo + CHUNK_BYTES);
      this.#hash.update(await this.read(this.#hashedTo, to));
      this.#hashedTo = to;
    }
  }
}

/** A stretch of a file that is looked at from its start to its end, read a quarter of a megabyte ahead. */
export class ByteWindow {
  readonly #file: TableFile;
  readonly #end: number;
  readonly #inOrder: boolean;
  #at: number;
  #view: Buffer = Buffer.alloc(0);

  /** `inOrder`: hash what is read; for the largest of the stretches that are read side by side. */
  constructor(file: TableFile, from: number, end: number, inOrder: boolean) {
    this.#file = file;
    this.#at = from;
    this.#end = end;
    this.#inOrder = inOrder;
  }

  /** Position in the file of the next byte. */
  get at(): number {
    return this.#at;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** The next `length` bytes or more, or all that are left; a view that later calls leave alone. */
  async peek(length: number): Promise<Buffer> {
    const needed = Math.min(length, this.left);
    if (this.#view.length >= needed) return this.#view;
    const view = Buffer.allocUnsafe(Math.min(this.left, Math.max(needed, CHUNK_BYTES / 4)));
    this.#view.copy(view);
    const rest = view.subarray(this.#view.length);
    const from = this.#at + this.#view.length;
    await (this.#inOrder ? this.#file.fillInOrder(rest, from) : this.#file.fill(rest, from));
    this.#view = view;
    return view;
  }

  /** Moves on. */
  skip(length: number): void {
    this.#view = this.#view.subarray(Math.min(length, this.#view.length));
    this.#at += length;
  }
}

function changed(planned: number, seen: number): string | null {
  return planned === seen
    ? null
    : `had ${planned} bytes when the build was planned and has ${seen} now; start again`;
}
