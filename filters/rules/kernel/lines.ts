/**
 * Lines as Python's `str.splitlines` and `str.strip` see them, and what Gopher's quality rules ask of them.
 */
import { SPACE } from "./sign-kinds";
import { breaks, results, text } from "./memory";
import { BULLETS, ELLIPSIS_LINES, LINES } from "./results";
import { breakCount, kindAt, textEnd } from "./signs";
import { codeAt, sizeOf } from "./utf8";

const NEWLINE: u32 = 10;
const RETURN: u32 = 13;
const FULL_STOP: u32 = 0x2e;
const HYPHEN: u32 = 0x2d;
const BULLET: u32 = 0x2022;
const ELLIPSIS: u32 = 0x2026;
const ELLIPSIS_SIZE: usize = 3;

/** The line that `nextLine` went to. */
export let lineStart: usize = 0;
export let lineEnd: usize = 0;
let following: usize = 0;
let nextBreak: u32 = 0;

/** Goes before the first line. */
export function beginLines(): void {
  following = text;
  nextBreak = 0;
}

/** Goes to the next line, without its end; false where there is none. A break at the end of the text begins no line. */
export function nextLine(): bool {
  lineStart = following;
  if (nextBreak == breakCount) {
    lineEnd = textEnd;
    following = textEnd;
    return lineStart < textEnd;
  }
  const at = breakAt(nextBreak++);
  lineEnd = at;
  following = at + sizeOf(load<u8>(at));
  if (load<u8>(at) == RETURN && load<u8>(following) == NEWLINE) {
    following++;
    nextBreak++;
  }
  return true;
}

// @ts-ignore: decorator
@inline
export function breakAt(i: u32): usize {
  return <usize>load<u32>(breaks + 4 * <usize>i);
}

/** The first byte from `start` on that is no white space, or `end`. */
export function stripStart(start: usize, end: usize): usize {
  let at = start;
  while (at < end && kindAt(at) == SPACE) at++;
  return at;
}

/** The end of what is left of [start, end) without white space at its end. */
export function stripEnd(start: usize, end: usize): usize {
  let at = end;
  while (at > start && kindAt(at - 1) == SPACE) at--;
  return at;
}

/** Counts the lines that begin with a bullet and those that end in an ellipsis. */
export function readLines(): void {
  let lines: u32 = 0;
  let bullets: u32 = 0;
  let ellipses: u32 = 0;
  beginLines();
  while (nextLine()) {
    lines++;
    const start = stripStart(lineStart, lineEnd);
    const end = stripEnd(start, lineEnd);
    if (start == end) continue;
    const first = codeAt(start);
    bullets += u32(first == BULLET || first == HYPHEN);
    ellipses += u32(load<u8>(end - 1) == FULL_STOP ? endsInDots(start, end) : endsInEllipsis(start, end));
  }
  store<u32>(results, lines, 4 * LINES);
  store<u32>(results, bullets, 4 * BULLETS);
  store<u32>(results, ellipses, 4 * ELLIPSIS_LINES);
}

/** Whether what ends in a full stop ends in three. */
export function endsInDots(start: usize, end: usize): bool {
  return end - start >= 3 && load<u8>(end - 2) == FULL_STOP && load<u8>(end - 3) == FULL_STOP;
}

function endsInEllipsis(start: usize, end: usize): bool {
  return end - start >= ELLIPSIS_SIZE && load<u8>(end - 1) > 127 && codeAt(end - ELLIPSIS_SIZE) == ELLIPSIS;
}
