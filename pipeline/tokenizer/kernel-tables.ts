/**
 * Tables in the kernel's memory (kernel/tables.ts says what they are): where each lies. What is in them, kernel-merges.ts,
 * kernel-sentencepiece.ts and kernel-byte-level.ts say.
 */
import { HeadraceError } from "../../core/errors.ts";
import type { Global, Memory } from "../../core/web-assembly.ts";

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

const PAGE = 65_536;

/** Writes the tables of a form and an empty cache into the kernel's memory and returns the first byte behind them, a multiple of 64. */
export function placeTables(kernel: Kernel, form: KernelForm, cacheEntries: number): number {
  const setBits = Math.min(24, Math.max(1, Math.floor(Math.log2(cacheEntries / 2))));
  const longSlots = 2 ** Math.max(4, setBits);
  const longStore = 32 * longSlots;
  const frontBits = Math.min(16, setBits);
  const tables: readonly Table[] = [
    { name: "front", bytes: 16 * 2 ** frontBits },
    { name: "sets", bytes: 64 * 2 ** setBits },
    { name: "longSlots", bytes: 8 * longSlots },
    { name: "longStore", bytes: longStore },
    ...form.tables,
  ];
  const numbers: Readonly<Record<string, number>> = {
    ...form.numbers,
    frontShift: 64 - frontBits,
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
