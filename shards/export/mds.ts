/**
 * MosaicML Streaming's shards: `<domain>/index.json` and `<domain>/shard.NNNNN.mds`, one sample a document with the column `tokens`
 * (`ndarray:uint16` or `ndarray:int32`). Layout of streaming/base/format/mds/writer.py (mosaicml-streaming 0.13.0), version 2.
 */
import { HeadraceError } from "../../core/errors.ts";
import type { WrittenFile } from "../pending-folder.ts";
import { type DomainExport, type DomainWritten, eachBatch, numbered, writeFileOf } from "./format.ts";

/** Writes the shards of a domain, cut where MDSWriter cuts them. Memory is one shard and one record batch. */
export async function exportMds(of: DomainExport): Promise<DomainWritten> {
  const { domain, manifest, folder, advance, options } = of;
  const limit = options.mdsShardBytes ?? 2 ** 26;
  if (!(Number.isSafeInteger(limit) && limit > 0 && limit < 2 ** 32))
    throw new HeadraceError("ERR_ARGUMENT", `MDS shards of ${limit} bytes; they have 1 to ${2 ** 32 - 1}`);
  const config = {
    column_encodings: [`ndarray:${manifest.tokenType}`],
    column_names: ["tokens"],
    column_sizes: [null],
    compression: null,
    format: "mds",
    hashes: [],
    size_limit: limit,
    version: 2,
  };
  const configBytes = new TextEncoder().encode(pythonJson(config));
  const files: WrittenFile[] = [];
  const shards: object[] = [];
  let documents = 0;
  let tokens = 0;
  /** The samples of the open shard one after another, and the size of each. One call a document to write them would take ten times as long. */
  let body = new Uint8Array(limit);
  let filled = 0;
  let sizes: number[] = [];

  function append(piece: Uint8Array): void {
    if (filled + piece.byteLength > body.byteLength) {
      const larger = new Uint8Array(filled + piece.byteLength);
      larger.set(body.subarray(0, filled));
      body = larger;
    }
    body.set(piece, filled);
    filled += piece.byteLength;
  }

  /** Bytes of a shard of so many samples with so many bytes. */
  const shardBytes = (samples: number, bytes: number) => 8 + 4 * samples + configBytes.byteLength + bytes;

  async function flush(): Promise<void> {
    if (sizes.length === 0) return;
    const bytes = shardBytes(sizes.length, filled);
    const basename = `shard.${numbered(shards.length)}.mds`;
    const head = new Uint32Array(2 + sizes.length);
    head[0] = sizes.length;
    let at = 4 * head.length + configBytes.byteLength;
    for (const [i, size] of sizes.entries()) {
      head[i + 1] = at;
      at += size;
    }
    head[sizes.length + 1] = at;
    if (bytes >= 2 ** 32)
      throw new HeadraceError(
        "ERR_OUTPUT",
        `a document of "${domain}" needs an MDS shard of ${bytes} bytes, and MDS counts to ${2 ** 32 - 1}; export to another format`,
      );
    const file = await writeFileOf(folder, `${domain}/${basename}`, async (out) => {
      await out.write(head);
      await out.write(configBytes);
      await out.write(body.subarray(0, filled));
    });
    files.push(file);
    shards.push({
      ...config,
      raw_data: { basename, bytes: file.bytes, hashes: {} },
      samples: sizes.length,
      zip_data: null,
    });
    sizes = [];
    filled = 0;
  }

  for (const shard of of.shards)
    await eachBatch(of, shard, async (reader, i, { documents: n, offsets }) => {
      const batch = reader.readBatch(i).tokens;
      for (let d = 0; d < n; d++) {
        const values = batch.subarray(offsets[d]!, offsets[d + 1]!);
        const head = sampleHead(values.length, values.byteLength);
        const size = head.byteLength + values.byteLength;
        if (shardBytes(sizes.length + 1, filled + size) > limit) await flush();
        append(head);
        append(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
        sizes.push(size);
        tokens += values.length;
      }
      documents += n;
      advance(batch.length);
    });
  await flush();
  const index = new TextEncoder().encode(pythonJson({ shards, version: 2 }));
  files.push(await writeFileOf(folder, `${domain}/index.json`, (file) => file.write(index)));
  return { documents, tokens, files };
}

/** Bytes of the datum, then the array's head: one dimension, in the narrowest unsigned type, and its length. */
function sampleHead(length: number, bytes: number): Uint8Array {
  const code = length < 2 ** 8 ? 0 : length < 2 ** 16 ? 1 : 2;
  const width = 2 ** code;
  const head = new Uint8Array(5 + width);
  const view = new DataView(head.buffer);
  view.setUint32(0, 1 + width + bytes, true);
  view.setUint8(4, (1 << 2) + code);
  for (let byte = 0; byte < width; byte++) view.setUint8(5 + byte, Math.floor(length / 256 ** byte) % 256);
  return head;
}

/** JSON as Python's json.dumps(sort_keys=True) prints it; for ASCII strings, whole numbers, null, lists and objects. */
function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}: ${pythonJson(field)}`).join(", ")}}`;
}
