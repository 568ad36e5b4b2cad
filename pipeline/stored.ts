/**
 * The bytes of an input file, as stored. A file that cannot be read to its planned end never throws: the fault is left for the caller to report.
 */
import { createHash } from "node:crypto";
import { messageOf } from "../core/errors.ts";
import { openInput } from "./input-fault.ts";
import type { Damage } from "./pieces.ts";

const CHUNK_BYTES = 256 * 1024;

/** A file of a known length, read once from start to end. */
export class StoredFile {
  readonly #path: string;
  readonly #bytes: number;
  readonly #from: number;
  readonly #hash = createHash("sha256");
  #fault: Damage | null = null;
  #sha256: string | null = null;

  /** Reads from byte `from` on; where that is not 0 there is no hash. */
  constructor(path: string, bytes: number, from = 0) {
    this.#path = path;
    this.#bytes = bytes;
    this.#from = from;
  }

  /** What went wrong; to be asked after the last chunk. Its range together with the chunks makes the planned length. */
  get fault(): Damage | null {
    return this.#fault;
  }

  /** SHA-256 of the bytes, 64 hex digits, once all of them were read; null where they were not. */
  get sha256(): string | null {
    return this.#sha256;
  }

  /** Chunks of 256 KiB, up to the planned length. */
  async *chunks(): AsyncGenerator<Buffer, void> {
    let at = this.#from;
    const handle = await openInput(this.#path);
    if (typeof handle === "string") {
      this.#fail(at, handle);
      return;
    }
    try {
      while (at < this.#bytes) {
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, this.#bytes - at));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) break;
        at += bytesRead;
        const chunk = buffer.subarray(0, bytesRead);
        if (this.#from === 0) this.#hash.update(chunk);
        yield chunk;
      }
      if (at === this.#bytes && this.#from === 0) this.#sha256 = this.#hash.digest("hex");
      const { size } = await handle.stat();
      if (size !== this.#bytes)
        this.#fail(
          at,
          `had ${this.#bytes} bytes when the build was planned and has ${size} now; start again`,
        );
    } catch (error) {
      this.#fail(at, `cannot be read: ${messageOf(error)}`);
    } finally {
      await handle.close();
    }
  }

  #fail(byteFrom: number, reason: string): void {
    this.#fault = { byteFrom, byteTo: this.#bytes, reason };
  }
}
