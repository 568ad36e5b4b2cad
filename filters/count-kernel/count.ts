/**
 * Counts the ids of a document, in AssemblyScript: what tokenCounter (features.ts), its checking twin, comes to. No imports, no allocation but
 * `memory.grow`. The host writes up to STRIDE ids at a time to `tokens`.
 */

/** Ids that are taken at a time. */
const STRIDE: usize = 65_536;
/** Classes of pieces at most. */
const MOST_CLASSES: usize = 64;
/** Marks the counter of an id whose piece is a newline, or ends a sentence, far above any count. */
const NEWLINE: u32 = 1 << 30;
const STOP: u32 = 1 << 29;
/** Marks in a record: a content word; a piece that begins in lower case. */
const CONTENT: u32 = 1 << 16;
const LOW: u32 = 1 << 17;

/** Where things lie: ids in hand, counters by id, records of 16 bytes by id (class and length of the piece, then three weights), and what comes out. */
export let tokens: usize = 0;
export let seen: usize = 0;
export let records: usize = 0;
export let ids: usize = 0;
export let levels: usize = 0;
export let classes: usize = 0;
/**
 * Fifteen doubles: distinct ids, lines, the longest line, characters, the sum of squares, three sums of weights, ids that occur once, the squares of
 * content words, lines in lower case, ids in lines below 16 and below 32, the sum of squares of lines, the longest sentence.
 */
export let results: usize = 0;
/** Ids that have a place; others are passed over. */
let limit: usize = 0;
/** Whether an id counts once however often it occurs. */
let presence: bool = false;

let distinct: usize = 0;
let lines: u32 = 0;
let longestLine: u32 = 0;
/** Ids so far, and how many of them come before the line in hand. */
let position: u32 = 0;
let lineFrom: u32 = 0;
/** The first id of the line in hand, where that came in an earlier call. */
let lineFirst: usize = 0;
let sentenceFrom: u32 = 0;
let longestSentence: u32 = 0;
let lowLines: u32 = 0;
let shortIds: u64 = 0;
let middlingIds: u64 = 0;
let lineSquares: u64 = 0;

/** Makes room for a vocabulary; `once`: an id counts once however often it occurs. */
export function open(vocabulary: usize, once: bool): void {
  limit = vocabulary;
  presence = once;
  tokens = (__heap_base + 63) & ~63;
  seen = tokens + 4 * STRIDE;
  records = seen + 4 * vocabulary;
  records = (records + 63) & ~63;
  ids = records + 16 * vocabulary;
  levels = ids + 4 * (vocabulary + 1);
  classes = (levels + vocabulary + 64) & ~63;
  results = classes + 4 * MOST_CLASSES;
  const missing = <i32>((results + 128 + 0xffff) >> 16) - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) unreachable();
}

/** A document begins. */
export function begin(): void {
  distinct = 0;
  lines = 0;
  longestLine = 0;
  position = 0;
  lineFrom = 0;
  lineFirst = 0;
  sentenceFrom = 0;
  longestSentence = 0;
  lowLines = 0;
  shortIds = 0;
  middlingIds = 0;
  lineSquares = 0;
}

/** Takes the next ids, 16 bits each. */
export function take16(count: usize): void {
  take<u16>(count);
}

/** The same with ids of 32 bits. */
export function take32(count: usize): void {
  take<u32>(count);
}

function take<T>(count: usize): void {
  let found = ids + (distinct << 2);
  const end = tokens + count * sizeof<T>();
  for (let at = tokens; at < end; at += sizeof<T>()) {
    const id = <usize>load<T>(at);
    if (sizeof<T>() == 4 && id >= limit) continue;
    const counter = seen + (id << 2);
    const before = load<u32>(counter);
    store<u32>(counter, before + 1);
    // Written always, kept when the count was 0: half of all branches here would be guessed wrongly.
    store<u32>(found, <u32>id);
    found += <usize>((((before & (STOP - 1)) - 1) >> 31) << 2);
    if (before >= STOP) {
      const here = position + <u32>((at - tokens) / sizeof<T>());
      endSentence(here);
      if (before >= NEWLINE) {
        if (here > lineFrom)
          endLine(here - lineFrom, lineFrom < position ? lineFirst : firstOf<T>(lineFrom - position));
        lineFrom = here + 1;
      }
    }
  }
  distinct = (found - ids) >> 2;
  if (lineFrom >= position && lineFrom < position + <u32>count) lineFirst = firstOf<T>(lineFrom - position);
  position += <u32>count;
}

function firstOf<T>(index: u32): usize {
  return <usize>load<T>(tokens + <usize>index * sizeof<T>());
}

function endSentence(here: u32): void {
  longestSentence = max(longestSentence, here - sentenceFrom);
  sentenceFrom = here + 1;
}

/** Ends a line of some ids. */
function endLine(length: u32, first: usize): void {
  lines++;
  if (first < limit && (load<u32>(records + (first << 4)) & LOW) != 0) lowLines++;
  lineSquares += <u64>length * <u64>length;
  if (length < 16) shortIds += <u64>length;
  if (length < 32) middlingIds += <u64>length;
  longestLine = max(longestLine, length);
}

/** Ends the document, writes the results and forgets its counts. */
export function finish(): void {
  endSentence(position);
  if (position > lineFrom) endLine(position - lineFrom, lineFirst);
  memory.fill(classes, 0, 4 * MOST_CLASSES);
  let characters: u64 = 0;
  let squares: u64 = 0;
  let once: u32 = 0;
  let contentSquares: u64 = 0;
  let first: i64 = 0;
  let second: i64 = 0;
  let third: i64 = 0;
  for (let k: usize = 0; k < distinct; k++) {
    const id = <usize>load<u32>(ids + (k << 2));
    const counter = seen + (id << 2);
    const count = load<u32>(counter);
    const times = count & (STOP - 1);
    store<u32>(counter, count - times);
    const level: u32 = presence ? 1 : 32 - <u32>clz(times);
    store<u8>(levels + k, <u8>level);
    squares += <u64>(level * level);
    const record = records + (id << 4);
    const piece = load<u32>(record);
    characters += <u64>times * <u64>((piece >> 8) & 255);
    once += <u32>(times == 1);
    if ((piece & CONTENT) != 0) contentSquares += <u64>times * <u64>times;
    const kind = classes + (<usize>(piece & 255) << 2);
    store<u32>(kind, load<u32>(kind) + times);
    first += <i64>(<i32>level * load<i32>(record, 4));
    second += <i64>(<i32>level * load<i32>(record, 8));
    third += <i64>(<i32>level * load<i32>(record, 12));
  }
  store<f64>(results, <f64>distinct);
  store<f64>(results, <f64>lines, 8);
  store<f64>(results, <f64>longestLine, 16);
  store<f64>(results, <f64>characters, 24);
  store<f64>(results, <f64>squares, 32);
  store<f64>(results, <f64>first, 40);
  store<f64>(results, <f64>second, 48);
  store<f64>(results, <f64>third, 56);
  store<f64>(results, <f64>once, 64);
  store<f64>(results, <f64>contentSquares, 72);
  store<f64>(results, <f64>lowLines, 80);
  store<f64>(results, <f64>shortIds, 88);
  store<f64>(results, <f64>middlingIds, 96);
  store<f64>(results, <f64>lineSquares, 104);
  store<f64>(results, <f64>longestSentence, 112);
}
