/**
 * One chunk of a text to its ids: from the cache, or by merging, and then it is remembered.
 */
import {
  copyFront,
  entryIds,
  FRONT_KEY,
  findLong,
  findPiece,
  frontEntry,
  frontKey,
  highWord,
  LONG_KEY,
  longHash,
  lowWord,
  recordHead,
  rememberFront,
  rememberLong,
  rememberShort,
  SHORT_KEY,
  setOf,
} from "./cache";
import { mergeShort, mergeSymbols, note, scratchBytes, SHORT } from "./merges";
import { byteIds, byteMerges, byteSymbols, characterCount, characters, longestPiece } from "./tables";
import { codePointAt, sequenceLength } from "./utf8";

/** Bytes of UTF-8 that a call encodes before it stops at the end of a chunk, so that its ids stay near the processor and no call runs for long. */
export const STRIDE: usize = 65_536;

/** Bytes behind a text that are read or, behind ids, written. */
const PADDING: usize = 80;

/** Changes with what was loaded ahead, so that a compiler cannot leave that out. */
export let touched: u32 = 0;

/** Bytes left out so far because the vocabulary has no piece for them. */
export let lostBytes: f64 = 0;

// @ts-ignore: decorator
@lazy const shortSymbols = memory.data(4 * SHORT, 16);

/** Writes the ids of the chunk [from, to) to `out` and returns where they end. Up to 64 bytes behind them may be overwritten. */
// @ts-ignore: decorator
@inline
export function encodeChunk<T>(from: usize, to: usize, out: usize): usize {
  const length = to - from;
  if (length > FRONT_KEY) return length > SHORT_KEY ? long<T>(from, to, out) : short<T>(from, to, out);
  const key = frontKey(from, length);
  const entry = frontEntry(key);
  if (load<u64>(entry) == key) return copyFront<T>(entry, out);
  return missedFront<T>(entry, key, from, to, out);
}

/**
 * Loads what the chunks of 8 to 15 bytes need of the table of sets, before any of them is encoded: the table is far from the processor, and
 * what is asked for together arrives together. Bit i of `starts` is set where a chunk starts at `from + i`.
 */
// @ts-ignore: decorator
@inline
export function touch(from: usize, starts: u64): void {
  let soon = starts >> 1;
  soon |= soon >> 1;
  soon |= soon >> 2;
  soon |= soon >> 3;
  let seen = touched;
  for (let left = starts & ~soon; left != 0; left &= left - 1) {
    const at = <usize>ctz(left);
    const length = <usize>ctz((starts >> at) >> 1) + 1;
    if (length > SHORT_KEY) continue;
    seen ^= load<u8>(setOf(lowWord(from + at, length), highWord(from + at, length)));
  }
  touched = seen;
}

/** A chunk that the front table lacks. */
function missedFront<T>(entry: usize, key: u64, from: usize, to: usize, out: usize): usize {
  const lost = lostBytes;
  const end = short<T>(from, to, out);
  if (lostBytes == lost) rememberFront<T>(entry, key, out, end);
  return end;
}

/** A chunk of the table of sets, or one that it lacks. */
function short<T>(from: usize, to: usize, out: usize): usize {
  const length = to - from;
  const low = lowWord(from, length);
  const high = highWord(from, length);
  const set = setOf(low, high);
  const first = (load<u64>(set) ^ low) | (load<u64>(set, 8) ^ high);
  const second = (load<u64>(set, 32) ^ low) | (load<u64>(set, 40) ^ high);
  if (u32(first != 0) & u32(second != 0)) return missed<T>(set, low, high, from, to, out);
  const entry = set + (<usize>(first != 0) << 5);
  const count = <usize>load<T>(entry, 16);
  if (count > entryIds<T>()) return long<T>(from, to, out);
  if (sizeof<T>() == 2) {
    store<u64>(out, load<u64>(entry, 18));
    store<u64>(out, load<u64>(entry, 24), 6);
  } else {
    store<u64>(out, load<u64>(entry, 20));
    store<u32>(out, load<u32>(entry, 28), 8);
  }
  return out + count * sizeof<T>();
}

/** A chunk that the table of sets lacks. One with more ids than fit there is kept with the longer ones, to which its entry there points. */
function missed<T>(set: usize, low: u64, high: u64, from: usize, to: usize, out: usize): usize {
  const lost = lostBytes;
  const count = merged<T>(from, to, out, shortSymbols);
  if (lostBytes == lost) {
    rememberShort<T>(set, low, high, out, count);
    if (count > entryIds<T>()) rememberLong<T>(from, to - from, longHash(from, to - from), out, count);
  }
  return out + count * sizeof<T>();
}

/** A chunk too long for the table of sets. */
function long<T>(from: usize, to: usize, out: usize): usize {
  const length = to - from;
  if (length > LONG_KEY) {
    const symbols = (out + (length + PADDING) * sizeof<T>() + 7) & ~7;
    reserve(symbols + 4 * length + scratchBytes(<u32>length) + roomFor<T>());
    return out + merged<T>(from, to, out, symbols) * sizeof<T>();
  }
  const hash = longHash(from, length);
  const record = findLong(from, length, hash);
  if (record != 0) return copyIds<T>(record, length, out);
  const lost = lostBytes;
  const symbols = (out + (LONG_KEY + PADDING) * sizeof<T>() + 7) & ~7;
  reserve(symbols + 4 * LONG_KEY + scratchBytes(<u32>LONG_KEY));
  const count = merged<T>(from, to, out, symbols);
  if (lostBytes == lost) rememberLong<T>(from, length, hash, out, count);
  return out + count * sizeof<T>();
}

// @ts-ignore: decorator
@inline
function copyIds<T>(record: usize, length: usize, out: usize): usize {
  const size = <usize>load<u32>(record, 4) * sizeof<T>();
  memory.copy(out, record + recordHead(length), size);
  return out + size;
}

/** Encodes a chunk without the cache and returns how many ids it has. */
function merged<T>(from: usize, to: usize, out: usize, symbols: usize): usize {
  const length = to - from;
  if (length <= longestPiece) {
    const piece = findPiece(from, length);
    if (piece >= 0) {
      store<T>(out, <T>piece);
      return 1;
    }
  }
  let count: u32 = length <= SHORT ? mergedBytes(from, <u32>length, symbols) : 0;
  if (count == 0) count = mergeSymbols(symbols, symbolsOf(from, to, symbols));
  for (let i: usize = 0; i < count; i++)
    store<T>(out + i * sizeof<T>(), <T>load<u32>(symbols + (i << 2)));
  return count;
}

/** Merges up to 64 bytes each of which is a symbol, their pairs looked up directly; returns 0 if one is none. */
function mergedBytes(from: usize, length: u32, symbols: usize): u32 {
  for (let i: u32 = 0; i < length; i++) {
    const byte = <usize>load<u8>(from + i);
    const id = load<i32>(byteSymbols + (byte << 2));
    if (id < 0) return 0;
    store<i32>(symbols + (i << 2), id);
    note(i, load<u64>(byteMerges + (<usize>load<u16>(from + i) << 3)));
  }
  return mergeShort(symbols, length);
}

/** Writes the symbols of a chunk: code points as their pieces, or as their bytes where they are none. Returns how many. */
function symbolsOf(from: usize, to: usize, symbols: usize): u32 {
  let count: u32 = 0;
  for (let at = from; at < to; ) {
    const point = codePointAt(at);
    const next = at + sequenceLength(load<u8>(at));
    const id = point < characterCount ? load<i32>(characters + (<usize>point << 2)) : -1;
    if (id >= 0) {
      store<i32>(symbols + ((count++) << 2), id);
      at = next;
    }
    for (; at < next; at++) {
      const byte = load<i32>(byteIds + (<usize>load<u8>(at) << 2));
      if (byte >= 0) store<i32>(symbols + ((count++) << 2), byte);
      else lostBytes++;
    }
  }
  return count;
}

/** Makes room for the ids of a call. */
export function reserveIds<T>(ids: usize): void {
  reserve(ids + roomFor<T>());
}

// @ts-ignore: decorator
@inline
function roomFor<T>(): usize {
  return (STRIDE + LONG_KEY + PADDING) * sizeof<T>();
}

/** Grows the memory so that it ends behind `end`. */
function reserve(end: usize): void {
  const missing = <i32>((end + 0xffff) >> 16) - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) unreachable();
}
