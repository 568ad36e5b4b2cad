/**
 * Memory for the texts of documents: they are copied side by side into blocks, so that a short one has no allocation of its own.
 * V8 collects garbage early because of memory outside of its heap, so a reader whose texts nobody keeps fills the same blocks again.
 */

/** Bytes of a block; a text longer than a quarter of it has memory of its own. */
const BLOCK = 1 << 20;

/** Texts of one reader. Where they are lent, it holds as many blocks as they filled between two calls of `takeBack`; else one. */
export class TextBlocks {
  readonly #lent: boolean;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  readonly #full: Buffer[] = [];
  readonly #free: Buffer[] = [];

  /** `lent`: whether texts are good until `takeBack` only. */
  constructor(lent: boolean) {
    this.#lent = lent;
  }

  /** A copy of `content`. */
  copy(content: Uint8Array): Buffer {
    if (content.length > BLOCK / 4) return Buffer.from(content);
    if (this.#at + content.length > this.#block.length) {
      if (this.#lent && this.#block.length > 0) this.#full.push(this.#block);
      this.#block = this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
      this.#at = 0;
    }
    this.#block.set(content, this.#at);
    const copy = this.#block.subarray(this.#at, this.#at + content.length);
    this.#at += content.length;
    return copy;
  }

  /** Takes back what was lent: the next texts overwrite those copied so far. */
  takeBack(): void {
    if (!this.#lent) return;
    this.#free.push(...this.#full.splice(0));
    this.#at = 0;
  }
}
