/**
 * Megatron-LM's indexed dataset: `<domain>.bin` (token values) and `<domain>.idx` (lengths, byte positions, documents), one sequence a
 * document. Layout of megatron/core/datasets/indexed_dataset.py (megatron-core 0.16.1), index version 1. Memory is one record batch.
 */
import { tokenArray, tokenBytes } from "../schema.ts";
import { type DomainExport, type DomainWritten, eachBatch, writeFileOf } from "./format.ts";

/** The first nine bytes of an index. */
export const MEGATRON_MAGIC = "MMIDIDX\0\0";
/** The code of each token type. */
export const MEGATRON_CODES = { uint16: 8, int32: 4 } as const;

/** Numbers of an array that is filled and written again and again. */
const CHUNK = 65_536;

/** Writes the pair of a domain. */
export async function exportMegatron(of: DomainExport): Promise<DomainWritten> {
  const { domain, manifest, folder, advance } = of;
  const { tokenType } = manifest;
  let documents = 0;
  const bin = await writeFileOf(folder, `${domain}.bin`, async (file) => {
    for (const shard of of.shards)
      await eachBatch(of, shard, async (reader, i, index) => {
        const tokens = tokenArray(tokenType, reader.batches[i]!.tokens);
        reader.readTokens(i, 0, tokens);
        await file.write(tokens);
        documents += index.documents;
        advance(tokens.length);
      });
  });
  const lengthsOf = async (visit: (length: number) => Promise<void> | undefined) => {
    for (const shard of of.shards)
      await eachBatch(of, shard, async (_, __, { documents: n, offsets }) => {
        for (let d = 0; d < n; d++) {
          const full = visit(offsets[d + 1]! - offsets[d]!);
          if (full) await full;
        }
      });
  };
  const idx = await writeFileOf(folder, `${domain}.idx`, async (file) => {
    await file.write(header(MEGATRON_CODES[tokenType], documents));
    const lengths = chunked(new Int32Array(CHUNK), file.write);
    await lengthsOf((length) => lengths.add(length));
    await lengths.end();
    const wide = new BigInt64Array(CHUNK);
    const pointers = chunked(wide, file.write);
    let pointer = 0;
    await lengthsOf((length) => {
      const full = pointers.add(BigInt(pointer));
      pointer += length * tokenBytes(tokenType);
      return full;
    });
    await pointers.end();
    const indices = chunked(wide, file.write);
    for (let d = 0; d <= documents; d++) await indices.add(BigInt(d));
    await indices.end();
  });
  return { documents, tokens: bin.bytes / tokenBytes(tokenType), files: [bin, idx] };
}

/** Magic, version, type, number of sequences, number of document boundaries. */
function header(code: number, documents: number): Uint8Array {
  const bytes = new Uint8Array(34);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MEGATRON_MAGIC));
  view.setBigUint64(9, 1n, true);
  view.setUint8(17, code);
  view.setBigUint64(18, BigInt(documents), true);
  view.setBigUint64(26, BigInt(documents + 1), true);
  return bytes;
}

/** Collects numbers in `array` and writes it whenever it is full; `add` returns the promise of that write, if it wrote. */
function chunked<T extends number | bigint>(
  array: ArrayBufferView & {
    [index: number]: T;
    readonly length: number;
    subarray(from: number, to: number): ArrayBufferView;
  },
  write: (data: ArrayBufferView) => Promise<void>,
) {
  let filled = 0;
  return {
    add(value: T): Promise<void> | undefined {
      array[filled++] = value;
      if (filled < array.length) return undefined;
      filled = 0;
      return write(array);
    },
    end: () => write(array.subarray(0, filled)),
  };
}
