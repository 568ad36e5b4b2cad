/**
 * The tokenizer kernel: UTF-8 in memory to ids in memory, in AssemblyScript. It cuts a text, at its seams or by a pre-tokenizer, looks
 * every chunk up in a cache and merges those not seen before, exactly as encoder.ts and byte-level-encoder.ts, its checking twins, do.
 * No imports, no allocation but `memory.grow`. Gives up checks: the text must be valid UTF-8 with one byte in front of it and 80 behind it
 * that may be read.
 */
import { encodeChunk, reserveIds, STRIDE, touch } from "./chunks";
import { chunkEnd, O200K } from "./pre-tokenizer";
import { seamsOf } from "./seams";
import { startsOf } from "./starts";
import { stepCount, steps } from "./tables";

export { enterPieces } from "./cache";
export { lostBytes, touched } from "./chunks";
export { startText } from "./pre-tokenizer";
export {
  asciiSeams,
  byteIds,
  byteMerges,
  byteSymbols,
  characterCount,
  characters,
  classBlocks,
  classes,
  front,
  frontShift,
  longestPiece,
  longMask,
  longSlots,
  mergeLefts,
  mergeSlots,
  pairMask,
  pairs,
  pieceFilter,
  pieceMask,
  pieceRecords,
  pieceSlots,
  sets,
  setShift,
  stepCount,
  steps,
  store as longStore,
  storeSize as longStoreSize,
} from "./tables";

/** No step that `startsOf` knows. */
const NO_STEP: u32 = 255;

/** Where the last call stopped: the text before it is encoded. */
export let stopped: usize = 0;

/** The first free byte behind the module's own data. */
export function base(): usize {
  return (__heap_base + 63) & ~63;
}

/** Writes the ids of the text [from, end), cut at seams, to `ids`, 16 bits each, up to a seam about 65,536 bytes on (`stopped`), and returns how many. */
export function encode16(from: usize, end: usize, ids: usize): usize {
  return encode<u16>(from, end, ids);
}

/** The same with ids of 32 bits. */
export function encode32(from: usize, end: usize, ids: usize): usize {
  return encode<u32>(from, end, ids);
}

/** The same of a text cut by the pre-tokenizer; `startText` comes before the first call for it. */
export function encodePieces16(from: usize, end: usize, ids: usize): usize {
  return encodePieces<u16>(from, end, ids);
}

/** The same with ids of 32 bits. */
export function encodePieces32(from: usize, end: usize, ids: usize): usize {
  return encodePieces<u32>(from, end, ids);
}

function encode<T>(from: usize, end: usize, ids: usize): usize {
  reserveIds<T>(ids);
  const limit = from + STRIDE;
  let out = ids;
  let start = from;
  let at = from;
  do {
    let bits = seamsOf(at, end);
    if (at == from) bits &= ~1;
    touch(at, bits);
    if (end - at < 64) bits = (bits & (((<u64>1) << (end - at)) - 1)) | ((<u64>1) << (end - at));
    while (bits != 0) {
      const to = at + <usize>ctz(bits);
      bits &= bits - 1;
      out = encodeChunk<T>(start, to, out);
      start = to;
    }
    at += 64;
  } while (start < end && (at < limit || start == from));
  stopped = start;
  return (out - ids) / sizeof<T>();
}

function encodePieces<T>(from: usize, end: usize, ids: usize): usize {
  reserveIds<T>(ids);
  const limit = from + STRIDE;
  const step: u32 = stepCount == 1 ? load<u8>(steps) : NO_STEP;
  let out = ids;
  let start = from;
  while (start < end && start < limit) {
    const first = start;
    let starts: u64 = step <= O200K ? startsOf(step, first, end) : 0;
    let to = starts != 0 ? first + <usize>ctz(starts) : chunkEnd(first, end);
    touch(first, starts | 1);
    while (true) {
      out = encodeChunk<T>(start, to, out);
      start = to;
      starts &= starts - 1;
      if (starts == 0) break;
      to = first + <usize>ctz(starts);
    }
  }
  stopped = start;
  return (out - ids) / sizeof<T>();
}
