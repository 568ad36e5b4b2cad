/**
 * Lines of a text as Python's `str.splitlines` and `str.strip` see them, which is what the published rules were written with, and its pieces
 * between newlines. All are stretches of units; none is copied.
 */
import { BREAK, KIND, SPACE } from "./kinds.ts";
import { grown, Numbering } from "./numbering.ts";
import { codePoints, type Units } from "./units.ts";

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
export function breakLines(): (units: Units) => Stretches {
  const lines = new StretchList();
  return ({ units, kinds, count }) => {
    lines.count = 0;
    let start = 0;
    for (let i = 0; i < count; i++) {
      if ((kinds[i]! & BREAK) === 0) continue;
      lines.add(start, i);
      if (units[i] === RETURN && units[i + 1] === NEWLINE) i++;
      start = i + 1;
    }
    if (start < count) lines.add(start, count);
    return lines;
  };
}

/** Cuts [from, to) at runs of at least `least` newlines; where one is at the edge, there is an empty piece. Owns the memory of the last. */
export function pieceCutter(least: number): (units: Units, from: number, to: number) => Stretches {
  const pieces = new StretchList();
  return ({ units }, from, to) => {
    pieces.count = 0;
    let start = from;
    for (let i = from; i < to; i++) {
      if (units[i] !== NEWLINE) continue;
      let end = i + 1;
      while (end < to && units[end] === NEWLINE) end++;
      if (end - i >= least) {
        pieces.add(start, i);
        start = end;
      }
      i = end - 1;
    }
    pieces.add(start, to);
    return pieces;
  };
}

/** The first unit from `start` on that is no white space, or `end`. */
export function stripStart({ kinds }: Pick<Units, "kinds">, start: number, end: number): number {
  let i = start;
  while (i < end && (kinds[i]! & KIND) === SPACE) i++;
  return i;
}

/** The end of what is left of [start, end) without white space at its end. */
export function stripEnd({ kinds }: Pick<Units, "kinds">, start: number, end: number): number {
  let i = end;
  while (i > start && (kinds[i - 1]! & KIND) === SPACE) i--;
  return i;
}

/** How many stretches repeat an earlier one, and their code points. */
export interface Repeated {
  readonly parts: number;
  readonly characters: number;
}

/** Makes a counter of repetitions. Owns the memory of the last. */
export function repetitionCounter(): (page: Units, parts: Stretches) => Repeated {
  const seen = new Numbering();
  return (page, { count, starts, ends }) => {
    const { units } = page;
    seen.begin(units, count);
    let parts = 0;
    let characters = 0;
    for (let i = 0; i < count; i++) {
      const start = starts[i]!;
      const end = ends[i]!;
      const before = seen.distinct;
      if (seen.number(start, end, hashOf(units, start, end)) === before) continue;
      parts++;
      characters += codePoints(page, start, end);
    }
    return { parts, characters };
  };
}

/** Two units a step, as lines are longer than words. */
function hashOf(units: Uint16Array, start: number, end: number): number {
  let hash = 0;
  let i = start;
  for (; i + 1 < end; i += 2) {
    hash = Math.imul(hash ^ units[i]! ^ (units[i + 1]! << 16), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return i < end ? Math.imul(hash ^ units[i]!, 0x9e3779b1) : hash;
}
