/**
 * A reading position in bytes that arrive in chunks, which knows how many of them have been settled: reported as read.
 */

const NOTHING = Buffer.alloc(0);

/** Looks ahead, passes over and counts. Holds a chunk and what was looked ahead at. */
export class Cursor {
  readonly #chunks: AsyncIterator<Buffer>;
  #view: Buffer = NOTHING;
  #at = 0;
  #settledAt = 0;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Position of the next byte. */
  get at(): number {
    return this.#at;
  }

  /** Position up to which bytes have been settled. */
  get settledAt(): number {
    return this.#settledAt;
  }

  /** The bytes that follow: at least `length` of them, or all where the input ends before. */
  async peek(length: number): Promise<Buffer> {
    while (this.#view.length < length) {
      const next = await this.#chunks.next();
      if (next.done) break;
      this.#view = this.#view.length === 0 ? next.value : Buffer.concat([this.#view, next.value]);
    }
    return this.#view;
  }

  /** Moves on by `length`, which must have been looked at. */
  skip(length: number): void {
    this.#view = this.#view.subarray(length);
    this.#at += length;
  }

  /** Settles everything up to here. Returns how many bytes that adds. */
  settle(): number {
    const added = this.#at - this.#settledAt;
    this.#settledAt = this.#at;
    return added;
  }

  /** Passes over all that is left. Returns the length of the input. */
  async drain(): Promise<number> {
    for (;;) {
      this.skip(this.#view.length);
      if ((await this.peek(1)).length === 0) return this.#at;
    }
  }
}
