/**
 * gzip (RFC 1952), member by member: headers and check sums are read here and Node only inflates,
 * because its gunzip ignores whatever follows a zero byte between members. After corrupt data the rest of a file is unreadable.
 */
import { crc32, createInflateRaw } from "node:zlib";
import { Cursor } from "./cursor.ts";
import { Engine } from "./engine.ts";
import { bytesPiece, damagePiece, type Piece } from "./pieces.ts";

/** Stored bytes a write. Node drops what a write decodes to when it turns out corrupt. */
const SLICE_BYTES = 32 * 1024;
/** In a member of up to so many bytes, what comes before the damage is decoded again, to the byte; in a longer one a slice is lost with it. */
const KEPT_BYTES = 1024 * 1024;
/** A name or comment longer than this is taken for damage. */
const MAX_FIELD_BYTES = 64 * 1024;

interface Sums {
  crc: number;
  size: number;
}

/** Decodes gzip; see `decompress`. */
export async function* gunzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  const input = new Cursor(chunks);
  for (let members = 0; ; members++) {
    if (members > 0) await skipZeros(input);
    const from = input.at;
    const member = `the gzip member that starts at byte ${from}`;
    yield bytesPiece(input.settle());
    if ((await input.peek(1)).length === 0) {
      if (members === 0)
        yield damagePiece(0, 0, "is empty; a gzip file has at least one member; download it again");
      return;
    }
    const sums: Sums = { crc: 0, size: 0 };
    const fault =
      (await skipHeader(input)) ?? (yield* inflate(input, sums)) ?? (await checkTrailer(input, sums));
    if (fault === "check sum") {
      const reason = `the check sum of ${member} is wrong: its records were read, and at least one is damaged; download it again`;
      yield damagePiece(input.settledAt, input.at, reason);
      input.settle();
    } else if (fault !== null) {
      const damagedFrom = input.settledAt;
      const reason = fault === "cut" ? `is cut inside ${member}; download it again` : `${member} ${fault}`;
      yield damagePiece(damagedFrom, await input.drain(), reason);
      return;
    }
  }
}

/** Inflates up to the end of the deflate data. Returns null there, else what is wrong. */
async function* inflate(input: Cursor, sums: Sums): AsyncGenerator<Piece, string | null> {
  const engine = newEngine();
  let kept: Buffer[] | null = [];
  let keptBytes = 0;
  try {
    for (;;) {
      // Slices of one size, so that the chunks do not show in where damage is found.
      const slice = (await input.peek(SLICE_BYTES)).subarray(0, SLICE_BYTES);
      if (slice.length === 0) return "cut";
      const before = engine.used;
      const out = await engine.feed(slice).catch((error: Error & { code?: string }) => error);
      if (out instanceof Error) {
        const good = kept === null ? { used: 0, bytes: [] } : await decodeAgain(kept, slice);
        input.skip(good.used);
        yield bytesPiece(input.settle());
        for (const bytes of good.bytes) yield bytesPiece(0, bytes);
        return `is corrupt (${out.code ?? out.message}); download it again`;
      }
      keptBytes += slice.length;
      if (keptBytes > KEPT_BYTES) kept = null;
      kept?.push(slice);
      const used = engine.used - before;
      input.skip(used);
      yield bytesPiece(input.settle());
      for (const bytes of out) {
        sums.crc = crc32(bytes, sums.crc);
        sums.size += bytes.length;
        yield bytesPiece(0, bytes);
      }
      if (used < slice.length) return null;
    }
  } finally {
    engine.close();
  }
}

/** What a damaged slice decodes to before the damage, and how many of its bytes that takes. `before` is all of the member before it. */
async function decodeAgain(
  before: readonly Buffer[],
  slice: Buffer,
): Promise<{ readonly used: number; readonly bytes: readonly Buffer[] }> {
  let used = 0;
  const bytes: Buffer[] = [];
  for (const step of [256, 1]) {
    const engine = newEngine();
    for (const part of [...before, slice.subarray(0, used)]) if (part.length > 0) await engine.feed(part);
    while (used < slice.length) {
      const out = await engine.feed(slice.subarray(used, used + step)).catch(() => null);
      if (out === null) break;
      bytes.push(...out);
      used += Math.min(step, slice.length - used);
    }
    engine.close();
  }
  return { used, bytes };
}

function newEngine(): Engine {
  return new Engine(createInflateRaw({ chunkSize: 256 * 1024 }));
}

/** Passes over a member's header. Returns null, or what is wrong with it. */
async function skipHeader(input: Cursor): Promise<string | null> {
  let header = await input.peek(10);
  const magic = Buffer.from([0x1f, 0x8b, 8]);
  if (!magic.subarray(0, header.length).equals(header.subarray(0, 3)))
    return `is not one (bytes ${header.toString("hex", 0, 4)}); remove what follows the last member`;
  if (header.length < 10) return "cut";
  const flags = header[3]!;
  if (flags > 31) return "has a corrupt header; download it again";
  let length = 10;
  if ((flags & 4) !== 0) {
    header = await input.peek(length + 2);
    if (header.length < length + 2) return "cut";
    length += 2 + header.readUInt16LE(length);
  }
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    header = await input.peek(length + MAX_FIELD_BYTES);
    const end = header.indexOf(0, length);
    if (end < 0)
      return header.length < length + MAX_FIELD_BYTES ? "cut" : "has a corrupt header; download it again";
    length = end + 1;
  }
  if ((flags & 2) !== 0) length += 2;
  header = await input.peek(length);
  if (header.length < length) return "cut";
  if ((flags & 2) !== 0 && header.readUInt16LE(length - 2) !== crc32(header.subarray(0, length - 2)) % 65_536)
    return "has a corrupt header; download it again";
  input.skip(length);
  return null;
}

/** Compares a member's check sum and size. Returns null, or what is wrong. */
async function checkTrailer(input: Cursor, sums: Sums): Promise<string | null> {
  const trailer = await input.peek(8);
  if (trailer.length < 8) return "cut";
  input.skip(8);
  return trailer.readUInt32LE(0) === sums.crc && trailer.readUInt32LE(4) === sums.size % 2 ** 32
    ? null
    : "check sum";
}

/** Members may be followed by zeros that fill a block. */
async function skipZeros(input: Cursor): Promise<void> {
  for (;;) {
    const bytes = await input.peek(1);
    const end = bytes.findIndex((byte) => byte !== 0);
    input.skip(end < 0 ? bytes.length : end);
    if (bytes.length === 0 || end >= 0) return;
  }
}
