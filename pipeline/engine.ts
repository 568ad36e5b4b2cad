/**
 * One zlib decoder driven by hand: feed bytes, get all that they decode to.
 * Node's streams lose the output of a write that fails and hide how much of their input they used; small writes and this count give both back.
 */
import type { Transform } from "node:stream";

/** Node's zlib transforms count the bytes that their decoder has used. */
export type ZlibStream = Transform & { readonly bytesWritten: number };

/** A decoder. Close it, or its window stays allocated. */
export class Engine {
  readonly #stream: ZlibStream;
  #out: Buffer[] = [];
  #error: Error | null = null;
  #fail: ((error: Error) => void) | null = null;

  constructor(stream: ZlibStream) {
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => this.#out.push(chunk));
    stream.on("error", (error: Error) => {
      this.#error = error;
      this.#fail?.(error);
    });
  }

  /** How many bytes the decoder has used; fewer than it was fed when its data ended before. */
  get used(): number {
    return this.#stream.bytesWritten;
  }

  /** Decodes `bytes` and returns everything that they complete. Rejects where the bytes are corrupt; feed nothing more then. */
  feed(bytes: Buffer): Promise<readonly Buffer[]> {
    return new Promise((resolve, reject) => {
      if (this.#error !== null) return reject(this.#error);
      this.#fail = reject;
      this.#stream.write(bytes, () => {
        if (this.#error !== null) return reject(this.#error);
        // What the stream still holds back comes out through the "data" listener.
        while (this.#stream.read() !== null);
        const out = this.#out;
        this.#out = [];
        resolve(out);
      });
    });
  }

  close(): void {
    this.#stream.destroy();
  }
}
