/**
 * Chooses where to cut a stream of lines, from its bytes and the places where reading could begin. The cuts depend on these alone.
 */
import type { FileCut } from "./range.ts";

const LINE_FEED = 0x0a;

/** Takes a stream from its start to its end; remembers the cuts. */
export class CutFinder {
  readonly #taskBytes: number;
  readonly #anyLine: boolean;
  readonly #cuts: FileCut[] = [{ byte: 0, decodedAt: 0, lineAt: 0, line: 1 }];
  /** A place that was chosen, while the line before it has not ended. */
  #open: Pick<FileCut, "byte" | "decodedAt"> | null = null;
  #at = 0;
  #line = 1;
  #endsLine = true;

  /** `anyLine`: the stream is stored as it is, so reading could begin at every line. */
  constructor(taskBytes: number, anyLine: boolean) {
    this.#taskBytes = taskBytes;
    this.#anyLine = anyLine;
  }

  /** Reading could begin here, at stored byte `byte`. */
  offer(byte: number): void {
    if (this.#open !== null || !this.#isDue(this.#at)) return;
    this.#open = { byte, decodedAt: this.#at };
    if (this.#endsLine) this.#cut(this.#at);
  }

  /** The next bytes of the stream. */
  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    for (let to = bytes.indexOf(LINE_FEED); to >= 0; to = bytes.indexOf(LINE_FEED, to + 1)) {
      const lineAt = this.#at + to + 1;
      this.#line++;
      if (this.#anyLine && this.#isDue(lineAt)) this.#open = { byte: lineAt, decodedAt: lineAt };
      if (this.#open !== null) this.#cut(lineAt);
    }
    this.#at += bytes.length;
    this.#endsLine = bytes[bytes.length - 1] === LINE_FEED;
  }

  /** The cuts with start and end of the stream, which has `byte` stored bytes. The last stretch is no shorter than half of the others. */
  finish(byte: number): readonly FileCut[] {
    const inner = this.#cuts.slice(1);
    const last = inner.at(-1);
    if (last && this.#at - last.lineAt < this.#taskBytes / 2) inner.pop();
    return [
      this.#cuts[0]!,
      ...inner,
      { byte, decodedAt: this.#at, lineAt: this.#at, line: this.#line + (this.#endsLine ? 0 : 1) },
    ];
  }

  #isDue(at: number): boolean {
    return at - this.#cuts.at(-1)!.decodedAt >= this.#taskBytes;
  }

  #cut(lineAt: number): void {
    this.#cuts.push({ ...this.#open!, lineAt, line: this.#line });
    this.#open = null;
  }
}
