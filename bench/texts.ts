/**
 * Texts to measure with: real ones from files, the same by the megabyte, and words that nobody has seen, made from a seed.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { zstdDecompressSync } from "node:zlib";

/** The folder of the shared sample: $HEADRACE_SHARED, else the one beside the checkout. */
export const shared = process.env["HEADRACE_SHARED"] ?? resolve(import.meta.dirname, "../../shared");

/** Files of the shared sample, a folder a domain. */
export function sampleFiles(): readonly string[] {
  return filesOf(join(shared, "data/redpajama-sample/by-domain"));
}

/** Files of the peers' large corpus, or none where `peers` has none. */
export function largeFiles(peers: string | undefined): readonly string[] {
  const folder = peers === undefined ? undefined : join(peers, "corpus/big/train/chunk1");
  return folder !== undefined && existsSync(folder) ? filesOf(folder) : [];
}

/** The files of the shared sample as a corpus: SlimPajama's layout, domains mixed. */
export function corpusFiles(): readonly string[] {
  return filesOf(join(shared, "data/redpajama-sample/train/chunk1"));
}

/** A record of a corpus in SlimPajama's form. */
export interface CorpusRecord {
  readonly text: string;
  readonly meta: { readonly redpajama_set_name: string };
}

/** Records of a `.jsonl` or `.jsonl.zst`. */
export function recordsOf(file: string): readonly CorpusRecord[] {
  return contentOf(file)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as CorpusRecord)
    .map((record) => ({ ...record, text: record.text.toWellFormed() }));
}

/** Texts of a `.jsonl` or `.jsonl.zst`, or any other file as one text. */
export function textsOf(file: string): readonly string[] {
  return /\.jsonl(\.zst)?$/.test(file) ? recordsOf(file).map(({ text }) => text) : [contentOf(file)];
}

function contentOf(file: string): string {
  const stored = readFileSync(file);
  return (file.endsWith(".zst") ? zstdDecompressSync(stored) : stored).toString();
}

/** The first documents of the files, up to `megabytes` of UTF-8. */
export function textsUpTo(files: readonly string[], megabytes: number): readonly string[] {
  const texts: string[] = [];
  let left = megabytes * 1e6;
  for (const file of files)
    for (const text of left > 0 ? textsOf(file) : []) {
      if (left <= 0) return texts;
      texts.push(text);
      left -= Buffer.byteLength(text);
    }
  return texts;
}

/**
 * Documents of about 4,000 bytes, `megabytes` in all, in which no word comes twice: the halves of two words of `texts`, drawn by a
 * xorshift generator from `seed`, put together anew. Deterministic. No cache of words can help here; the hardest case, not a usual one.
 */
export function unseenTexts(texts: readonly string[], megabytes: number, seed: number): readonly string[] {
  const words = [...new Set(texts.join(" ").match(/[a-z]{5,9}/g))];
  const made = new Set<string>();
  const documents: string[] = [];
  const below = drawing(seed);
  for (let left = megabytes * 1e6; left > 0; ) {
    const document: string[] = [];
    for (let bytes = 0; bytes < 4_000; ) {
      const front = words[below(words.length)]!;
      const word = front.slice(0, 2 + below(front.length - 2)) + words[below(words.length)]!.slice(2);
      if (made.has(word)) continue;
      made.add(word);
      document.push(word);
      bytes += word.length + 1;
    }
    documents.push(document.join(" "));
    left -= documents.at(-1)!.length;
  }
  return documents;
}

/**
 * Makes copies of texts that are not the same again: in a copy about every eighth word of five letters or more is the front of a word and the
 * end of another one. Copy 0 is the text itself. Deterministic from `seed`; a cache of words has about as many misses as on so much new text.
 */
export function variedCopies(texts: readonly string[], seed: number): (text: string, copy: number) => string {
  const words = [...new Set(texts.join(" ").match(/[a-z]{5,9}/g))];
  const below = drawing(seed);
  return (text, copy) =>
    copy === 0
      ? text
      : text.replace(/[A-Za-z]{5,}/g, (word) =>
          below(8) > 0
            ? word
            : word.slice(0, 2 + below(word.length - 2)) + words[below(words.length)]!.slice(2),
        );
}

/** Draws whole numbers below a count: xorshift from a seed. */
function drawing(seed: number): (count: number) => number {
  let state = seed >>> 0 || 1;
  return (count) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % count;
  };
}

/** UTF-8 megabytes (1e6) of texts. */
export function megabytesOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
}

/** How many different words, split at spaces and line ends, texts have. */
export function distinctWords(texts: readonly string[]): number {
  const words = new Set<string>();
  for (const text of texts) for (const word of text.split(/[ \n]/)) words.add(word);
  return words.size;
}

function filesOf(folder: string): readonly string[] {
  return readdirSync(folder)
    .sort()
    .map((file) => join(folder, file));
}
