/**
 * A text as UTF-16 units with the kind of each, in typed arrays: what the rules read instead of the string.
 */
import { sortUnits, TRAIL } from "./kinds.ts";

/** One text. The arrays are longer than it and are reused by the next text; the unit behind the text is 0 and white space. */
export interface Units {
  readonly text: string;
  readonly units: Uint16Array;
  readonly kinds: Uint8Array;
  /** Units of the text. */
  readonly count: number;
  /** Code points. */
  readonly characters: number;
}

/** Makes a reader. It owns its memory: the units of one text are gone when the next is read. Linear. */
export function unitReader(): (text: string) => Units {
  let units = new Uint16Array(0);
  let bytes = Buffer.alloc(0);
  let kinds = new Uint8Array(0);
  return (text) => {
    const count = text.length;
    if (units.length < count + 2) {
      units = new Uint16Array(2 ** Math.ceil(Math.log2(Math.max(4096, count + 2))));
      bytes = Buffer.from(units.buffer);
      kinds = new Uint8Array(units.length);
    }
    // Linux on x64 and arm64 is little-endian, and so is the Arrow data that the build writes.
    bytes.write(text, "utf16le");
    units.fill(0, count, count + 2);
    kinds.fill(0, count, count + 2);
    return { text, units, kinds, count, characters: count - sortUnits(units, count, kinds) };
  };
}

/** Code points of the units [start, end). */
export function codePoints({ kinds, count, characters }: Units, start: number, end: number): number {
  if (count === characters) return end - start;
  let trails = 0;
  for (let i = start; i < end; i++) if (kinds[i]! & TRAIL) trails++;
  return end - start - trails;
}
