/**
 * Files for the tests of the reading half, and a reader that checks on every read what must hold on all of them.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Document } from "../../core/document.ts";
import type { Incident, Quarantined } from "../../pipeline/incidents.ts";
import type { InputFile, InputFormat } from "../../pipeline/inputs.ts";
import { readSource, type SourceOptions } from "../../pipeline/source.ts";
import { temporaryFolder } from "../support.ts";

export { blockHeader, gzipMember, line, skippableFrame, storedFrame, zstdFrame } from "./stored-bytes.ts";

export interface ReadBack {
  readonly documents: readonly Document[];
  readonly quarantined: readonly Quarantined[];
  readonly incidents: readonly Incident[];
  readonly read: number;
  readonly unreadable: number;
  readonly batches: number;
  readonly nextLine: number;
}

const folder = temporaryFolder();

/** Writes bytes under a name and reads them as a source. The name's ending is the format. */
export function readBytes(
  bytes: Uint8Array,
  source: string,
  options: SourceOptions = {},
  place: { readonly fromLine?: number } = {},
): Promise<ReadBack> {
  const path = join(folder, basename(source));
  writeFileSync(path, bytes);
  const format = source.slice(source.indexOf(".") + 1) as InputFormat;
  return readFile({ path, source, bytes: bytes.length, modified: 0, format }, options, place);
}

/** Reads a source to its end and checks the laws of the account: bytes add up, ranges are apart, lines ascend. */
export async function readFile(
  file: InputFile,
  options: SourceOptions = {},
  place: { readonly fromLine?: number } = {},
): Promise<ReadBack> {
  const documents: Document[] = [];
  const quarantined: Quarantined[] = [];
  const incidents: Incident[] = [];
  let read = 0;
  let unreadable = 0;
  let batches = 0;
  let nextLine = 1;
  let ended = false;
  for await (const chunk of readSource(file, options, place)) {
    assert.equal(ended, false, "a batch follows the last one");
    const lines = [...chunk.documents, ...chunk.quarantined].map(({ line }) => line).sort((a, b) => a - b);
    assert.equal(new Set(lines).size, lines.length, "a line has two outcomes");
    for (const line of lines)
      assert.ok(line < chunk.nextLine || chunk.account, "a line is ahead of its batch");
    const bytes = chunk.documents.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    assert.equal(chunk.textBytes, bytes);
    documents.push(...chunk.documents);
    quarantined.push(...chunk.quarantined);
    incidents.push(...chunk.incidents);
    read += chunk.bytesRead;
    unreadable += chunk.bytesUnreadable;
    nextLine = chunk.nextLine;
    batches++;
    if (chunk.account) {
      ended = true;
      const { sha256, ...bytes } = chunk.account;
      assert.deepEqual(bytes, { read, unreadable, total: file.bytes });
      if (sha256 === null) assert.ok(incidents.length > 0, "a file without an incident has no hash");
      else
        assert.equal(
          sha256,
          createHash("sha256").update(readFileSync(file.path).subarray(0, file.bytes)).digest("hex"),
        );
    }
  }
  assert.ok(ended, "no batch carries the account");
  assert.equal(read + unreadable, file.bytes);
  let at = 0;
  for (const { source, byteFrom, byteTo } of incidents) {
    assert.equal(source, file.source);
    assert.ok(at <= byteFrom && byteFrom <= byteTo && byteTo <= file.bytes, "incidents overlap");
    at = byteTo;
  }
  assert.equal(
    unreadable,
    incidents.reduce((sum, { byteFrom, byteTo }) => sum + byteTo - byteFrom, 0),
  );
  for (let i = 1; i < documents.length; i++) assert.ok(documents[i - 1]!.line < documents[i]!.line);
  return { documents, quarantined, incidents, read, unreadable, batches, nextLine };
}

/** The texts of documents. */
export function textsOf({ documents }: ReadBack): readonly string[] {
  return documents.map(({ text }) => text);
}

/** Cuts bytes into chunks of the given lengths, taken in turn. */
export async function* inChunks(bytes: Buffer, lengths: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length]!;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}
