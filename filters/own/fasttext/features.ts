/**
 * A text as the rows of a fastText model's input matrix: its words, their subwords, and its word n-grams by hash. As `Dictionary::getLine` of
 * fastText 0.9.2, with its quirks: bytes are hashed with their sign, hashes of words are taken as signed where n-grams are made of them.
 */
import type { FastTextModel } from "./model-file.ts";

/** The end of a line is a word. */
const END = Buffer.from("</s>");
/** Tokens that begin so are labels, and unknown ones are passed over. */
const LABEL = Buffer.from("__label__");
const [OPEN, CLOSE] = [0x3c, 0x3e];
const SPACES = new Set([0x20, 0x0a, 0x0d, 0x09, 0x0b, 0x0c, 0x00]);
/** Factor of hashes of words in an n-gram (src/dictionary.cc, addWordNgrams). */
const NGRAM_FACTOR = 116_049_371;
const FNV_OFFSET = 0x811c9dc5 | 0;
const FNV_PRIME = 16_777_619;

/** Gives the rows of a text, with repetitions; the array is good until the next text. */
export type FeaturesOf = (text: Uint8Array) => Int32Array;

/** The features of a model's texts: line breaks are spaces, so that a whole document is one line. */
export function featuresOf({
  settings,
  dictionary,
}: Pick<FastTextModel, "settings" | "dictionary">): FeaturesOf {
  const { wordNgrams, bucket, minn, maxn } = settings;
  const { kept } = dictionary;
  const nwords = dictionary.words.length;
  const known = new WordTable([...dictionary.words, ...dictionary.labels.map((label) => Buffer.from(label))]);
  let rows = new Int32Array(1024);
  let count = 0;
  let hashes = new Int32Array(1024);
  let words = 0;
  let framed = new Uint8Array(256);

  const push = (row: number) => {
    if (count === rows.length) rows = grown(rows);
    rows[count++] = row;
  };
  const pushBucket = (at: number) => {
    if (kept === null) push(nwords + at);
    else {
      const place = kept.get(at);
      if (place !== undefined) push(nwords + place);
    }
  };
  const pushSubwords = (text: Uint8Array, from: number, to: number) => {
    const size = to - from + 2;
    if (size > framed.length) framed = new Uint8Array(2 * size);
    framed[0] = OPEN;
    framed.set(text.subarray(from, to), 1);
    framed[size - 1] = CLOSE;
    for (let i = 0; i < size; i++) {
      if (isTrail(framed[i]!)) continue;
      let hash = FNV_OFFSET;
      for (let j = i, n = 1; j < size && n <= maxn; n++) {
        do hash = step(hash, framed[j++]!);
        while (j < size && isTrail(framed[j]!));
        if (n >= minn && !(n === 1 && (i === 0 || j === size))) pushBucket((hash >>> 0) % bucket);
      }
    }
  };
  /** Takes a word; false after the end of the line. */
  const take = (text: Uint8Array, from: number, to: number): boolean => {
    let hash = FNV_OFFSET;
    for (let i = from; i < to; i++) hash = step(hash, text[i]!);
    const id = known.find(text, from, to, hash);
    const isEnd = matches(text, from, to, END);
    if (id < 0 ? !startsWith(text, from, to, LABEL) : id < nwords) {
      if (id >= 0) push(id);
      if (maxn > 0 && !isEnd) pushSubwords(text, from, to);
      if (words === hashes.length) hashes = grown(hashes);
      hashes[words++] = hash;
    }
    return !isEnd;
  };

  return (text) => {
    count = 0;
    words = 0;
    let open = true;
    for (let i = 0; open && i < text.length; ) {
      while (i < text.length && SPACES.has(text[i]!)) i++;
      const from = i;
      while (i < text.length && !SPACES.has(text[i]!)) i++;
      if (i > from) open = take(text, from, i);
    }
    if (open) take(END, 0, END.length);
    if (wordNgrams > 1 && bucket > 0) pushNgrams(hashes, words, wordNgrams, bucket, pushBucket);
    return rows.subarray(0, count);
  };
}

/** n-grams of 2 to `most` words; the hash is a number of 64 bits, held in two halves. */
function pushNgrams(
  hashes: Int32Array,
  words: number,
  most: number,
  bucket: number,
  push: (at: number) => void,
): void {
  for (let i = 0; i < words; i++) {
    let low = hashes[i]! >>> 0;
    let high = hashes[i]! >> 31;
    for (let j = i + 1; j < words && j < i + most; j++) {
      const upper = (low >>> 16) * NGRAM_FACTOR;
      const lower = (low & 0xffff) * NGRAM_FACTOR + (upper % 65_536) * 65_536 + (hashes[j]! >>> 0);
      high =
        (Math.imul(high, NGRAM_FACTOR) +
          Math.floor(upper / 65_536) +
          Math.floor(lower / 2 ** 32) +
          (hashes[j]! >> 31)) |
        0;
      low = lower % 2 ** 32;
      // In steps of 16 bits, so that every product is exact.
      let rest = (high >>> 0) % bucket;
      rest = (rest * 65_536 + (low >>> 16)) % bucket;
      push((rest * 65_536 + (low & 0xffff)) % bucket);
    }
  }
}

/** FNV-1a over signed bytes. */
function step(hash: number, byte: number): number {
  return Math.imul(hash ^ ((byte << 24) >> 24), FNV_PRIME);
}

function isTrail(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

function startsWith(text: Uint8Array, from: number, to: number, start: Uint8Array): boolean {
  return to - from >= start.length && matches(text, from, from + start.length, start);
}

function matches(text: Uint8Array, from: number, to: number, word: Uint8Array): boolean {
  if (to - from !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (text[from + i] !== word[i]) return false;
  return true;
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}

/** Ids of words by their bytes. */
class WordTable {
  readonly #words: readonly Uint8Array[];
  readonly #slots: Int32Array;
  readonly #mask: number;

  constructor(words: readonly Uint8Array[]) {
    const size = 2 ** Math.ceil(Math.log2(2 * words.length + 1));
    this.#words = words;
    this.#slots = new Int32Array(size).fill(-1);
    this.#mask = size - 1;
    for (const [id, word] of words.entries()) {
      let hash = FNV_OFFSET;
      for (const byte of word) hash = step(hash, byte);
      let at = hash & this.#mask;
      while (this.#slots[at]! >= 0) at = (at + 1) & this.#mask;
      this.#slots[at] = id;
    }
  }

  /** The id of `text[from, to)`, whose hash is given; -1 where it is unknown. */
  find(text: Uint8Array, from: number, to: number, hash: number): number {
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const id = this.#slots[at]!;
      if (id < 0 || matches(text, from, to, this.#words[id]!)) return id;
    }
  }
}
