/**
 * Scans JSON in memory, in AssemblyScript: whether a line is JSON at all (RFC 8259), where the members of an object lie, and what its
 * strings spell, in one pass, sixteen bytes at a time inside strings. No imports, no allocation.
 * Gives up: UTF-8 is not checked here, and what nests deeper than MOST_DEPTH or has more members than there is room for is not judged.
 * Relies on 64 bytes behind the line that may be written; they are made 0, a byte that nothing in JSON may hold, so no loop looks for the end.
 */

/** A member in the list: seven words. Where its key and its value lie, quotes included; flags; where a string is spelled out. */
const MEMBER: usize = 28;
const KEY_ESCAPED: u32 = 1;
const LONE_SURROGATE: u32 = 2;

const MOST_DEPTH: u32 = 1024;

const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const LIST: u32 = 0x5b;
const BACKSLASH: u32 = 0x5c;
const LIST_END: u32 = 0x5d;
const OBJECT: u32 = 0x7b;
const OBJECT_END: u32 = 0x7d;

/** What may follow, inside a value that holds others. */
const VALUE: u32 = 0;
const VALUE_OR_END: u32 = 1;
const KEY: u32 = 2;
const KEY_OR_END: u32 = 3;
const COMMA_OR_END: u32 = 4;

/** Whether a string since this was last made false had escapes; whether a surrogate stood alone in a string that was spelled out. */
let escaped: bool = false;
let lone: bool = false;
/** Where the last string that was spelled out ends. */
let spelledTo: usize = 0;
/** Where the last object of `members` and the white space behind it end. */
let stopped: usize = 0;

// @ts-ignore: decorator
@lazy const open = memory.data(1024, 16);

/** By byte: the value of a hexadecimal digit, NO_DIGIT for any other byte; what a backslash before it spells, 0 where none may stand. */
const NO_DIGIT: u8 = 0x80;
// @ts-ignore: decorator
@lazy const digits = memory.data(256, 16);
// @ts-ignore: decorator
@lazy const escapes = memory.data(256, 16);

memory.fill(digits, NO_DIGIT, 256);
for (let i: u32 = 0; i < 10; i++) store<u8>(digits + 0x30 + i, i);
for (let i: u32 = 0; i < 6; i++) {
  store<u8>(digits + 0x41 + i, 10 + i);
  store<u8>(digits + 0x61 + i, 10 + i);
}
store<u8>(escapes + QUOTE, QUOTE);
store<u8>(escapes + BACKSLASH, BACKSLASH);
store<u8>(escapes + 0x2f, 0x2f);
store<u8>(escapes + 0x62, 0x08);
store<u8>(escapes + 0x66, 0x0c);
store<u8>(escapes + 0x6e, 0x0a);
store<u8>(escapes + 0x72, 0x0d);
store<u8>(escapes + 0x74, 0x09);

/** The first free byte behind the module's own data. */
export function base(): usize {
  return (__heap_base + 63) & ~63;
}

/**
 * Lists the members of the line [from, end) at `list` and returns how many there are; -1 where it is no object of JSON, or not judged.
 * The strings among their values are spelled out, as UTF-8, from `out` on, which takes end - from bytes and 16 more.
 */
export function line(from: usize, end: usize, list: usize, most: i32, out: usize): i32 {
  const zero = v128.splat<u8>(0);
  v128.store(end, zero);
  v128.store(end, zero, 16);
  v128.store(end, zero, 32);
  v128.store(end, zero, 48);
  const count = members(from, list, most, out);
  return stopped == end ? count : -1;
}

/** The same for the object that begins at `from`, wherever it ends. */
export function members(from: usize, list: usize, most: i32, out: usize): i32 {
  stopped = 0;
  let at = space(from);
  if (load<u8>(at) != OBJECT) return -1;
  at = space(at + 1);
  let count: i32 = 0;
  if (load<u8>(at) == OBJECT_END) {
    stopped = space(at + 1);
    return 0;
  }
  while (true) {
    if (load<u8>(at) != QUOTE || count == most) return -1;
    const key = at;
    escaped = false;
    at = stringEnd(at + 1);
    if (at == 0) return -1;
    const keyEscaped = escaped;
    store<u32>(list, <u32>key);
    store<u32>(list, <u32>at, 4);
    at = space(at);
    if (load<u8>(at) != COLON) return -1;
    at = space(at + 1);
    lone = false;
    spelledTo = out;
    const to = load<u8>(at) == QUOTE ? spell(at + 1, out) : valueEnd(at);
    if (to == 0) return -1;
    store<u32>(list, <u32>at, 8);
    store<u32>(list, <u32>to, 12);
    store<u32>(list, u32(keyEscaped) * KEY_ESCAPED + u32(lone) * LONE_SURROGATE, 16);
    store<u32>(list, <u32>out, 20);
    store<u32>(list, <u32>spelledTo, 24);
    out = spelledTo;
    list += MEMBER;
    count++;
    at = space(to);
    const next = load<u8>(at);
    at = space(at + 1);
    if (next == COMMA) continue;
    if (next != OBJECT_END) return -1;
    stopped = at;
    return count;
  }
}

/** The first byte from `at` on that is no white space. */
// @ts-ignore: decorator
@inline
function space(at: usize): usize {
  let byte = load<u8>(at);
  while (byte <= 0x20 && (byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09)) byte = load<u8>(++at);
  return at;
}

/** Where the value, no string, that begins at `at` ends; 0 where it is none. */
function valueEnd(at: usize): usize {
  const first = load<u8>(at);
  if (first == OBJECT || first == LIST) return containerEnd(at);
  return scalarEnd(at);
}

/** Where the object or list that begins at `at` ends. */
function containerEnd(at: usize): usize {
  let depth: u32 = 0;
  let state = VALUE;
  while (true) {
    at = space(at);
    const byte = <u32>load<u8>(at);
    if (state == COMMA_OR_END) {
      const inObject = <u32>load<u8>(open + depth - 1) == OBJECT;
      at++;
      if (byte == COMMA) {
        state = inObject ? KEY : VALUE;
        continue;
      }
      if (byte != (inObject ? OBJECT_END : LIST_END)) return 0;
      if (--depth == 0) return at;
    } else if (state >= KEY) {
      at++;
      if (byte == OBJECT_END && state == KEY_OR_END) {
        if (--depth == 0) return at;
        state = COMMA_OR_END;
        continue;
      }
      if (byte != QUOTE) return 0;
      at = stringEnd(at);
      if (at == 0) return 0;
      at = space(at);
      if (load<u8>(at) != COLON) return 0;
      at++;
      state = VALUE;
    } else if (byte == LIST_END && state == VALUE_OR_END) {
      at++;
      if (--depth == 0) return at;
      state = COMMA_OR_END;
    } else if (byte == OBJECT || byte == LIST) {
      if (depth == MOST_DEPTH) return 0;
      store<u8>(open + depth++, byte);
      at++;
      state = byte == OBJECT ? KEY_OR_END : VALUE_OR_END;
    } else {
      at = byte == QUOTE ? stringEnd(at + 1) : scalarEnd(at);
      if (at == 0) return 0;
      state = COMMA_OR_END;
    }
  }
}

/** A bit for each of sixteen bytes at which a string ends, has an escape, or is broken. */
// @ts-ignore: decorator
@inline
function stopsIn(bytes: v128): i32 {
  const quotes = v128.eq<u8>(bytes, v128.splat<u8>(<u8>QUOTE));
  const backslashes = v128.eq<u8>(bytes, v128.splat<u8>(<u8>BACKSLASH));
  return v128.bitmask<u8>(
    v128.or(v128.or(quotes, backslashes), v128.lt<u8>(bytes, v128.splat<u8>(0x20))),
  );
}

/** Where the string whose inside begins at `at` ends, its quote included; 0 where it is broken. */
function stringEnd(at: usize): usize {
  while (true) {
    const stops = stopsIn(v128.load(at));
    if (stops == 0) {
      at += 16;
      continue;
    }
    at += <usize>ctz(stops);
    const byte = load<u8>(at);
    if (byte == QUOTE) return at + 1;
    if (byte != BACKSLASH) return 0;
    escaped = true;
    do {
      const kind = <usize>load<u8>(at, 1);
      if (kind == 0x75) {
        if (hexOf(at + 2) > 0xffff) return 0;
        at += 6;
      } else if (load<u8>(escapes + kind) != 0) at += 2;
      else return 0;
    } while (load<u8>(at) == BACKSLASH);
  }
}

/** The same, writing what the string spells from `out` to `spelledTo`, a surrogate that stands alone as U+FFFD. */
function spell(at: usize, out: usize): usize {
  while (true) {
    const bytes = v128.load(at);
    v128.store(out, bytes);
    const stops = stopsIn(bytes);
    if (stops == 0) {
      at += 16;
      out += 16;
      continue;
    }
    const plain = <usize>ctz(stops);
    at += plain;
    out += plain;
    const byte = load<u8>(at);
    if (byte == QUOTE) {
      spelledTo = out;
      return at + 1;
    }
    if (byte != BACKSLASH) return 0;
    do {
      const kind = <usize>load<u8>(at, 1);
      if (kind == 0x75) {
        let point = hexOf(at + 2);
        if (point > 0xffff) return 0;
        at += 6;
        if ((point & 0xf800) == 0xd800) {
          const low = load<u16>(at) == 0x755c ? hexOf(at + 2) : 0;
          if (point < 0xdc00 && (low & 0xfffffc00) == 0xdc00) {
            point = 0x10000 + ((point & 0x3ff) << 10) + (low & 0x3ff);
            at += 6;
          } else {
            lone = true;
            point = 0xfffd;
          }
        }
        out = write(point, out);
      } else {
        const character = load<u8>(escapes + kind);
        if (character == 0) return 0;
        store<u8>(out++, character);
        at += 2;
      }
    } while (load<u8>(at) == BACKSLASH);
  }
}

/** Where the number or the word that begins at `at` ends; 0 where it is none. */
function scalarEnd(at: usize): usize {
  const word = load<u32>(at);
  if (word == 0x65757274 || word == 0x6c6c756e) return at + 4; // true, null
  if (word == 0x736c6166) return load<u8>(at, 4) == 0x65 ? at + 5 : 0; // fals, e
  if (load<u8>(at) == 0x2d) at++;
  if (load<u8>(at) == 0x30) at++;
  else {
    at = digitsEnd(at);
    if (at == 0) return 0;
  }
  if (load<u8>(at) == 0x2e) {
    at = digitsEnd(at + 1);
    if (at == 0) return 0;
  }
  if ((load<u8>(at) | 0x20) != 0x65) return at;
  const sign = load<u8>(at, 1);
  return digitsEnd(at + (sign == 0x2b || sign == 0x2d ? 2 : 1));
}

/** Where the digits at `at` end; 0 where there is none. */
function digitsEnd(at: usize): usize {
  const from = at;
  while (<u32>load<u8>(at) - 0x30 <= 9) at++;
  return at == from ? 0 : at;
}

/** The number that four hexadecimal digits write; more than 0xffff where one is none. */
// @ts-ignore: decorator
@inline
function hexOf(at: usize): u32 {
  const a = <u32>load<u8>(digits + <usize>load<u8>(at));
  const b = <u32>load<u8>(digits + <usize>load<u8>(at, 1));
  const c = <u32>load<u8>(digits + <usize>load<u8>(at, 2));
  const d = <u32>load<u8>(digits + <usize>load<u8>(at, 3));
  return (((a | b | c | d) & <u32>NO_DIGIT) << 16) | (a << 12) | (b << 8) | (c << 4) | d;
}

/** Writes a code point and returns where it ends. */
// @ts-ignore: decorator
@inline
function write(point: u32, out: usize): usize {
  if (point < 0x80) {
    store<u8>(out, point);
    return out + 1;
  }
  if (point < 0x800) {
    store<u16>(out, 0x80c0 | (point >> 6) | ((point & 63) << 8));
    return out + 2;
  }
  if (point < 0x10000) {
    store<u16>(out, 0x80e0 | (point >> 12) | (((point >> 6) & 63) << 8));
    store<u8>(out, 0x80 | (point & 63), 2);
    return out + 3;
  }
  store<u32>(
    out,
    0x808080f0 | (point >> 18) | (((point >> 12) & 63) << 8) | (((point >> 6) & 63) << 16) | ((point & 63) << 24),
  );
  return out + 4;
}
