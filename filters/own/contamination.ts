/**
 * Whether a document holds text of evaluation sets, as a filter: how many of its word n-grams occur in them, 13 words as in GPT-3
 * (arXiv 2005.14165, appendix C). Words are runs of letters, marks and digits in lower case, so punctuation and white space decide nothing.
 * Matches are exact: n-grams are compared word by word, never by hash alone.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { sha256 } from "../../core/hash.ts";
import { readText } from "./files.ts";
import type { OpenedFilter } from "./own-filter.ts";
import { integerSetting, type OwnSpec, ownScale, refuse } from "./spec.ts";

/** GPT-3's longest; shorter texts are looked for whole, */
const WORDS = 13;
/** unless they have fewer words than GPT-3's shortest. */
const LEAST_WORDS = 8;
/** Matches that are shown. */
const SHOWN = 5;
const ENDINGS = /\.(txt|jsonl)$/;
const FACTOR = 0x01000193;

/** A text of an evaluation set. */
interface Item {
  /** `FILE:LINE`. */
  readonly place: string;
  readonly text: string;
}

/** The filter of `contamination:FILE` or a folder of files. Throws ERR_ARGUMENT, ERR_INPUT, ERR_PARSE and ERR_FILTER. */
export async function openContamination(spec: OwnSpec): Promise<OpenedFilter> {
  const n = integerSetting(spec, "n") ?? WORDS;
  const least = integerSetting(spec, "least") ?? Math.min(n, LEAST_WORDS);
  if (n < 2 || least < 2 || least > n)
    refuse(spec.text, `has n=${n} and least=${least}; give 2 <= least <= n`);
  const files = await filesOf(spec);
  const items: Item[] = [];
  const hashes: string[] = [];
  for (const file of files) {
    const text = await readText(spec, file);
    hashes.push(sha256(text));
    items.push(...itemsOf(file, text));
  }
  const index = new NgramIndex(items, n, least);
  if (index.size === 0)
    throw new HeadraceError(
      "ERR_FILTER",
      `filter "${spec.name}": the ${items.length} texts of ${spec.value} have fewer than ${least} words each; give evaluation texts, or a smaller least=`,
    );
  return {
    ...ownScale(spec, { dropWhen: "high", scale: 1, cut: 0.5, missing: "quarantine" }),
    identity: { files: hashes, n, least, unicode: process.versions.unicode, version: 1 },
    everywhere: true,
    saturates: true,
    values: (documents) => documents.map(({ text }) => index.matches(text, () => {})),
    why({ text }) {
      const found = new Map<string, string>();
      index.matches(text, ({ place }, words) => {
        if (!found.has(place) && found.size < SHOWN) found.set(place, `${place}: ${words}`);
      });
      return [...found.values()];
    },
  };
}

/** The file, or the `.txt` and `.jsonl` files under the folder, sorted. */
async function filesOf({ name, value }: OwnSpec): Promise<readonly string[]> {
  try {
    if (!(await stat(value)).isDirectory()) return [value];
    const found = (await readdir(value, { recursive: true })).filter((file) => ENDINGS.test(file)).sort();
    if (found.length > 0) return found.map((file) => join(value, file));
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `filter "${name}": ${value} cannot be read (${messageOf(cause)}); check the path`,
      { cause },
    );
  }
  throw new HeadraceError(
    "ERR_FILTER",
    `filter "${name}": ${value} holds no .txt or .jsonl file; put the evaluation texts there`,
  );
}

/** Lines of a text file; of JSON lines every string in a record is a text of its own. */
function itemsOf(file: string, content: string): readonly Item[] {
  return content.split("\n").flatMap((line, i) => {
    const place = `${file}:${i + 1}`;
    if (line.trim() === "") return [];
    if (!file.endsWith(".jsonl")) return [{ place, text: line }];
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw new HeadraceError("ERR_PARSE", `${place} is not JSON: ${messageOf(cause)}`, { cause });
    }
    return stringsOf(value).map((text) => ({ place, text }));
  });
}

function stringsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(stringsOf) : [];
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
}

/** The n-grams of all items, and those items whole that have between `least` and n words. Memory: about 40 bytes a word of them. */
class NgramIndex {
  /** Distinct n-grams. */
  size = 0;
  readonly #items: readonly Item[];
  readonly #ids = new Map<string, number>();
  readonly #names: string[] = [];
  /** Words of all items, one after another. */
  readonly #words: Int32Array;
  /** Where the words of each item begin. */
  readonly #starts: number[] = [];
  readonly #tables = new Map<number, Int32Array>();

  constructor(items: readonly Item[], n: number, least: number) {
    this.#items = items;
    const all: number[] = [];
    /** By length of n-gram: where they begin. */
    const grams = new Map<number, number[]>();
    for (const { text } of items) {
      const words = wordsOf(text);
      const start = all.length;
      this.#starts.push(start);
      for (const word of words) all.push(this.#idOf(word));
      const length = Math.min(n, words.length);
      if (length < least) continue;
      const places = grams.get(length) ?? [];
      for (let i = 0; i + length <= words.length; i++) places.push(start + i);
      grams.set(length, places);
    }
    this.#words = Int32Array.from(all);
    for (const [length, places] of grams) this.#tables.set(length, this.#table(length, places));
  }

  /** How many places of a text begin an n-gram of an item; tells each with the item and its words. */
  matches(text: string, tell: (item: Item, words: string) => void): number {
    const ids = Int32Array.from(wordsOf(text), (word) => this.#ids.get(word) ?? -1);
    let found = 0;
    for (const [length, table] of this.#tables) {
      const power = powerOf(length);
      let hash = 0;
      let run = 0;
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i]!;
        run = id < 0 ? 0 : run + 1;
        if (run <= 1) hash = 0;
        hash = (Math.imul(hash, FACTOR) + id) | 0;
        if (run > length) hash = (hash - Math.imul(ids[i - length]!, power)) | 0;
        if (run < length) continue;
        const at = this.#find(table, length, hash, ids, i - length + 1);
        if (at < 0) continue;
        found++;
        tell(this.#itemAt(at), this.#spelled(at, length));
      }
    }
    return found;
  }

  #idOf(word: string): number {
    const known = this.#ids.get(word);
    if (known !== undefined) return known;
    this.#ids.set(word, this.#names.length);
    return this.#names.push(word) - 1;
  }

  #table(length: number, places: readonly number[]): Int32Array {
    const table = new Int32Array(2 ** Math.ceil(Math.log2(2 * places.length + 1))).fill(-1);
    for (const place of places) {
      let hash = 0;
      for (let i = 0; i < length; i++) hash = (Math.imul(hash, FACTOR) + this.#words[place + i]!) | 0;
      let at = spread(hash) & (table.length - 1);
      while (table[at]! >= 0 && !this.#same(table[at]!, this.#words, place, length))
        at = (at + 1) & (table.length - 1);
      if (table[at]! >= 0) continue;
      table[at] = place;
      this.size++;
    }
    return table;
  }

  #find(table: Int32Array, length: number, hash: number, ids: Int32Array, from: number): number {
    let at = spread(hash) & (table.length - 1);
    while (table[at]! >= 0 && !this.#same(table[at]!, ids, from, length)) at = (at + 1) & (table.length - 1);
    return table[at]!;
  }

  #same(place: number, ids: Int32Array, from: number, length: number): boolean {
    for (let i = 0; i < length; i++) if (this.#words[place + i] !== ids[from + i]) return false;
    return true;
  }

  #itemAt(place: number): Item {
    let [low, high] = [0, this.#starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= place) low = middle;
      else high = middle;
    }
    return this.#items[low]!;
  }

  #spelled(place: number, length: number): string {
    return Array.from(this.#words.subarray(place, place + length), (id) => this.#names[id]!).join(" ");
  }
}

/** FACTOR to a power, modulo 2^32. */
function powerOf(exponent: number): number {
  let power = 1;
  for (let i = 0; i < exponent; i++) power = Math.imul(power, FACTOR);
  return power;
}

function spread(hash: number): number {
  return Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 7;
}
