/**
 * The rule sets' kernel, in AssemblyScript: what they count in one text, which lies in this module's memory as valid UTF-8. `read` first; the
 * others count one group each from what it found, in any order, `readGrams` behind `readWords`. What they leave is at `results` (results.ts).
 * Three imports answer what only Unicode's tables know, each rarely; one finds addresses, by a regular expression.
 */
import { arrange, text } from "./memory";
import { readSigns } from "./signs";
import { forget } from "./table";

export { abbreviations, ascii, measures, phrases, results, stopWords, text } from "./memory";
export { readGrams } from "./grams";
export { readLines } from "./lines";
export { readPieces, readWrittenLines } from "./pieces";
export { readSentences } from "./sentences";
export { readWords } from "./words";

/** Makes room for texts of up to `room` bytes, a power of two of at least 1024; false where the memory cannot grow so far. */
export function makeRoom(room: usize): bool {
  forget();
  return arrange(room);
}

/** Reads the text of `count` bytes at `text`. */
export function read(count: usize): void {
  readSigns(text + count);
}
