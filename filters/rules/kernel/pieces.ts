/**
 * Pieces between newlines, and which of them repeat an earlier one: for Gopher's repetition rules, and for FineWeb's.
 */
import { TRAIL } from "./sign-kinds";
import { results, scratch, text } from "./memory";
import { breakAt, stripEnd, stripStart } from "./lines";
import {
  NEWLINES,
  PARAGRAPHS,
  PIECES,
  REPEATED_CHARACTERS,
  REPEATED_PARAGRAPH_CHARACTERS,
  REPEATED_PARAGRAPHS,
  REPEATED_PIECE_CHARACTERS,
  REPEATED_PIECES,
  SHORT,
  TERMINATED,
  WRITTEN_LINES,
} from "./results";
import { breakCount, codePoints, signAt, textEnd } from "./signs";
import { begin, numberStretch } from "./table";
import { codeAt } from "./utf8";

/** Whether a sign beyond ASCII ends a sentence, by the host. */
// @ts-ignore: decorator
@external("host", "isTerminal")
declare function isTerminal(code: u32): bool;

/** Bytes of a piece in the list: where it begins and ends. */
const PIECE: usize = 8;
const NEWLINE: u32 = 10;
/** In code points. */
const SHORT_LINE: u32 = 30;

/** Of the last list of pieces, those that repeat an earlier one, and their code points. */
let repeated: u32 = 0;
let characters: u32 = 0;

/** Counts repeated lines and paragraphs. */
export function readPieces(): void {
  const lines = cut(1, text, textEnd);
  countRepeated(lines);
  store<u32>(results, lines, 4 * PIECES);
  store<u32>(results, repeated, 4 * REPEATED_PIECES);
  store<u32>(results, characters, 4 * REPEATED_PIECE_CHARACTERS);
  const start = stripStart(text, textEnd);
  const end = stripEnd(start, textEnd);
  const paragraphs = cut(2, start, end);
  // Paragraphs that are equal have equal lines, unless white space was stripped of one.
  if (repeated != 0 || !isBounded(start, end)) countRepeated(paragraphs);
  store<u32>(results, paragraphs, 4 * PARAGRAPHS);
  store<u32>(results, repeated, 4 * REPEATED_PARAGRAPHS);
  store<u32>(results, characters, 4 * REPEATED_PARAGRAPH_CHARACTERS);
}

/** Counts what FineWeb's rules ask of lines that are not blank. */
export function readWrittenLines(): void {
  const pieces = cut(1, text, textEnd);
  let written: u32 = 0;
  let terminated: u32 = 0;
  let short: u32 = 0;
  for (let i: u32 = 0; i < pieces; i++) {
    const start = startOf(i);
    const end = endOf(i);
    if (stripStart(start, end) == end) continue;
    putPiece(written++, start, end);
    terminated += u32(endsSentence(end));
    short += u32(codePoints(start, end) <= SHORT_LINE);
  }
  countRepeated(written);
  let newlines: u32 = 0;
  for (let i: u32 = 0; i < breakCount; i++) newlines += u32(load<u8>(breakAt(i)) == NEWLINE);
  store<u32>(results, written, 4 * WRITTEN_LINES);
  store<u32>(results, terminated, 4 * TERMINATED);
  store<u32>(results, short, 4 * SHORT);
  store<u32>(results, characters, 4 * REPEATED_CHARACTERS);
  store<u32>(results, newlines, 4 * NEWLINES);
}

/** Lists the pieces of [from, to) between runs of at least `least` newlines; where one is at the edge, there is an empty piece. Returns how many. */
function cut(least: usize, from: usize, to: usize): u32 {
  let count: u32 = 0;
  let start = from;
  for (let i: u32 = 0; i < breakCount; i++) {
    const at = breakAt(i);
    if (load<u8>(at) != NEWLINE || at < from || at >= to) continue;
    let end = at + 1;
    while (end < to && load<u8>(end) == NEWLINE) end++;
    if (end - at >= least) {
      putPiece(count++, start, at);
      start = end;
    }
    i += <u32>(end - at) - 1;
  }
  putPiece(count++, start, to);
  return count;
}

function countRepeated(count: u32): void {
  repeated = 0;
  characters = 0;
  begin(count * 2);
  for (let i: u32 = 0; i < count; i++) {
    const start = startOf(i);
    const end = endOf(i);
    if (numberStretch(start, end, i, scratch, PIECE) == i) continue;
    repeated++;
    characters += codePoints(start, end);
  }
}

/** Whether [start, end) begins and ends where the text or a line does. */
function isBounded(start: usize, end: usize): bool {
  return (
    (start == text || load<u8>(start - 1) == NEWLINE) && (end == textEnd || load<u8>(end) == NEWLINE)
  );
}

/** Whether the code point before `end` ends a sentence. */
function endsSentence(end: usize): bool {
  let last = end - 1;
  while (signAt(last) & TRAIL) last--;
  const byte = <u32>load<u8>(last);
  return byte < 128 ? byte == 0x2e || byte == 0x21 || byte == 0x3f : isTerminal(codeAt(last));
}

// @ts-ignore: decorator
@inline
function putPiece(i: u32, start: usize, end: usize): void {
  store<u32>(scratch + <usize>i * PIECE, <u32>start);
  store<u32>(scratch + <usize>i * PIECE, <u32>end, 4);
}

// @ts-ignore: decorator
@inline
function startOf(i: u32): usize {
  return <usize>load<u32>(scratch + <usize>i * PIECE);
}

// @ts-ignore: decorator
@inline
function endOf(i: u32): usize {
  return <usize>load<u32>(scratch + <usize>i * PIECE, 4);
}
