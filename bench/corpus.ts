/**
 * The inputs of bench/build.ts and bench/memory.ts: folders of `.jsonl.zst` with the shared sample, as often as asked and never the same twice.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type CorpusRecord, megabytesOf, variedCopies } from "./texts.ts";

const SEED = 20_240_624;

/** A folder of input and what is in it. */
export interface Corpus {
  readonly folder: string;
  readonly documents: number;
  /** UTF-8 megabytes of text. */
  readonly megabytes: number;
}

/** Writes varied copies of all `records`, `perFile` of them a file; the first copy has them as they are. */
export function writeCopies(
  folder: string,
  records: readonly CorpusRecord[],
  copies: number,
  perFile = 1,
): Corpus {
  mkdirSync(folder, { recursive: true });
  const vary = variedCopies(
    records.map(({ text }) => text),
    SEED,
  );
  let megabytes = 0;
  for (let first = 0; first < copies; first += perFile) {
    const parts: Buffer[] = [];
    for (let copy = first; copy < Math.min(copies, first + perFile); copy++) {
      const varied = records.map((record) => ({ ...record, text: vary(record.text, copy) }));
      megabytes += megabytesOf(varied.map(({ text }) => text));
      parts.push(linesOf(varied));
    }
    const name = `${String(first / perFile).padStart(4, "0")}.jsonl.zst`;
    writeFileSync(join(folder, name), zstdCompressSync(Buffer.concat(parts)));
  }
  return { folder, documents: records.length * copies, megabytes };
}

/**
 * Writes `copies` of the records, all but the first varied, as one file in the form that all tools read, and once more as `.gz` for the one that
 * opens no `.zst`; of less than one copy every so-manieth record.
 */
export function writePart(folder: string, records: readonly CorpusRecord[], copies: number): Corpus {
  const documents = join(folder, "documents");
  mkdirSync(documents, { recursive: true });
  const step = Math.max(1, Math.round(1 / copies));
  const vary = variedCopies(
    records.map(({ text }) => text),
    SEED,
  );
  const some = Array.from({ length: Math.max(1, Math.round(copies)) }, (_, copy) =>
    records.filter((_, i) => i % step === 0).map((record) => ({ ...record, text: vary(record.text, copy) })),
  )
    .flat()
    .map((record, i) => ({
      id: String(i),
      source: record.meta.redpajama_set_name,
      added: "2024-01-01T00:00:00.000Z",
      ...record,
    }));
  writeFileSync(join(documents, "0.jsonl.zst"), zstdCompressSync(linesOf(some)));
  writeFileSync(join(documents, "0.jsonl.gz"), gzipSync(linesOf(some)));
  return {
    folder: documents,
    documents: some.length,
    megabytes: megabytesOf(some.map(({ text }) => text)),
  };
}

function linesOf(records: readonly object[]): Buffer {
  return Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(""));
}
