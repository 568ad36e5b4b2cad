/**
 * Numbers for keys of 64 bits and for stretches of bytes, in an open-addressing table. A slot says in which use of the table it was filled, so
 * that a new use begins without clearing. Up to eight bytes are their own key; of longer ones the hash only finds, and their bytes are compared.
 */
import { SLOT, table } from "./memory";

/** A tag is the number of the use times USE and the size of a stretch, at most LONG. */
const USE: u32 = 16;
const LONG: u32 = 9;
const KEYED: usize = 8;
const LEAST: u32 = 64;
export const MULTIPLIER: u64 = 0x9e3779b97f4a7c15;

let use: u32 = 0;
let mask: u32 = 0;
let shift: u64 = 0;
/** Slots that hold nothing but earlier uses. */
let cleared: u32 = 0;

/** Forgets what the table holds, whose memory may have been used for something else. */
export function forget(): void {
  cleared = 0;
}

/** Begins a use for up to half as many keys as there are `slots`. */
export function begin(slots: u32): void {
  const bits = 32 - clz(max(slots, LEAST) - 1);
  const size = <u32>1 << bits;
  mask = size - 1;
  shift = 64 - <u64>bits;
  use += USE;
  if (use == 0) {
    cleared = 0;
    use = USE;
  }
  if (size <= cleared) return;
  memory.fill(table + <usize>cleared * SLOT, 0, <usize>(size - cleared) * SLOT);
  cleared = size;
}

/** Begins a use with twice the slots. */
export function widen(): void {
  begin((mask + 1) * 2);
}

/** Whether so many keys are too many for the slots. */
// @ts-ignore: decorator
@inline
export function isFull(keys: u32): bool {
  return keys * 2 > mask;
}

/** The number of a key; `next` where it is new, which it is then. */
// @ts-ignore: decorator
@inline
export function numberKey(key: u64, next: u32): u32 {
  return numberTagged(key, use, next);
}

/**
 * The number of the stretch [start, end); `next` where it is new, which it is then. `list` has at number times `stride` where a stretch begins and ends.
 */
// @ts-ignore: decorator
@inline
export function numberStretch(start: usize, end: usize, next: u32, list: usize, stride: usize): u32 {
  const size = end - start;
  return size - 1 < KEYED
    ? numberTagged(load<u64>(start) << (64 - 8 * <u64>size), use + <u32>size, next)
    : numberLong(start, end, next, list, stride);
}

/** Whether a key is new or not is anyone's guess, so no branch depends on it: the slot is written in either case. */
// @ts-ignore: decorator
@inline
function numberTagged(key: u64, wanted: u32, next: u32): u32 {
  let slot = <u32>((key * MULTIPLIER) >> shift);
  let at: usize = 0;
  let isThere = false;
  while (true) {
    at = table + <usize>slot * SLOT;
    const tag = load<u32>(at, 8);
    isThere = bool(u32(tag == wanted) & u32(load<u64>(at) == key));
    if (u32(isThere) | u32((tag ^ wanted) >= USE)) break;
    slot = (slot + 1) & mask;
  }
  const number = select<u32>(load<u32>(at, 12), next, isThere);
  store<u64>(at, key);
  store<u32>(at, wanted, 8);
  store<u32>(at, number, 12);
  return number;
}

/** Also for stretches without bytes. */
function numberLong(start: usize, end: usize, next: u32, list: usize, stride: usize): u32 {
  const wanted = use + (start == end ? 0 : LONG);
  const key = hashOf(start, end);
  let slot = <u32>((key * MULTIPLIER) >> shift);
  while (true) {
    const at = table + <usize>slot * SLOT;
    const tag = load<u32>(at, 8);
    if (tag == wanted && load<u64>(at) == key) {
      const id = load<u32>(at, 12);
      const entry = list + <usize>id * stride;
      if (same(load<u32>(entry), load<u32>(entry, 4), start, end)) return id;
    } else if ((tag ^ wanted) >= USE) {
      store<u64>(at, key);
      store<u32>(at, wanted, 8);
      store<u32>(at, next, 12);
      return next;
    }
    slot = (slot + 1) & mask;
  }
}

/** Of more than eight bytes; 0 of none. */
function hashOf(start: usize, end: usize): u64 {
  if (start == end) return 0;
  const last = end - 8;
  let hash = load<u64>(last) ^ <u64>(end - start);
  for (let at = start; at < last; at += 8) {
    hash = (hash ^ load<u64>(at)) * MULTIPLIER;
    hash ^= hash >> 29;
  }
  return hash;
}

/** Whether [first, firstEnd) has the bytes of [start, end): none, or more than eight. */
function same(first: usize, firstEnd: usize, start: usize, end: usize): bool {
  const size = end - start;
  if (firstEnd - first != size) return false;
  if (size == 0) return true;
  const last = size - 8;
  for (let i: usize = 0; i < last; i += 8) if (load<u64>(first + i) != load<u64>(start + i)) return false;
  return load<u64>(first + last) == load<u64>(start + last);
}
