/**
 * Lines of a text as Python's `str.splitlines` and `str.strip` see them, which is what the published rules were written with, and its pieces
 * between newlines. All are stretches of bytes; none is copied.
 */
import { type Bytes, codePoints } from "./bytes.ts";
import type { Repeated } from "./counts.ts";
import { grown } from "./grown.ts";
import { KIND, SPACE } from "./kernel/sign-kinds.ts";
import { Numbering } from "./numbering.ts";
import { sizeOf } from "./utf8.ts";

/** Stretches [starts[i], ends[i]) of a text; the arrays are longer than `count` and are reused by the next text. */
export interface Stretches {
  readonly count: number;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

const NEWLINE = 10;
const RETURN = 13;

/** A growing list of stretches that is emptied for each text. */
export class StretchList implements Stretches {
  count = 0;
  starts = new Int32Array(1024);
  ends = new Int32Array(1024);

  add(start: number, end: number): void {
    if (this.count === this.starts.length) {
      this.starts = grown(this.starts);
      this.ends = grown(this.ends);
    }
    this.starts[this.count] = start;
    this.ends[this.count++] = end;
  }
}

/** Cuts lines without their ends; a break at the end of the text begins no line. Owns the memory of the last. */
export function breakLines(): (text: Bytes) => Stretches {
  const lines = new StretchList();
  return ({ bytes, breaks, breakCount, count }) => {
    lines.count = 0;
    let start = 0;
    for (let i = 0; i < breakCount; i++) {
      const at = breaks[i]!;
      lines.add(start, at);
      start = at + sizeOf(bytes[at]!);
      if (bytes[at] === RETURN && bytes[start] === NEWLINE) {
        start++;
        i++;
      }
    }
    if (start < count) lines.add(start, count);
    return lines;
  };
}

/** Cuts [from, to) at runs of at least `least` newlines; where one is at the edge, there is an empty piece. Owns the memory of the last. */
export function pieceCutter(least: number): (text: Bytes, from: number, to: number) => Stretches {
  const pieces = new StretchList();
  return ({ bytes, breaks, breakCount }, from, to) => {
    pieces.count = 0;
    let start = from;
    for (let i = 0; i < breakCount; i++) {
      const at = breaks[i]!;
      if (bytes[at] !== NEWLINE || at < from || at >= to) continue;
      let end = at + 1;
      while (end < to && bytes[end] === NEWLINE) end++;
      if (end - at >= least) {
        pieces.add(start, at);
        start = end;
      }
      i += end - at - 1;
    }
    pieces.add(start, to);
    return pieces;
  };
}

/** The first byte from `start` on that is no white space, or `end`. */
export function stripStart({ kinds }: Pick<Bytes, "kinds">, start: number, end: number): number {
  let i = start;
  while (i < end && (kinds[i]! & KIND) === SPACE) i++;
  return i;
}

/** The end of what is left of [start, end) without white space at its end. */
export function stripEnd({ kinds }: Pick<Bytes, "kinds">, start: number, end: number): number {
  let i = end;
  while (i > start && (kinds[i - 1]! & KIND) === SPACE) i--;
  return i;
}

/** Makes a counter of repetitions. Owns the memory of the last. */
export function repetitionCounter(): (text: Bytes, parts: Stretches) => Repeated {
  const seen = new Numbering();
  return (text, { count, starts, ends }) => {
    seen.begin(text, count);
    let parts = 0;
    let characters = 0;
    for (let i = 0; i < count; i++) {
      const start = starts[i]!;
      const end = ends[i]!;
      const before = seen.distinct;
      if (seen.number(start, end) === before) continue;
      parts++;
      characters += codePoints(text, start, end);
    }
    return { parts, characters };
  };
}
