/**
 * The tables of a vocabulary in the kernel's memory: where each lies and in which form (kernel/tables.ts says what they are).
 */
import { HeadraceError } from "../../core/errors.ts";
import { mergeTable } from "./merge-table.ts";
import { seamsOf } from "./seams.ts";
import { byteIdsOf, type Vocabulary } from "./vocabulary.ts";
import type { Global, Memory } from "./web-assembly.ts";

/** What the kernel exports; its globals that hold places and sizes of tables are named in this file. */
export interface Kernel {
  readonly memory: Memory;
  /** Where the last call stopped: the text before it is encoded. */
  readonly stopped: Global;
  base(): number;
  encode16(from: number, end: number, ids: number): number;
  encode32(from: number, end: number, ids: number): number;
}

/** Ids are below this: two and the result of their merge share a word of 64 bits. */
export const MOST_PIECES = 2 ** 21 - 1;

/** Kernel's "no id", in an entry of a pair that does not merge. */
const NONE = 0x3fffff;

const PAGE = 65_536;

interface Table {
  readonly name: string;
  readonly bytes: number;
  readonly content?: Uint8Array | Int32Array;
}

/** Writes the tables and the empty cache into the kernel's memory and returns the first byte behind them, a multiple of 64. */
export function placeTables(kernel: Kernel, vocabulary: Vocabulary, cacheEntries: number): number {
  const { slots, mask, filter } = mergeTable(vocabulary);
  const { ascii, characters, pairs } = seamsOf(vocabulary);
  const setBits = Math.min(24, Math.max(1, Math.floor(Math.log2(cacheEntries / 2))));
  const longSlots = 2 ** Math.max(4, setBits - 3);
  const longStore = 64 * longSlots;
  const { ranks } = vocabulary;
  const tables: readonly Table[] = [
    { name: "sets", bytes: 64 * 2 ** setBits },
    { name: "longSlots", bytes: 8 * longSlots },
    { name: "longStore", bytes: longStore },
    table("asciiSeams", asciiSeams(ascii)),
    table("pairs", pairs),
    table("characters", characters),
    table("byteIds", byteIdsOf(vocabulary)),
    table("mergeFilter", filter),
    table("mergeSlots", packed(slots)),
    table("ranks", ranks),
    table("asciiMerges", asciiMerges(vocabulary, characters)),
  ];
  const numbers: Readonly<Record<string, number>> = {
    pairMask: pairs.length / 2 - 1,
    characterCount: characters.length,
    mergeMask: mask,
    setShift: 64 - setBits,
    longMask: longSlots - 1,
    longStoreSize: longStore,
  };
  const places: number[] = [];
  let end = kernel.base();
  for (const { bytes } of tables) {
    places.push(end);
    end += 64 * Math.ceil(bytes / 64);
  }
  growTo(kernel.memory, end);
  const globals = kernel as unknown as Readonly<Record<string, Global>>;
  for (const [i, { name, bytes, content }] of tables.entries()) {
    globals[name]!.value = places[i]!;
    if (content !== undefined)
      new Uint8Array(kernel.memory.buffer, places[i]!, bytes).set(
        new Uint8Array(content.buffer, content.byteOffset, content.byteLength),
      );
  }
  for (const [name, value] of Object.entries(numbers)) globals[name]!.value = value;
  return end;
}

/** Grows a memory so that it holds `end` bytes. Throws ERR_INPUT when it cannot. */
export function growTo(memory: Memory, end: number): void {
  const pages = Math.ceil((end - memory.buffer.byteLength) / PAGE);
  if (pages <= 0) return;
  try {
    memory.grow(pages);
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `a text needs ${end} bytes of the tokenizer's memory and cannot have them; lower --max-document-bytes`,
      { cause },
    );
  }
}

function table(name: string, content: Uint8Array | Int32Array): Table {
  return { name, bytes: content.byteLength, content };
}

/** By `left | right << 8`, as the kernel loads two bytes: 1 where a text can be cut. */
function asciiSeams(ascii: Uint8Array): Uint8Array {
  const seams = new Uint8Array(2 ** 15);
  for (let left = 0; left < 128; left++)
    for (let right = 0; right < 128; right++)
      seams[left | (right << 8)] = ascii[(left << 8) | right] === 1 ? 0 : 1;
  return seams;
}

/** Quadruples of left, right, rank and result as words of left | right << 21 | result << 42, all ones where left is -1. */
function packed(slots: Int32Array): Int32Array {
  const words = new Int32Array(slots.length / 2).fill(-1);
  for (let i = 0; i < slots.length; i += 4) {
    const left = slots[i]!;
    if (left < 0) continue;
    const right = slots[i + 1]!;
    words[i / 2] = left | (right << 21);
    words[i / 2 + 1] = (right >>> 11) | (slots[i + 3]! << 10);
  }
  return words;
}

/** By `left << 7 | right`: what two ASCII characters merge into, and its rank; NONE and -1 where they do not. */
function asciiMerges({ splits, ranks }: Vocabulary, characters: Int32Array): Int32Array {
  const byId = new Map<number, number>();
  for (let byte = 0; byte < 128; byte++) if (characters[byte]! >= 0) byId.set(characters[byte]!, byte);
  const words = new Int32Array(2 ** 15).fill(-1);
  for (let i = 0; i < words.length; i += 2) words[i] = NONE;
  for (let i = 0; i < splits.length; i += 3) {
    const left = byId.get(splits[i]!);
    const right = left === undefined ? undefined : byId.get(splits[i + 1]!);
    if (left === undefined || right === undefined) continue;
    const result = splits[i + 2]!;
    words[2 * ((left << 7) | right)] = result;
    words[2 * ((left << 7) | right) + 1] = ranks[result]!;
  }
  return words;
}
