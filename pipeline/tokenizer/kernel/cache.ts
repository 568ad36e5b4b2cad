/**
 * Ids of chunks seen before, in three bounded tables. Up to 7 bytes, which most are: entries of 16 bytes in front of the others, a megabyte
 * that stays near the processor. Up to 15 bytes: entries of 32 bytes, 16 of key (the last one the key's length, 0 in a free entry) and 16
 * of ids, two to a set, and the older gives way. Up to 256 bytes: records in a store that starts anew when it is full.
 * Keys are compared whole, so a collision or a small table costs time and never changes an id.
 */
import {
  front,
  frontShift,
  longMask,
  longSlots,
  pieceFilter,
  pieceMask,
  pieceRecords,
  pieceSlots,
  sets,
  setShift,
  store as records,
  storeSize,
} from "./tables";

/** Longest chunk, in bytes, of each table. */
export const FRONT_KEY: usize = 7;
export const SHORT_KEY: usize = 15;
export const LONG_KEY: usize = 256;

/** Where the ids of an entry start, their number being in front, and the bytes of all of them. */
// @ts-ignore: decorator
@inline
export function idsAt<T>(): usize {
  return 16 + sizeof<T>();
}

/** Ids that an entry holds: 7 of 16 bits or 3 of 32. */
// @ts-ignore: decorator
@inline
export function entryIds<T>(): usize {
  return 16 / sizeof<T>() - 1;
}

/** Masks that cut two words to a key of a given length. */
// @ts-ignore: decorator
@lazy const MASKS = memory.data<u64>([
  0, 0, 0xff, 0, 0xffff, 0, 0xffffff, 0, 0xffffffff, 0, 0xffffffffff, 0, 0xffffffffffff, 0, 0xffffffffffffff, 0,
  0xffffffffffffffff, 0, 0xffffffffffffffff, 0xff, 0xffffffffffffffff, 0xffff, 0xffffffffffffffff, 0xffffff,
  0xffffffffffffffff, 0xffffffff, 0xffffffffffffffff, 0xffffffffff, 0xffffffffffffffff, 0xffffffffffff,
  0xffffffffffffffff, 0xffffffffffffff,
], 16);

// @ts-ignore: decorator
@inline
export function lowWord(from: usize, length: usize): u64 {
  return load<u64>(from) & load<u64>(MASKS + (length << 4));
}

// @ts-ignore: decorator
@inline
export function highWord(from: usize, length: usize): u64 {
  return (load<u64>(from, 8) & load<u64>(MASKS + (length << 4), 8)) | (<u64>length << 56);
}

/** The key of the front table: the bytes, and the length in the last one, 0 in a free entry. */
// @ts-ignore: decorator
@inline
export function frontKey(from: usize, length: usize): u64 {
  return lowWord(from, length) | (<u64>length << 56);
}

/** The entry of such a key: the key, then a word of up to three ids of 16 bits or two of 24 behind their number. */
// @ts-ignore: decorator
@inline
export function frontEntry(key: u64): usize {
  return front + (<usize>((key * 0x9e3779b97f4a7c15) >> <u64>frontShift) << 4);
}

/** Writes the ids of an entry and returns where they end. */
// @ts-ignore: decorator
@inline
export function copyFront<T>(entry: usize, out: usize): usize {
  const word = load<u64>(entry, 8);
  if (sizeof<T>() == 2) {
    store<u64>(out, word >> 16);
    return out + <usize>((word & 0xffff) << 1);
  }
  store<u64>(out, ((word >> 8) & 0xffffff) | (word & 0xffffffff00000000));
  return out + <usize>((word & 0xff) << 2);
}

/** Puts the ids [ids, end) into an entry, where they fit. */
export function rememberFront<T>(entry: usize, key: u64, ids: usize, end: usize): void {
  const count = (end - ids) / sizeof<T>();
  if (count > (sizeof<T>() == 2 ? 3 : 2)) return;
  let word: u64 = count;
  for (let i: usize = 0; i < count; i++)
    word |= <u64>load<T>(ids + i * sizeof<T>()) << (sizeof<T>() == 2 ? 16 * (i + 1) : 8 + 24 * i);
  store<u64>(entry, key);
  store<u64>(entry, word, 8);
}

/** The set of a key. */
// @ts-ignore: decorator
@inline
export function setOf(low: u64, high: u64): usize {
  const hash = (low * 0x9e3779b97f4a7c15) ^ (high * 0xc2b2ae3d27d4eb4f);
  return sets + (<usize>(((hash ^ (hash >> 32)) * 0x9fb21c651e98df25) >> <u64>setShift) << 6);
}

/** Puts ids under a key in front in its set; of more than fit only their number. */
export function rememberShort<T>(set: usize, low: u64, high: u64, ids: usize, count: usize): void {
  store<u64>(set, load<u64>(set), 32);
  store<u64>(set, load<u64>(set, 8), 40);
  store<u64>(set, load<u64>(set, 16), 48);
  store<u64>(set, load<u64>(set, 24), 56);
  store<u64>(set, low);
  store<u64>(set, high, 8);
  store<T>(set, <T>count, 16);
  if (count > entryIds<T>()) return;
  for (let i: usize = 0; i < count; i++)
    store<T>(set + idsAt<T>() + i * sizeof<T>(), load<T>(ids + i * sizeof<T>()));
}

/** Bytes of the store in use; a record begins with its key's length and its number of ids, then the key in whole words, then the ids. */
let stored: u32 = 8;

/** The hash of a long key, never 0. */
export function longHash(from: usize, length: usize): u32 {
  let hash: u64 = length * 0x9e3779b97f4a7c15;
  const words = length & ~7;
  for (let i: usize = 0; i < words; i += 8) hash = mix(hash ^ load<u64>(from + i));
  hash = mix(hash ^ lowWord(from + words, length & 7));
  return <u32>(hash >> 32) | 1;
}

// @ts-ignore: decorator
@inline
function mix(word: u64): u64 {
  const product = word * 0xc2b2ae3d27d4eb4f;
  return product ^ (product >> 29);
}

/** The record of a long key, or 0. */
export function findLong(from: usize, length: usize, hash: u32): usize {
  const slot = longSlots + (<usize>((hash >> 1) & longMask) << 3);
  if (load<u32>(slot) != hash) return 0;
  const record = records + load<u32>(slot, 4);
  return isKey(record, from, length) ? record : 0;
}

function isKey(record: usize, from: usize, length: usize): bool {
  if (load<u32>(record) != <u32>length) return false;
  const words = length & ~7;
  for (let i: usize = 0; i < words; i += 8)
    if (load<u64>(record + i, 8) != load<u64>(from + i)) return false;
  return load<u64>(record + words, 8) == lowWord(from + words, length & 7);
}

/** Bytes of a record in front of its ids. */
// @ts-ignore: decorator
@inline
export function recordHead(length: usize): usize {
  return 16 + (length & ~7);
}

/** Stores ids under a long key. */
export function rememberLong<T>(from: usize, length: usize, hash: u32, ids: usize, count: usize): void {
  const size = <u32>((recordHead(length) + count * sizeof<T>() + 7) & ~7);
  if (size > storeSize - 8) return;
  if (stored + size > storeSize) {
    memory.fill(longSlots, 0, (<usize>longMask + 1) << 3);
    stored = 8;
  }
  const record = records + stored;
  store<u32>(record, <u32>length);
  store<u32>(record, <u32>count, 4);
  const words = length & ~7;
  for (let i: usize = 0; i < words; i += 8) store<u64>(record + i, load<u64>(from + i), 8);
  store<u64>(record + words, lowWord(from + words, length & 7), 8);
  memory.copy(record + recordHead(length), ids, count * sizeof<T>());
  const slot = longSlots + (<usize>((hash >> 1) & longMask) << 3);
  store<u32>(slot, hash);
  store<u32>(slot, stored, 4);
  stored += size;
}

/** Enters the pieces whose records fill [pieceRecords, end): length, id and the key in whole words, as of long chunks, but never dropped. */
export function enterPieces(end: usize): void {
  for (let record = pieceRecords; record < end; ) {
    const length = <usize>load<u32>(record);
    const hash = longHash(record + 8, length);
    const word = pieceWord(hash);
    store<u32>(word, load<u32>(word) | (<u32>1 << (hash >> 12)));
    let slot = pieceSlot(hash >> 1);
    while (load<u32>(slot) != 0) slot = pieceSlot(<u32>((slot - pieceSlots) >> 3) + 1);
    store<u32>(slot, hash);
    store<u32>(slot, <u32>(record - pieceRecords), 4);
    record += recordHead(length);
  }
}

/** The piece of these bytes, or -1. */
export function findPiece(from: usize, length: usize): i32 {
  const hash = longHash(from, length);
  if (((load<u32>(pieceWord(hash)) >> (hash >> 12)) & 1) == 0) return -1;
  let slot = pieceSlot(hash >> 1);
  while (true) {
    const seen = load<u32>(slot);
    if (seen == 0) return -1;
    const record = pieceRecords + load<u32>(slot, 4);
    if (seen == hash && isKey(record, from, length)) return load<i32>(record, 4);
    slot = pieceSlot(<u32>((slot - pieceSlots) >> 3) + 1);
  }
}

// @ts-ignore: decorator
@inline
function pieceSlot(number: u32): usize {
  return pieceSlots + (<usize>(number & pieceMask) << 3);
}

/** The word of the filter that has a bit for this hash. */
// @ts-ignore: decorator
@inline
function pieceWord(hash: u32): usize {
  return pieceFilter + ((hash >> 17) << 2);
}
