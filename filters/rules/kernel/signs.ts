/**
 * The kind of every byte of a text, sixteen bytes at a time where they are ASCII, and with it what needs no words: code points, line breaks,
 * number signs and ellipses.
 */
import { BREAK, KIND, TRAIL } from "./sign-kinds";
import { ascii, breaks, known, results, text, toKind } from "./memory";
import { CHARACTERS, ELLIPSES, HASHES } from "./results";
import { codeAt, sizeOf } from "./utf8";

/** The kind of a code point, by the host. */
// @ts-ignore: decorator
@external("host", "kindOf")
declare function kindOf(code: u32): u32;

/** On what is known of a code point: TRAIL, which the first byte of none has. */
const KNOWN: u32 = TRAIL;
const ELLIPSIS: u32 = 0x2026;
const SPARE: usize = 64;
/** From the bit BREAK to the highest of its byte; what comes in from the byte below stays under it. */
const BREAK_TO_SIGN = 4;

export let textEnd: usize = 0;
export let breakCount: u32 = 0;
/** Bytes of the text that are not the first of a code point. */
export let trails: u32 = 0;

/** Reads the text [text, end), which is valid UTF-8. */
export function readSigns(end: usize): void {
  textEnd = end;
  memory.fill(end, 0, SPARE);
  const kinds0 = v128.load(ascii);
  const kinds1 = v128.load(ascii, 16);
  const kinds2 = v128.load(ascii, 32);
  const kinds3 = v128.load(ascii, 48);
  const kinds4 = v128.load(ascii, 64);
  const kinds5 = v128.load(ascii, 80);
  const kinds6 = v128.load(ascii, 96);
  const kinds7 = v128.load(ascii, 112);
  let found = breaks;
  let others: u32 = 0;
  let hashes: u32 = 0;
  let ellipses: u32 = 0;
  let behindDots: usize = 0;
  for (let at = text; at < end; ) {
    const bytes = v128.load(at);
    const low = v128.or(
      v128.or(part(kinds0, bytes, 0x00), part(kinds1, bytes, 0x10)),
      v128.or(part(kinds2, bytes, 0x20), part(kinds3, bytes, 0x30)),
    );
    const high = v128.or(
      v128.or(part(kinds4, bytes, 0x40), part(kinds5, bytes, 0x50)),
      v128.or(part(kinds6, bytes, 0x60), part(kinds7, bytes, 0x70)),
    );
    const kinds = v128.or(low, high);
    v128.store(at + toKind, kinds);
    let breaking = v128.bitmask<i8>(v128.shl<i16>(kinds, BREAK_TO_SIGN));
    hashes += popcnt(v128.bitmask<i8>(v128.eq<i8>(bytes, v128.splat<i8>(0x23))));
    const first = v128.eq<i8>(bytes, v128.splat<i8>(0x2e));
    const second = v128.eq<i8>(v128.load(at, 1), v128.splat<i8>(0x2e));
    const third = v128.eq<i8>(v128.load(at, 2), v128.splat<i8>(0x2e));
    let dots = v128.bitmask<i8>(v128.and(v128.and(first, second), third));
    for (; dots != 0; dots &= dots - 1) {
      const place = at + <usize>ctz(dots);
      if (place < behindDots) continue;
      ellipses++;
      behindDots = place + 3;
    }
    let next = at + 16;
    for (let rest = v128.bitmask<i8>(bytes); rest != 0; ) {
      const offset = ctz(rest);
      const first = at + <usize>offset;
      const size = sizeOf(load<u8>(first));
      const code = codeAt(first);
      let kind = <u32>load<u8>(known + <usize>code);
      if (kind == 0) {
        kind = kindOf(code) | KNOWN;
        store<u8>(known + <usize>code, kind);
      }
      store<u8>(first + toKind, kind & ~KNOWN);
      const trail = (kind & KIND) | TRAIL;
      for (let i: usize = 1; i < size; i++) store<u8>(first + toKind + i, trail);
      if (kind & BREAK) breaking |= 1 << offset;
      if (code == ELLIPSIS) ellipses++;
      others += <u32>size - 1;
      next = max(next, first + size);
      rest &= ~(((1 << <i32>size) - 1) << offset);
    }
    // Most blocks have one break or none: those take no branch.
    store<u32>(found, <u32>at + ctz(breaking));
    found += <usize>(breaking != 0) << 2;
    for (breaking &= breaking - 1; breaking != 0; breaking &= breaking - 1) {
      store<u32>(found, <u32>at + ctz(breaking));
      found += 4;
    }
    at = next;
  }
  memory.fill(end + toKind, 0, SPARE);
  breakCount = <u32>(found - breaks) >> 2;
  trails = others;
  store<u32>(results, <u32>(end - text) - others, 4 * CHARACTERS);
  store<u32>(results, hashes, 4 * HASHES);
  store<u32>(results, ellipses, 4 * ELLIPSES);
}

/** The kinds of those bytes whose upper half is `upper`, and 0 for the others. */
// @ts-ignore: decorator
@inline
function part(kinds: v128, bytes: v128, upper: i8): v128 {
  return v128.swizzle(kinds, v128.xor(bytes, v128.splat<i8>(upper)));
}

/** The kind of the byte at `at`, without what else is known of it. */
// @ts-ignore: decorator
@inline
export function kindAt(at: usize): i32 {
  return <i32>load<u8>(at + toKind) & KIND;
}

/** All that is known of the byte at `at`. */
// @ts-ignore: decorator
@inline
export function signAt(at: usize): i32 {
  return <i32>load<u8>(at + toKind);
}

/** Code points of [start, end). */
export function codePoints(start: usize, end: usize): u32 {
  let count = <u32>(end - start);
  if (trails != 0) for (let at = start; at < end; at++) count -= u32((signAt(at) & TRAIL) != 0);
  return count;
}
