/**
 * Wikipedia's citation marks, which C4 takes out of a line before it judges it: `[12]`, `[]`, `[edit]`, `[citation needed]`.
 */
import type { Bytes } from "./bytes.ts";

const OPEN = 91;
const CLOSE = 93;
const WORDS = ["edit]", "citation needed]"].map((word) => Buffer.from(word));

/** Makes a function that gives [start, end) without its citations, copied. It owns the memory of what it gives. */
export function citationRemover(): (
  line: Bytes,
  start: number,
  end: number,
) => Pick<Bytes, "bytes" | "kinds" | "count"> {
  let bytes = Buffer.alloc(0);
  let kinds = new Uint8Array(0);
  return (line, start, end) => {
    if (bytes.length < end - start) {
      bytes = Buffer.alloc((end - start) * 2);
      kinds = new Uint8Array(bytes.length);
    }
    let count = 0;
    for (let i = start; i < end; ) {
      const behind = line.bytes[i] === OPEN ? citationEnd(line, i, end) : i;
      if (behind > i) i = behind;
      else {
        bytes[count] = line.bytes[i]!;
        kinds[count++] = line.kinds[i++]!;
      }
    }
    return { bytes, kinds, count };
  };
}

/** Where the citation that begins at `at` ends; `at` where none does. */
function citationEnd({ bytes }: Bytes, at: number, end: number): number {
  let i = at + 1;
  while (i < end && bytes[i]! >= 48 && bytes[i]! <= 57) i++;
  if (i < end && bytes[i] === CLOSE) return i + 1;
  const word = WORDS.find(
    (one) => at + 1 + one.length <= end && one.every((byte, offset) => bytes[at + 1 + offset] === byte),
  );
  return word === undefined ? at : at + 1 + word.length;
}
