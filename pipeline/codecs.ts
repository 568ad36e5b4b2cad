/**
 * What the pages of a parquet file and the buffers of an Arrow file are compressed with, decoded in one call to a length that is known.
 */
import { brotliDecompressSync, constants, gunzipSync, zstdDecompressSync } from "node:zlib";
import { FrameWalker } from "./frames.ts";
import { unlz4Block, unlz4Frame } from "./lz4.ts";
import { unsnappy } from "./snappy.ts";

/** The codecs that can be decoded, by parquet's names; `LZ4_FRAME` is Arrow's. */
export const CODECS = ["UNCOMPRESSED", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4_RAW", "LZ4_FRAME"] as const;
export type Codec = (typeof CODECS)[number];

const ZSTD = { params: { [constants.ZSTD_d_windowLogMax]: 31 } };

/** Decodes bytes that must give exactly `size` bytes. Deterministic; memory as the result. Throws an Error that says what is wrong. */
export function decode(codec: Codec, bytes: Uint8Array, size: number): Buffer {
  const output = size === 0 && bytes.length === 0 ? Buffer.alloc(0) : decodeAny(codec, bytes, size);
  if (output.length !== size) throw new RangeError(`${output.length} bytes instead of ${size}`);
  return output;
}

function decodeAny(codec: Codec, bytes: Uint8Array, size: number): Buffer {
  const limit = { maxOutputLength: Math.max(1, size) };
  switch (codec) {
    case "UNCOMPRESSED":
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    case "SNAPPY":
      return unsnappy(bytes, size);
    case "GZIP":
      return gunzipSync(bytes, limit);
    case "BROTLI":
      return brotliDecompressSync(bytes, limit);
    case "ZSTD": {
      const first = zstdDecompressSync(bytes, { ...ZSTD, ...limit });
      // Node before 26.10 gives the first frame of several and drops the rest.
      return first.length === size ? first : decodeFrames(bytes, limit);
    }
    case "LZ4_RAW":
      return unlz4Block(bytes, size);
    case "LZ4_FRAME":
      return unlz4Frame(bytes, size);
    default:
      return codec satisfies never;
  }
}

function decodeFrames(bytes: Uint8Array, limit: { readonly maxOutputLength: number }): Buffer {
  const walker = new FrameWalker();
  const frames: Buffer[][] = [];
  for (const part of walker.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))) {
    if (part.kind !== "frame") continue;
    if (part.first) frames.push([]);
    frames.at(-1)?.push(part.bytes);
  }
  return Buffer.concat(
    frames.map((parts) => zstdDecompressSync(Buffer.concat(parts), { ...ZSTD, ...limit })),
  );
}
