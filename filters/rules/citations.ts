/**
 * Wikipedia's citation marks, which C4 takes out of a line before it judges it: `[12]`, `[]`, `[edit]`, `[citation needed]`.
 */
import type { Units } from "./units.ts";

const OPEN = 91;
const CLOSE = 93;
const WORDS = ["edit]", "citation needed]"];

/** Makes a function that gives [start, end) without its citations, or null where it has none. It owns the memory of what it gives. */
export function citationRemover(): (
  line: Units,
  start: number,
  end: number,
) => Pick<Units, "units" | "kinds" | "count"> | null {
  let units = new Uint16Array(0);
  let kinds = new Uint8Array(0);
  return (line, start, end) => {
    let count = -1;
    for (let i = start; i < end; ) {
      const behind = line.units[i] === OPEN ? citationEnd(line, i, end) : i;
      if (behind === i) {
        if (count >= 0) {
          units[count] = line.units[i]!;
          kinds[count++] = line.kinds[i]!;
        }
        i++;
        continue;
      }
      if (count < 0) {
        if (units.length < end - start) {
          units = new Uint16Array(end - start);
          kinds = new Uint8Array(end - start);
        }
        units.set(line.units.subarray(start, i));
        kinds.set(line.kinds.subarray(start, i));
        count = i - start;
      }
      i = behind;
    }
    return count < 0 ? null : { units, kinds, count };
  };
}

/** Where the citation that begins at `at` ends; `at` where none does. */
function citationEnd({ text, units }: Units, at: number, end: number): number {
  let i = at + 1;
  while (i < end && units[i]! >= 48 && units[i]! <= 57) i++;
  if (i < end && units[i] === CLOSE) return i + 1;
  const word = WORDS.find((one) => at + 1 + one.length <= end && text.startsWith(one, at + 1));
  return word === undefined ? at : at + 1 + word.length;
}
