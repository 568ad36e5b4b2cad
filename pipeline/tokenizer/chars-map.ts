/**
 * SentencePiece's `precompiled_charsmap`: rules that replace the longest match at a place of a text. A double array in the layout of
 * Darts-clone (0.32), preceded by its size in bytes and followed by the replacements, each ended by a zero byte.
 */
import { HeadraceError } from "../../core/errors.ts";

/** Rules by the bytes they match. */
export interface CharsMap {
  readonly units: Uint32Array;
  /** Valid UTF-8. */
  readonly replacements: Uint8Array;
}

/** A rule that matches: how many bytes it takes, and where its replacement starts and ends in `replacements`. */
export interface Match {
  readonly length: number;
  readonly from: number;
  readonly to: number;
}

/** The rules in the bytes of a `precompiled_charsmap`. `subject` names the file in errors. Throws ERR_TOKENIZER. */
export function charsMapOf(bytes: Uint8Array, subject: string): CharsMap {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.length < 8 ? 0 : view.getUint32(0, true);
  if (size === 0 || size % 4 !== 0 || size + 4 >= bytes.length || bytes.at(-1) !== 0)
    throw new HeadraceError(
      "ERR_TOKENIZER",
      `${subject} has a precompiled_charsmap of ${bytes.length} bytes with ${size} bytes of rules, which is damaged; take an undamaged copy`,
    );
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  return { units, replacements: bytes.slice(4 + size) };
}

/** The longest rule that matches text[at, end), if any. */
export function longestMatch(
  { units, replacements }: CharsMap,
  text: Uint8Array,
  at: number,
  end: number,
): Match | undefined {
  let node = offsetOf(units[0]!);
  let length = 0;
  let from = -1;
  for (let i = at; i < end; i++) {
    const label = text[i]!;
    node ^= label;
    const unit = units[node];
    // Bit 31 marks a leaf, whose other bits are a value and no label.
    if (unit === undefined || (unit & 0x800000ff) !== label) break;
    node ^= offsetOf(unit);
    if (((unit >>> 8) & 1) === 0) continue;
    length = i + 1 - at;
    from = units[node]! & 0x7fffffff;
  }
  return length === 0 ? undefined : { length, from, to: replacements.indexOf(0, from) };
}

/** How far the children of a unit lie. */
function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 512) >>> 6);
}
