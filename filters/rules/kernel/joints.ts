/**
 * What joins two letters or digits to one word, and what parts them.
 */
import { DIGIT, KIND, LETTER, MARK, SPACE, TRAIL } from "./sign-kinds";
import { toKind } from "./memory";
import { kindAt, signAt } from "./signs";
import { codeAt, sizeOf } from "./utf8";

/** Whether a letter beyond ASCII is a capital, by the host. */
// @ts-ignore: decorator
@external("host", "isUpper")
declare function isUpper(code: u32): bool;
/** Where the address ends that begins the stretch [start, end), by the host; `start` where none does. */
// @ts-ignore: decorator
@external("host", "addressEnd")
declare function matchAddress(start: usize, end: usize): usize;

const LONGEST_ADDRESS: usize = 2048;
const COMMA: u32 = 0x2c;
const FULL_STOP: u32 = 0x2e;
const COLON: u8 = 0x3a;
const AT: u8 = 0x40;
const UNDERSCORE: u32 = 0x5f;
/** Bytes of `://`. */
const PROTOCOL_END: usize = 3;
const DASH: u32 = 0x2d;
const EM_DASH: u32 = 0x2014;
const ELLIPSIS: u32 = 0x2026;
const SMALL_T: u32 = 0x74;
const SMALL_N: u32 = 0x6e;

/** Where the clitic of the last run begins, or the run's end. */
export let clitic: usize = 0;

// @ts-ignore: decorator
@inline
export function isWordKind(kind: i32): bool {
  return kind == LETTER || kind == DIGIT;
}

/** From the start of a word, of which [start, from) is letters or digits: its end, behind all that joins; `clitic` is then where a clitic begins, or the end. */
export function runEnd(start: usize, from: usize): usize {
  let at = from;
  while (true) {
    while (isWordKind(kindAt(at))) at++;
    let signs = at;
    while (kindAt(signs) >= MARK) signs++;
    if (kindAt(signs) == SPACE) break;
    if (signs - at > sizeOf(load<u8>(at))) {
      if (hasSeparator(at, signs)) break;
    } else if (isApostrophe(codeAt(at))) {
      let behind = signs;
      while (kindAt(behind) == LETTER) behind++;
      clitic = cliticAt(start, at, signs, behind);
      if (clitic != 0) return behind;
    } else if (parts(at)) break;
    at = signs;
  }
  clitic = at;
  return at;
}

/** Whether a word ends at one sign that stands between two letters or digits. */
export function parts(at: usize): bool {
  const behind = at + sizeOf(load<u8>(at));
  const before = kindAt(at - 1);
  const after = kindAt(behind);
  switch (codeAt(at)) {
    case FULL_STOP:
      return before == LETTER && after == LETTER && isCapital(behind) && !isCapital(startOf(at - 1));
    case COMMA:
      return before == LETTER && after == LETTER;
    case 0x3a: // : / = < > ~ – —
    case 0x2f:
    case 0x3d:
    case 0x3c:
    case 0x3e:
    case 0x7e:
    case 0x2013:
    case EM_DASH:
      return after == LETTER;
    case DASH:
      return after == LETTER || before == DIGIT;
    case 0x2b: // + * ^
    case 0x2a:
    case 0x5e:
      return before == DIGIT && after == DIGIT;
    case ELLIPSIS:
      return true;
    default:
      return false;
  }
}

/**
 * The end of the address that begins at `start`; `start` where none does. Its host begins the stretch up to white space, or stands behind the first
 * colon or the first at sign: where no host is in any of these places, the stretch needs no closer look.
 */
export function addressEnd(start: usize): usize {
  const limit = start + LONGEST_ADDRESS;
  let may = isHost(start, limit);
  let colon = false;
  let end = start;
  for (; end < limit; end++) {
    const stops = stopsIn(end);
    if (stops == 0) {
      end += 15;
      continue;
    }
    end += <usize>ctz(stops);
    if (end >= limit || kindAt(end) == SPACE) break;
    const isAt = load<u8>(end) == AT;
    if (!isAt && colon) continue;
    may = may || isHost(isAt ? end + 1 : end + PROTOCOL_END, limit);
    if (isAt) break;
    colon = true;
  }
  if (!may) return start;
  while (end < limit && kindAt(end) != SPACE) end++;
  return matchAddress(start, min(end, limit));
}

/** A bit for each of sixteen bytes that is white space, a colon or an at sign. */
// @ts-ignore: decorator
@inline
function stopsIn(at: usize): u32 {
  const bytes = v128.load(at);
  const kinds = v128.and(v128.load(at + toKind), v128.splat<i8>(<i8>KIND));
  const marks = v128.or(v128.eq<i8>(bytes, v128.splat<i8>(COLON)), v128.eq<i8>(bytes, v128.splat<i8>(AT)));
  return v128.bitmask<i8>(v128.or(marks, v128.eq<i8>(kinds, v128.splat<i8>(<i8>SPACE))));
}

/** Whether something with a full stop before a letter or digit is at `at` that could be a host and the end of an address, or goes on as one does. */
function isHost(at: usize, limit: usize): bool {
  let dotted = false;
  for (; at < limit; at++) {
    const kind = kindAt(at);
    if (isWordKind(kind)) continue;
    const byte = <u32>load<u8>(at);
    if (byte == UNDERSCORE || byte == DASH) continue;
    if (byte != FULL_STOP) {
      return dotted && (kind == SPACE || byte > 127 || isBehindHost(byte));
    }
    dotted = dotted || isWordKind(kindAt(at + 1));
  }
  return dotted;
}

/** What may stand behind a host: `:/?#`, and what closes a stretch: `.,;!)]}>"'*_&`. */
function isBehindHost(byte: u32): bool {
  switch (byte) {
    case 0x3a:
    case 0x2f:
    case 0x3f:
    case 0x23:
    case 0x2c:
    case 0x3b:
    case 0x21:
    case 0x29:
    case 0x5d:
    case 0x7d:
    case 0x3e:
    case 0x22:
    case 0x27:
    case 0x2a:
    case 0x26:
      return true;
    default:
      return false;
  }
}

function startOf(at: usize): usize {
  while (signAt(at) & TRAIL) at--;
  return at;
}

function isCapital(at: usize): bool {
  const byte = <u32>load<u8>(at);
  return byte < 128 ? byte - 0x41 < 26 : isUpper(codeAt(at));
}

/** Whether signs that stand between letters hold something that always parts words: two dots or dashes, or an ellipsis. */
function hasSeparator(start: usize, end: usize): bool {
  let next: usize = 0;
  for (let at = start; at < end; at = next) {
    const sign = codeAt(at);
    if (sign == ELLIPSIS) return true;
    next = at + sizeOf(load<u8>(at));
    if ((sign == FULL_STOP || sign == DASH || sign == EM_DASH) && next < end && codeAt(next) == sign) return true;
  }
  return false;
}

/** Where the clitic begins whose apostrophe is at `at` and whose letters are [from, end); 0 where there is none. */
function cliticAt(start: usize, at: usize, from: usize, end: usize): usize {
  const size = end - from;
  if (size < 1 || size > 2) return 0;
  const tail = small(load<u8>(from)) | (size == 2 ? small(load<u8>(from, 1)) << 8 : 0);
  switch (tail) {
    case 0x73: // s m re ve ll d
    case 0x6d:
    case 0x6572:
    case 0x6576:
    case 0x6c6c:
    case 0x64:
      return at;
    case SMALL_T:
      return small(load<u8>(at - 1)) == SMALL_N && at - 1 > start ? at - 1 : 0;
    default:
      return 0;
  }
}

// @ts-ignore: decorator
@inline
function small(byte: u32): u32 {
  return byte - 0x41 < 26 ? byte | 32 : byte;
}

// @ts-ignore: decorator
@inline
function isApostrophe(code: u32): bool {
  return code == 0x27 || code == 0x2019;
}
