/**
 * Tables in the kernel's memory (kernel/tables.ts says what they are): where each lies, and those that every form of BPE has.
 */
import { HeadraceError } from "../../core/errors.ts";
import { findMerge, type MergeTable } from "./merge-table.ts";
import type { Global, Memory } from "./web-assembly.ts";

/** What the kernel exports; its globals that hold places and sizes of tables are named where the tables are made. */
export interface Kernel {
  readonly memory: Memory;
  /** Where the last call stopped: the text before it is encoded. */
  readonly stopped: Global;
  /** Bytes left out so far because the vocabulary lacks them. */
  readonly lostBytes: Global;
  base(): number;
  enterPieces(end: number): void;
  startText(): void;
  encode16(from: number, end: number, ids: number): number;
  encode32(from: number, end: number, ids: number): number;
  encodePieces16(from: number, end: number, ids: number): number;
  encodePieces32(from: number, end: number, ids: number): number;
}

/** A vocabulary as the kernel takes it. */
export interface KernelForm {
  readonly tables: readonly Table[];
  /** Globals that are no places of tables. */
  readonly numbers: Readonly<Record<string, number>>;
  /** What cuts a text into chunks. */
  readonly cut: "seams" | "pre-tokenizer";
  /** Whether a text that is not empty gets a space in front: never, always, or unless it begins with one. */
  readonly prefix: "never" | "always" | "unless there";
}

export interface Table {
  /** The global that says where it lies. */
  readonly name: string;
  readonly bytes: number;
  readonly content?: Uint8Array | Int32Array;
}

/** Ids are below this: two and a merge share a word of 64 bits. */
export const MOST_PIECES = 2 ** 21 - 1;

/** Merges are fewer than this, which is the kernel's "no merge". */
export const MOST_MERGES = 0x3fffff;

const PAGE = 65_536;

/** Writes the tables of a form and an empty cache into the kernel's memory and returns the first byte behind them, a multiple of 64. */
export function placeTables(kernel: Kernel, form: KernelForm, cacheEntries: number): number {
  const setBits = Math.min(24, Math.max(1, Math.floor(Math.log2(cacheEntries / 2))));
  const longSlots = 2 ** Math.max(4, setBits - 3);
  const longStore = 64 * longSlots;
  const tables: readonly Table[] = [
    { name: "sets", bytes: 64 * 2 ** setBits },
    { name: "longSlots", bytes: 8 * longSlots },
    { name: "longStore", bytes: longStore },
    ...form.tables,
  ];
  const numbers: Readonly<Record<string, number>> = {
    ...form.numbers,
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
  const records = tables.findIndex(({ name }) => name === "pieceRecords");
  if (records >= 0) kernel.enterPieces(places[records]! + tables[records]!.bytes);
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

export function table(name: string, content: Uint8Array | Int32Array): Table {
  return { name, bytes: content.byteLength, content };
}

/** What a slot of the kernel's says of a pair: the rank of its merge, or the result. */
export type MergeNumber = "rank" | "result";

/** The tables of merges, `byteSymbols` being the symbol that each byte is by itself, or -1. */
export function mergeTables(
  merges: MergeTable,
  number: MergeNumber,
  byteSymbols: Int32Array,
): Pick<KernelForm, "tables" | "numbers"> {
  return {
    tables: [
      table("mergeFilter", merges.filter),
      table("mergeSlots", packed(merges.slots, number)),
      table("byteSymbols", byteSymbols),
      table("byteMerges", byteMerges(merges, number, byteSymbols)),
    ],
    numbers: { mergeMask: merges.mask },
  };
}

const OFFSET: Readonly<Record<MergeNumber, number>> = { rank: 2, result: 3 };

/** Quadruples of left, right, rank and result as words of left | right << 21 | number << 42, all ones where left is -1. */
function packed(slots: Int32Array, number: MergeNumber): Int32Array {
  const words = new Int32Array(slots.length / 2).fill(-1);
  for (let i = 0; i < slots.length; i += 4) {
    const left = slots[i]!;
    if (left < 0) continue;
    const right = slots[i + 1]!;
    words[i / 2] = left | (right << 21);
    words[i / 2 + 1] = (right >>> 11) | (slots[i + OFFSET[number]]! << 10);
  }
  return words;
}

/** By `left | right << 8`, as the kernel loads two bytes: the number of their merge and its rank, MOST_MERGES and -1 where they do not merge. */
function byteMerges(merges: MergeTable, number: MergeNumber, byteSymbols: Int32Array): Int32Array {
  const words = new Int32Array(2 ** 17).fill(-1);
  for (let pair = 0; pair < 2 ** 16; pair++) {
    const left = byteSymbols[pair & 255]!;
    const right = byteSymbols[pair >> 8]!;
    const at = left < 0 || right < 0 ? -1 : findMerge(merges, left, right);
    words[2 * pair] = at < 0 ? MOST_MERGES : merges.slots[at + OFFSET[number]]!;
    if (at >= 0) words[2 * pair + 1] = merges.slots[at + OFFSET.rank]!;
  }
  return words;
}
