/**
 * What was served: one 64-bit hash a batch over its rows, the same for any order and any split over ranks (docs/format.md 3.3), and the log of them.
 * A line is written with one call and survives the death of the process; `sync` makes it survive the death of the machine, and is called at every
 * report and checkpoint, not at every batch. Gives up on cryptographic strength: it finds mistakes, the shards' sha256 finds tampering.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { HeadraceError } from "../core/errors.ts";
import { type Key, keyOf, mix32 } from "../core/random.ts";

/** Rows by number: domain index, epoch and row of each, all of one length (a batch plan is one). */
export interface RowIds {
  readonly domains: ArrayLike<number>;
  readonly epochs: ArrayLike<number>;
  readonly rows: ArrayLike<number>;
}

/** The keys that serve `servedHash`, in the order of the schedule's domains. */
export function servedKeys(domains: readonly string[]): readonly Key[] {
  return domains.map((name) => keyOf("served", name));
}

/** Served hash of the rows at positions [from, until): 16 hex digits, hi word first. Deterministic; about 20 ns a row. */
export function servedHash(
  keys: readonly Key[],
  ids: RowIds,
  from = 0,
  until: number = ids.rows.length,
): string {
  const { domains, epochs, rows } = ids;
  let lo = 0;
  let hi = 0;
  for (let i = from; i < until; i++) {
    const key = keys[domains[i]!]!;
    const epoch = epochs[i]!;
    const row = rows[i]!;
    lo = (lo + mix32((mix32((row + key[0]!) | 0) ^ (epoch + key[1]!)) | 0)) | 0;
    hi = (hi + mix32((mix32((row + key[2]!) | 0) ^ (epoch + key[3]!)) | 0)) | 0;
  }
  return hexWord(hi) + hexWord(lo);
}

/** The hash of the whole from the hashes of two parts. */
export function addServed(a: string, b: string): string {
  return hexWord(word(a, 0) + word(b, 0)) + hexWord(word(a, 8) + word(b, 8));
}

/** A served log as it lies on disk: `hashes[k]` is batch k's; `problems` name lines that are not what comes next. */
export interface ServedLines {
  readonly hashes: ReadonlyMap<number, string>;
  readonly problems: readonly { readonly line: number; readonly text: string; readonly expected: string }[];
  /** Bytes of the whole lines; what follows is a line cut by a crash. */
  readonly wholeBytes: number;
  readonly tornBytes: number;
}

/** Reads a served log without judging it; an absent file is an empty log. */
export function readServedLog(path: string): ServedLines {
  let text = "";
  try {
    text = readFileSync(path, "latin1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const wholeBytes = text.lastIndexOf("\n") + 1;
  const hashes = new Map<number, string>();
  const problems: { line: number; text: string; expected: string }[] = [];
  let next = 0;
  const lines = text.slice(0, wholeBytes).split("\n");
  lines.pop();
  for (const [i, line] of lines.entries()) {
    const match = /^(0|[1-9]\d{0,14}) ([0-9a-f]{16})$/.exec(line);
    const batch = Number(match?.[1]);
    if (!match || batch !== next)
      problems.push({ line: i + 1, text: line.slice(0, 80), expected: `batch ${next} and 16 hex digits` });
    if (!match) continue;
    if (!hashes.has(batch)) hashes.set(batch, match[2]!);
    next = batch + 1;
  }
  return { hashes, problems, wholeBytes, tornBytes: text.length - wholeBytes };
}

/** The served log of a run, open for appending. */
export class ServedLog {
  readonly path: string;
  /** What was repaired at opening, for people; null if nothing was. */
  readonly repaired: string | null;
  readonly #file: number;
  readonly #hashes: string[];

  /** Opens or creates a log, and cuts off a line that a crash left unfinished. Throws ERR_REPLAY when a whole line is out of place. */
  constructor(path: string) {
    const { hashes, problems, wholeBytes, tornBytes } = readServedLog(path);
    const problem = problems[0];
    if (problem)
      throw new HeadraceError(
        "ERR_REPLAY",
        `${path} line ${problem.line} is ${JSON.stringify(problem.text)}; expected ${problem.expected}; restore the file, or start a new run`,
      );
    this.path = path;
    this.#hashes = [...hashes.values()];
    this.#file = openSync(path, "a");
    if (tornBytes > 0) ftruncateSync(this.#file, wholeBytes);
    this.repaired =
      tornBytes > 0
        ? `${path}: cut off an unfinished last line of ${tornBytes} bytes after batch ${this.next - 1}`
        : null;
  }

  /** The number of batches acknowledged, which is the next batch to be. */
  get next(): number {
    return this.#hashes.length;
  }

  /**
   * Writes the line of a batch. A batch that is there already must have the same hash and is not written twice: returns false for it.
   * Throws ERR_REPLAY on another hash or a gap.
   */
  append(batch: number, served: string): boolean {
    const recorded = this.#hashes[batch];
    if (recorded === served) return false;
    if (recorded !== undefined)
      throw new HeadraceError(
        "ERR_REPLAY",
        `batch ${batch} is acknowledged with served hash ${served}, ${this.path} has ${recorded}; the trainer did not consume the recorded rows`,
      );
    if (batch !== this.next)
      throw new HeadraceError(
        "ERR_REPLAY",
        `batch ${batch} is acknowledged, ${this.path} goes on with batch ${this.next}; acknowledge every batch in order`,
      );
    const line = `${batch} ${served}\n`;
    if (writeSync(this.#file, line) !== line.length)
      throw new HeadraceError(
        "ERR_OUTPUT",
        `${this.path} took only a part of a line; free space on its disk, then resume`,
      );
    this.#hashes.push(served);
    return true;
  }

  /** The recorded hash of a batch. */
  at(batch: number): string | undefined {
    return this.#hashes[batch];
  }

  /** Makes every line durable. */
  sync(): void {
    fsyncSync(this.#file);
  }

  close(): void {
    fsyncSync(this.#file);
    closeSync(this.#file);
  }
}

function hexWord(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

function word(hash: string, from: number): number {
  return Number.parseInt(hash.slice(from, from + 8), 16);
}
