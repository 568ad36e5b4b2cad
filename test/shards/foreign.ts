/**
 * Folders of shards, exports and foreign files for the tests of export and import, as plain values.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { openListedShard, readGaps, readManifest } from "../../shards/index.ts";
import { ROOT } from "../support.ts";

/** What the formats' own writers made of the same documents (fixtures/export/make.py). */
export interface Oracle {
  readonly mdsShardBytes: number;
  readonly sets: readonly {
    readonly tokenType: "uint16" | "int32";
    readonly vocabularySize: number;
    readonly lengths: readonly number[];
    /** By writer, then by path: gzipped, base64. */
    readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>;
  }[];
}

export const oracle: Oracle = JSON.parse(readFileSync(join(ROOT, "fixtures/export/expected.json"), "utf8"));

/** The bytes of files that the oracle wrote. */
export function unpacked(files: Readonly<Record<string, string>>): Readonly<Record<string, Buffer>> {
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [path, gunzipSync(Buffer.from(text, "base64"))]),
  );
}

/** Writes files under a folder. */
export function writeFiles(dir: string, files: Readonly<Record<string, Uint8Array>>): void {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), bytes);
  }
}

/** All files under a folder by path, in order of their names. */
export function readFiles(dir: string): Readonly<Record<string, Buffer>> {
  const paths = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(dir, path))]));
}

/** datatrove's two files of documents. */
export function nanosetOf(path: string, documents: readonly (readonly number[])[], width: 2 | 4 = 2) {
  const ids = documents.flat();
  let end = 0;
  const ends = documents.map(({ length }) => {
    end += length;
    return BigInt(end);
  });
  return {
    [path]: bytesOf(width === 2 ? Uint16Array.from(ids) : Uint32Array.from(ids)),
    [`${path}.index`]: bytesOf(BigUint64Array.from(ends)),
  };
}

/** Megatron's two files of documents, each of one or more sequences, in any type of values. */
export function megatronOf(
  prefix: string,
  documents: readonly (readonly (readonly number[])[])[],
  type: { readonly code: number; readonly array: (ids: readonly number[]) => ArrayBufferView } = {
    code: 8,
    array: (ids) => Uint16Array.from(ids),
  },
) {
  const sequences = documents.flat();
  const width = type.array([0]).byteLength;
  const pointers: bigint[] = [];
  let at = 0;
  for (const { length } of sequences) {
    pointers.push(BigInt(at));
    at += length * width;
  }
  const boundaries = [0n];
  for (const { length } of documents) boundaries.push(boundaries.at(-1)! + BigInt(length));
  const head = Buffer.alloc(34);
  head.write("MMIDIDX\0\0", "latin1");
  head.writeBigUInt64LE(1n, 9);
  head.writeUInt8(type.code, 17);
  head.writeBigUInt64LE(BigInt(sequences.length), 18);
  head.writeBigUInt64LE(BigInt(boundaries.length), 26);
  return {
    [`${prefix}.bin`]: bytesOf(type.array(sequences.flat())),
    [`${prefix}.idx`]: Buffer.concat([
      head,
      bytesOf(Int32Array.from(sequences, ({ length }) => length)),
      bytesOf(BigInt64Array.from(pointers)),
      bytesOf(BigInt64Array.from(boundaries)),
    ]),
  };
}

function bytesOf(array: ArrayBufferView): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

/** The documents of a folder of shards by `split/domain`, each as its source, line and ids. */
export async function documentsIn(dir: string) {
  const streams: Record<string, { source: string; line: number; tokens: number[] }[]> = {};
  const manifest = await readManifest(dir);
  for (const shard of manifest.shards) {
    const { split, domain } = shard;
    const reader = openListedShard(dir, manifest, shard);
    for (const i of reader.batches.keys()) {
      const { documents, tokens, offsets, sources, lines } = reader.readBatch(i);
      const stream = streams[`${split}/${domain}`] ?? [];
      for (let d = 0; d < documents; d++)
        stream.push({
          source: reader.sources[sources[d]!]!,
          line: lines[d]!,
          tokens: [...tokens.subarray(offsets[d]!, offsets[d + 1]!)],
        });
      streams[`${split}/${domain}`] = stream;
    }
    reader.close();
  }
  return streams;
}

/** The documents of a domain put together again from train part, gap and validation part, in input order of one source. */
export async function wholeDocuments(dir: string, domain: string): Promise<number[][]> {
  const streams = await documentsIn(dir);
  const gaps = (await readGaps(dir)).filter((gap) => gap.domain === domain);
  const parts = [...(streams[`train/${domain}`] ?? []), ...gaps, ...(streams[`validation/${domain}`] ?? [])];
  return [...Map.groupBy(parts, ({ line }) => line)]
    .sort(([a], [b]) => a - b)
    .map(([, own]) => own.flatMap(({ tokens }) => [...tokens]));
}
