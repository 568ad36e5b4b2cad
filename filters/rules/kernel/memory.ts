/**
 * Where everything lies in memory: the lists that the host writes once, one text with the kinds of its bytes, and what is found in it.
 * Each array has room for the worst text of `room` bytes; memory that no text has needed yet is never touched.
 */
import { RESULTS } from "./results";

/** Bytes in front of a text and behind it that may be read. */
const PADDING: usize = 64;
const CODE_POINTS: usize = 0x110000;
/** Bytes of an entry: of a word in the list of different ones, of a slot of the table. */
export const WORD: usize = 16;
export const SLOT: usize = 16;

// @ts-ignore: decorator
@lazy export const results = memory.data(4 * RESULTS, 16);
/** By ASCII byte: its kind. */
// @ts-ignore: decorator
@lazy export const ascii = memory.data(128, 16);
/** Short words, a word of 64 bits each, ended by 0: the bytes, and in the highest one their number. */
// @ts-ignore: decorator
@lazy export const abbreviations = memory.data(512, 16);
// @ts-ignore: decorator
@lazy export const measures = memory.data(512, 16);
// @ts-ignore: decorator
@lazy export const stopWords = memory.data(128, 16);
/** Phrases, PHRASE bytes each: size, offset of the pivot, bytes. */
// @ts-ignore: decorator
@lazy export const phrases = memory.data(256, 16);
export const PHRASE: usize = 32;

/** By code point: its kind and KNOWN, or 0 as long as no text had it. */
export let known: usize = 0;
export let text: usize = 0;
/** From a byte to its kind. */
export let toKind: usize = 0;
/** Bytes at which a line may break, 4 bytes each. */
export let breaks: usize = 0;
/** The number of each word, 4 bytes each. */
export let ids: usize = 0;
/** The different words, WORD bytes each: where the first begins and ends, how often it is there, its code points times four and what it is made of. */
export let words: usize = 0;
/** For what is over when a function of the kernel returns: 20 bytes a byte of text, and 512 KiB. */
export let scratch: usize = 0;
export let table: usize = 0;

/** Makes room for texts of up to `room` bytes, a power of two of at least 1024; false where the memory cannot grow so far. */
export function arrange(room: usize): bool {
  known = (__heap_base + 63) & ~63;
  text = known + CODE_POINTS + PADDING;
  toKind = room + 2 * PADDING;
  breaks = text + 2 * toKind;
  ids = breaks + 4 * room;
  words = ids + 4 * room;
  scratch = words + WORD * (room / 2 + 192);
  table = scratch + 20 * room + 524288 + PADDING;
  const end = table + 2 * SLOT * room;
  const pages = <i32>((end + 65535) >> 16) - memory.size();
  return pages <= 0 || memory.grow(pages) >= 0;
}
