/**
 * A byte-level vocabulary as the kernel takes it: the steps of the pre-tokenizer, classes of code points, listed merges, and whole pieces.
 */
import { type ByteLevelVocabulary, pieceBytes } from "./byte-level.ts";
import { MOST_RANKS, mergeTables } from "./kernel-merges.ts";
import { type KernelForm, MOST_PIECES, type Table, table } from "./kernel-tables.ts";
import type { PreTokenizerStep } from "./pre-tokenizer.ts";
import { codePointClasses } from "./unicode.ts";

/** By the kernel's numbers. */
const STEPS: readonly PreTokenizerStep[] = ["gpt-2", "llama-3", "qwen-2", "o200k", "digits", "digit-runs"];

/** Steps that the kernel has room for. */
const MOST_STEPS = 8;

/** Code points of a block of the class table. */
const BLOCK = 256;

/** Whether the kernel can hold the ids, merges and steps. */
export function kernelHolds({ pieces, merges, preTokenizer }: ByteLevelVocabulary): boolean {
  return pieces.length < MOST_PIECES && merges.length / 3 < MOST_RANKS && preTokenizer.length <= MOST_STEPS;
}

/** The tables of a vocabulary, in time linear in its merges. */
export function byteLevelForm(vocabulary: ByteLevelVocabulary): KernelForm {
  const { byteIds, preTokenizer, prefixSpace } = vocabulary;
  const merges = { pairs: vocabulary.merges, rankOf: (place: number) => place };
  const whole = vocabulary.ignoreMerges ? wholePieces(vocabulary) : { tables: [], numbers: {} };
  return {
    tables: [
      ...mergeTables(merges, vocabulary.pieces.length, byteIds),
      ...whole.tables,
      ...classTables(),
      table("byteIds", byteIds),
      table(
        "steps",
        Uint8Array.from(preTokenizer, (step) => STEPS.indexOf(step)),
      ),
    ],
    numbers: { ...whole.numbers, stepCount: preTokenizer.length },
    cut: "pre-tokenizer",
    prefix: prefixSpace ? "unless there" : "never",
  };
}

/** Blocks that are alike stand once; the first is that of ASCII. */
function classTables(): readonly Table[] {
  const classes = codePointClasses();
  const numbers = new Map<string, number>();
  const blocks = new Uint8Array(classes.length / BLOCK);
  for (let i = 0; i < blocks.length; i++) {
    const block = Buffer.from(classes.buffer, i * BLOCK, BLOCK).toString("latin1");
    if (!numbers.has(block)) numbers.set(block, numbers.size);
    blocks[i] = numbers.get(block)!;
  }
  return [
    table("classes", Buffer.from([...numbers.keys()].join(""), "latin1")),
    table("classBlocks", blocks),
  ];
}

/** Records of length, id and the bytes in whole words of 64 bits, at least one of which is padding, and free slots for twice as many. */
function wholePieces({ pieces }: ByteLevelVocabulary): Pick<KernelForm, "tables" | "numbers"> {
  const records: Buffer[] = [];
  let longest = 0;
  for (const [id, piece] of pieces.entries()) {
    const bytes = piece === null ? undefined : pieceBytes(piece);
    if (bytes === undefined) continue;
    const record = Buffer.alloc(16 + 8 * Math.floor(bytes.length / 8));
    record.writeUInt32LE(bytes.length);
    record.writeUInt32LE(id, 4);
    record.write(bytes, 8, "latin1");
    records.push(record);
    longest = Math.max(longest, bytes.length);
  }
  let slots = 16;
  while (slots < 2 * records.length) slots *= 2;
  return {
    tables: [
      table("pieceRecords", Buffer.concat(records)),
      { name: "pieceSlots", bytes: 8 * slots },
      { name: "pieceFilter", bytes: 2 ** 17 },
    ],
    numbers: { pieceMask: slots - 1, longestPiece: longest },
  };
}
