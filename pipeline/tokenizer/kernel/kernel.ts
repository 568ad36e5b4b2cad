/**
 * The tokenizer kernel: UTF-8 in memory to ids in memory, in AssemblyScript. It cuts the text at its seams, looks every chunk up in a
 * cache and merges those not seen before, exactly as encoder.ts, its checking twin, does. No imports, no allocation but `memory.grow`.
 * Gives up checks: the text must be valid UTF-8 with one byte in front of it and `PADDING` behind it that may be read.
 */
import {
  entryIds,
  findLong,
  highWord,
  idsAt,
  LONG_KEY,
  longHash,
  lowWord,
  recordHead,
  rememberLong,
  rememberShort,
  SHORT_KEY,
  setOf,
} from "./cache";
import { mergeShort, mergeSymbols, note, scratchBytes } from "./merges";
import { seamsOf } from "./seams";
import { asciiMerges, byteIds, characterCount, characters } from "./tables";
import { codePointAt, sequenceLength } from "./utf8";

export {
  asciiMerges,
  asciiSeams,
  byteIds,
  characterCount,
  characters,
  longMask,
  longSlots,
  mergeFilter,
  mergeMask,
  mergeSlots,
  pairMask,
  pairs,
  ranks,
  sets,
  setShift,
  store as longStore,
  storeSize as longStoreSize,
} from "./tables";

/** Bytes behind a text that are read or, behind ids, written. */
const PADDING: usize = 80;

/** A call stops at the first seam behind this many bytes, so that its ids stay near the processor and no call runs for long. */
const STRIDE: usize = 65_536;

/** Where the last call stopped: the text before it is encoded. */
export let stopped: usize = 0;

// @ts-ignore: decorator
@lazy const shortSymbols = memory.data(4 * 256, 16);

/** The first free byte behind the module's own data. */
export function base(): usize {
  return (__heap_base + 63) & ~63;
}

/** Writes the ids of the text [from, end) to `ids`, 16 bits each, up to a seam about 65,536 bytes on (`stopped`), and returns how many. */
export function encode16(from: usize, end: usize, ids: usize): usize {
  return encode<u16>(from, end, ids);
}

/** The same with ids of 32 bits. */
export function encode32(from: usize, end: usize, ids: usize): usize {
  return encode<u32>(from, end, ids);
}

function encode<T>(from: usize, end: usize, ids: usize): usize {
  reserve(ids + (STRIDE + LONG_KEY + PADDING) * sizeof<T>());
  const limit = from + STRIDE;
  let out = ids;
  let start = from;
  let at = from;
  do {
    let bits = seamsOf(at, end);
    if (at == from) bits &= ~1;
    if (end - at < 64) bits = (bits & (((<u64>1) << (end - at)) - 1)) | ((<u64>1) << (end - at));
    while (bits != 0) {
      const to = at + <usize>ctz(bits);
      bits &= bits - 1;
      const length = to - start;
      if (length <= SHORT_KEY) {
        const low = lowWord(start, length);
        const high = highWord(start, length);
        const set = setOf(low, high);
        const first = (load<u64>(set) ^ low) | (load<u64>(set, 8) ^ high);
        const second = (load<u64>(set, 32) ^ low) | (load<u64>(set, 40) ^ high);
        if (u32(first != 0) & u32(second != 0)) out = missed<T>(set, low, high, start, to, out);
        else {
          const entry = set + (<usize>(first != 0) << 5);
          if (sizeof<T>() == 2) {
            store<u64>(out, load<u64>(entry, 18));
            store<u64>(out, load<u64>(entry, 24), 6);
            out += <usize>load<u16>(entry, 16) << 1;
          } else {
            store<u64>(out, load<u64>(entry, 20));
            store<u32>(out, load<u32>(entry, 28), 8);
            out += <usize>load<u32>(entry, 16) << 2;
          }
        }
      } else out = long<T>(start, to, out);
      start = to;
    }
    at += 64;
  } while (start < end && (at < limit || start == from));
  stopped = start;
  return (out - ids) / sizeof<T>();
}

/** Encodes a chunk that the first table lacks; returns where its ids end. */
function missed<T>(set: usize, low: u64, high: u64, from: usize, to: usize, out: usize): usize {
  const count = isAscii(low, high) ? mergedAscii<T>(from, to, out) : merged<T>(from, to, out, shortSymbols);
  rememberShort<T>(set, low, high, out, count);
  return out + count * sizeof<T>();
}

/** Encodes a chunk too long for the first table; returns where its ids end. */
function long<T>(from: usize, to: usize, out: usize): usize {
  const length = to - from;
  if (length > LONG_KEY) {
    const symbols = (out + (length + PADDING) * sizeof<T>() + 7) & ~7;
    reserve(symbols + 4 * length + scratchBytes(<u32>length) + (STRIDE + LONG_KEY + PADDING) * sizeof<T>());
    return out + merged<T>(from, to, out, symbols) * sizeof<T>();
  }
  const hash = longHash(from, length);
  const record = findLong(from, length, hash);
  if (record != 0) {
    const size = <usize>load<u32>(record, 4) * sizeof<T>();
    memory.copy(out, record + recordHead(length), size);
    return out + size;
  }
  const symbols = (out + (LONG_KEY + PADDING) * sizeof<T>() + 7) & ~7;
  reserve(symbols + 4 * LONG_KEY + scratchBytes(<u32>LONG_KEY));
  const count = merged<T>(from, to, out, symbols);
  rememberLong<T>(from, length, hash, out, count);
  return out + count * sizeof<T>();
}

// @ts-ignore: decorator
@inline
function isAscii(low: u64, high: u64): bool {
  return ((low | high) & 0x8080808080808080) == 0;
}

/** The same as `merged` for at most 64 ASCII characters, all of which are pieces, and their pairs looked up directly. */
function mergedAscii<T>(from: usize, to: usize, out: usize): usize {
  const length = <u32>(to - from);
  for (let i: u32 = 0; i < length; i++) {
    const byte = <usize>load<u8>(from + i);
    const id = load<i32>(characters + (byte << 2));
    store<i32>(shortSymbols + (i << 2), id >= 0 ? id : load<i32>(byteIds + (byte << 2)));
    const pair = load<u64>(asciiMerges + (((byte << 7) | (<usize>load<u8>(from + i, 1) & 127)) << 3));
    note(i, <u32>pair, <u32>(pair >> 32));
  }
  const count = mergeShort(shortSymbols, length);
  for (let i: usize = 0; i < count; i++)
    store<T>(out + i * sizeof<T>(), <T>load<u32>(shortSymbols + (i << 2)));
  return count;
}

/** Encodes a chunk without the cache and returns how many ids it has. */
function merged<T>(from: usize, to: usize, out: usize, symbols: usize): usize {
  let count: u32 = 0;
  for (let at = from; at < to; ) {
    const point = codePointAt(at);
    const next = at + sequenceLength(load<u8>(at));
    const id = point < characterCount ? load<i32>(characters + (<usize>point << 2)) : -1;
    if (id >= 0) store<i32>(symbols + ((count++) << 2), id);
    else
      for (; at < next; at++)
        store<i32>(symbols + ((count++) << 2), load<i32>(byteIds + (<usize>load<u8>(at) << 2)));
    at = next;
  }
  count = mergeSymbols(symbols, count);
  for (let i: usize = 0; i < count; i++)
    store<T>(out + i * sizeof<T>(), <T>load<u32>(symbols + (i << 2)));
  return count;
}

/** Grows the memory so that it ends behind `end`. */
function reserve(end: usize): void {
  const missing = <i32>((end + 0xffff) >> 16) - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) unreachable();
}
