/**
 * A text as UTF-8 with the kind of each byte, in typed arrays: what the rules read instead of the string. Lone surrogates are U+FFFD, as in the tokens.
 */
import { SPACE, TRAIL } from "./kernel/sign-kinds.ts";
import { KindSorter } from "./kinds.ts";

/** One text. The arrays are longer than it and are reused by the next text; behind it are eight bytes of 0, which are white space. */
export interface Bytes {
  readonly text: string;
  readonly bytes: Buffer;
  /** Over the same memory. */
  readonly view: DataView;
  readonly kinds: Uint8Array;
  /** Bytes of the text. */
  readonly count: number;
  /** Code points. */
  readonly characters: number;
  /** Where a line may break: `breaks[0, breakCount)`. */
  readonly breaks: Int32Array;
  readonly breakCount: number;
}

const PADDING = 8;
/** Longer texts get the room that they need, shorter ones that of the worst case, which is not counted first. */
const LONG = 1 << 20;

/** Makes a reader. It owns its memory: the bytes of one text are gone when the next is read. Linear. */
export function byteReader(): (text: string) => Bytes {
  let bytes = Buffer.alloc(0);
  let view = new DataView(bytes.buffer);
  let kinds = new Uint8Array(0);
  const sorter = new KindSorter();
  return (text) => {
    const most = (text.length < LONG ? text.length * 3 : Buffer.byteLength(text)) + PADDING;
    if (bytes.length < most) {
      const room = 2 ** Math.ceil(Math.log2(Math.max(65_536, most)));
      kinds = new Uint8Array(room);
      bytes = Buffer.from(new ArrayBuffer(room));
      view = new DataView(bytes.buffer);
    }
    const count = bytes.write(text);
    for (let i = count; i < count + PADDING; i++) {
      bytes[i] = 0;
      kinds[i] = SPACE;
    }
    const trails = sorter.sort(bytes, count, kinds);
    const { breaks, breakCount } = sorter;
    return { text, bytes, view, kinds, count, characters: count - trails, breaks, breakCount };
  };
}

/** Code points of the bytes [start, end). */
export function codePoints({ kinds, count, characters }: Bytes, start: number, end: number): number {
  if (count === characters) return end - start;
  let trails = 0;
  for (let i = start; i < end; i++) if (kinds[i]! & TRAIL) trails++;
  return end - start - trails;
}
