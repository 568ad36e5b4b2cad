/**
 * Bytes as files store them, made piece by piece: lines, zstd frames and blocks, gzip members. Deterministic.
 */
import { constants, crc32, deflateRawSync, zstdCompressSync } from "node:zlib";

/** One record as a line of JSON with its line feed. */
export function line(text: string, fields: Readonly<Record<string, unknown>> = {}): Buffer {
  return Buffer.from(`${JSON.stringify({ text, ...fields })}\n`);
}

/** One compressed zstd frame. */
export function zstdFrame(bytes: Uint8Array, checksum = false): Buffer {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0 } });
}

/** A zstd frame of stored blocks, each as long as given, with a window of 128 KiB and neither content size nor checksum. */
export function storedFrame(blocks: readonly Uint8Array[]): Buffer {
  return Buffer.concat([
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3]),
    ...blocks.flatMap((block, i) => [blockHeader(block.length, 0, i === blocks.length - 1), block]),
  ]);
}

/** The three bytes before a block: type 0 stored, 1 repeated byte, 2 compressed, 3 reserved. */
export function blockHeader(size: number, type: number, last: boolean): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE(size * 8 + type * 2 + (last ? 1 : 0), 0, 3);
  return header;
}

/** A skippable zstd frame. */
export function skippableFrame(bytes: Uint8Array, nibble = 0): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50 + nibble, 0);
  header.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/** A gzip member whose deflate data is flushed after each part; `ends` are the positions in it at which each part is complete. */
export function gzipMember(
  parts: readonly Uint8Array[],
  header: Uint8Array = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
): { readonly bytes: Buffer; readonly ends: readonly number[] } {
  const ends: number[] = [];
  const pieces: Buffer[] = [Buffer.from(header)];
  let length = header.length;
  for (const part of parts) {
    const piece = deflateRawSync(part, { finishFlush: constants.Z_SYNC_FLUSH });
    pieces.push(piece);
    length += piece.length;
    ends.push(length);
  }
  const content = Buffer.concat(parts);
  const trailer = Buffer.alloc(10);
  trailer.writeUInt16LE(0x0003, 0); // the last block, empty
  trailer.writeUInt32LE(crc32(content), 2);
  trailer.writeUInt32LE(content.length, 6);
  return { bytes: Buffer.concat([...pieces, trailer]), ends };
}
