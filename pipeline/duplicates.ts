/**
 * Which documents of the inputs have the text of an earlier one: a pass over all of them in the order of the plan (files by name, records by
 * line), so that the first stays, whatever machine looks. Memory: 40 to 80 MB a million distinct texts.
 */
import {
  DUPLICATES_FORMAT,
  type DuplicatesHeader,
  duplicatesText,
  type FileDuplicates,
  textDigest,
} from "../filters/index.ts";
import type { InputFile } from "./inputs.ts";
import { readSource, type SourceOptions } from "./source.ts";

/** What was found. */
export interface DuplicatesFound {
  readonly header: DuplicatesHeader;
  readonly files: readonly FileDuplicates[];
  /** The list as a file: what the filter `duplicates:LIST` reads. */
  readonly text: string;
  readonly quarantined: number;
  readonly incidents: number;
}

/** Reads every document and lists those whose text came before. Deterministic; one thread. */
export async function findDuplicates(
  inputs: readonly InputFile[],
  options: {
    readonly source?: SourceOptions;
    /** Whether texts are the same that differ in letter case and white space alone. Default false. */
    readonly normalised?: boolean;
    readonly onProgress?: (documents: number) => void;
  } = {},
): Promise<DuplicatesFound> {
  const { source = {}, normalised = false, onProgress } = options;
  const seen = new TextTable();
  const files: FileDuplicates[] = [];
  let [documents, duplicates, quarantined, incidents] = [0, 0, 0, 0];
  for (const [number, file] of inputs.entries()) {
    const lines: number[] = [];
    const first: (readonly number[])[] = [];
    let hashes = "";
    for await (const chunk of readSource(file, source, { lend: true })) {
      for (const document of chunk.documents) {
        const digest = textDigest(document, normalised);
        const before = seen.add(digest, number, document.line);
        documents++;
        if (before === null) continue;
        lines.push(document.line);
        hashes += digest.toString("hex", 0, 8);
        first.push(before);
      }
      quarantined += chunk.quarantined.length;
      incidents += chunk.incidents.length;
      onProgress?.(documents);
    }
    duplicates += lines.length;
    if (lines.length > 0) files.push({ source: file.source, lines, hashes, first });
  }
  const sources = inputs.map((file) => file.source);
  const header: DuplicatesHeader = { format: DUPLICATES_FORMAT, normalised, documents, duplicates, sources };
  return { header, files, text: duplicatesText(header, files), quarantined, incidents };
}

/** The first place of each text by 128 bits of its hash. */
class TextTable {
  /** Four words of the hash, then number of the file and line. */
  #rows = new Uint32Array(6 * 1024);
  #slots = new Int32Array(4096).fill(-1);
  #count = 0;

  /** Where the text was before; null where it is new, and remembered. */
  add(digest: Buffer, file: number, line: number): readonly [number, number] | null {
    if (6 * this.#count === this.#rows.length) this.#grow();
    const row = 6 * this.#count;
    for (let w = 0; w < 4; w++) this.#rows[row + w] = digest.readUInt32LE(4 * w);
    const at = this.#slotOf(row);
    const known = this.#slots[at]!;
    if (known >= 0) return [this.#rows[6 * known + 4]!, this.#rows[6 * known + 5]!];
    this.#rows[row + 4] = file;
    this.#rows[row + 5] = line;
    this.#slots[at] = this.#count++;
    return null;
  }

  #slotOf(row: number): number {
    const rows = this.#rows;
    const mask = this.#slots.length - 1;
    for (let at = rows[row]! & mask; ; at = (at + 1) & mask) {
      const other = 6 * this.#slots[at]!;
      if (
        other < 0 ||
        (rows[other] === rows[row] &&
          rows[other + 1] === rows[row + 1] &&
          rows[other + 2] === rows[row + 2] &&
          rows[other + 3] === rows[row + 3])
      )
        return at;
    }
  }

  #grow(): void {
    const rows = new Uint32Array(2 * this.#rows.length);
    rows.set(this.#rows);
    this.#rows = rows;
    this.#slots = new Int32Array(2 * this.#slots.length).fill(-1);
    for (let i = 0; i < this.#count; i++) this.#slots[this.#slotOf(6 * i)] = i;
  }
}
