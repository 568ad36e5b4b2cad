/**
 * Where the frames of a zstd stream (RFC 8878) lie, found from their headers alone and while the bytes arrive.
 * Every byte of the stream comes back in exactly one part, in order; a block is never torn between two parts.
 * Nothing is decompressed here: a damaged block is the decoder's to find, but the frame after it is known.
 */

/**
 * A stretch of a zstd stream: one header, block or checksum of a frame, a piece of a skippable frame, or bytes that belong to no frame
 * (these may be none, where a frame breaks off and another begins).
 */
export interface FramePart {
  readonly kind: "frame" | "skippable" | "astray";
  /** [from, to) in the stream; the length of `bytes`. */
  readonly from: number;
  readonly to: number;
  readonly bytes: Buffer;
  /** First and last part of its frame. A frame with a damaged header or block has no last part. */
  readonly first: boolean;
  readonly last: boolean;
  /** What is wrong with the first byte of a stretch that is astray; else empty. */
  readonly reason: string;
}

/** How a stream ended. */
export interface FrameEnd {
  /** [from, to): the bytes after the last part. */
  readonly from: number;
  readonly to: number;
  /** What is wrong with the end; null when the stream ends between frames, or astray as a part has said. */
  readonly reason: string | null;
  /** What the bytes after the last part decode to: the start of a block that is stored as it is; else empty. */
  readonly stored: Buffer;
}

const MAGIC = 0xfd2fb528;
const MAGIC_BYTES = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const SKIPPABLE = 0x184d2a50;
/** No block is longer (RFC 8878, 3.1.1.2.4). */
const MAX_BLOCK_BYTES = 128 * 1024;
const NOTHING = Buffer.alloc(0);

/** True when the four bytes begin a zstd frame or a skippable frame. */
export function isFrameMagic(magic: number): boolean {
  return magic === MAGIC || isSkippable(magic);
}

function isSkippable(magic: number): boolean {
  return magic - (magic % 16) === SKIPPABLE;
}

/** Takes a stream piece by piece; holds at most one unfinished block (128 KiB). */
export class FrameWalker {
  #state: "magic" | "block" | "checksum" | "skip" | "lost" = "magic";
  #pending: Buffer = NOTHING;
  /** Position in the stream of the first byte of #pending. */
  #at: number;
  #frameFrom = 0;
  #checksum = false;
  #skipLeft = 0;
  #reason = "";

  /** `from`: position of the first byte. */
  constructor(from = 0) {
    this.#at = from;
  }

  /** The parts that `chunk` completes. The parts hold views of `chunk`. */
  push(chunk: Buffer): FramePart[] {
    const data = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const parts: FramePart[] = [];
    let pos = 0;
    for (;;) {
      const part = this.#next(data.subarray(pos));
      if (part === null) break;
      parts.push(part);
      pos += part.bytes.length;
    }
    this.#pending = data.subarray(pos);
    return parts;
  }

  /** Called once, after the last push. */
  finish(): FrameEnd {
    const rest = this.#pending;
    const raw = this.#state === "block" && rest.length > 3 && blockType(rest) === 0;
    return {
      from: this.#at,
      to: this.#at + rest.length,
      reason: this.#endReason(rest),
      stored: raw ? rest.subarray(3) : NOTHING,
    };
  }

  #endReason(rest: Buffer): string | null {
    if (this.#state === "lost" || (this.#state === "magic" && rest.length === 0)) return null;
    if (this.#state === "magic" && rest.length < 4 && !isMagicStart(rest)) return noFrame(rest);
    const frameFrom = this.#state === "magic" ? this.#at : this.#frameFrom;
    return `is cut inside the zstd frame that starts at byte ${frameFrom}; download it again`;
  }

  /** The part that starts at the first byte of `data`, or null when it takes more bytes to tell. */
  #next(data: Buffer): FramePart | null {
    switch (this.#state) {
      case "magic":
        return this.#header(data);
      case "block":
        return this.#block(data);
      case "checksum":
        if (data.length < 4) return null;
        this.#state = "magic";
        return this.#part("frame", data, 4, false, true);
      case "skip": {
        if (data.length === 0) return null;
        const length = Math.min(data.length, this.#skipLeft);
        this.#skipLeft -= length;
        if (this.#skipLeft === 0) this.#state = "magic";
        return this.#part("skippable", data, length, false, this.#skipLeft === 0);
      }
      case "lost": {
        const part = this.#search(data);
        return part === null && this.#state !== "lost" ? this.#next(data) : part;
      }
      default:
        return this.#state satisfies never;
    }
  }

  #header(data: Buffer): FramePart | null {
    if (data.length < 4) return null;
    const magic = data.readUInt32LE(0);
    if (isSkippable(magic)) {
      if (data.length < 8) return null;
      this.#frameFrom = this.#at;
      this.#skipLeft = data.readUInt32LE(4);
      if (this.#skipLeft > 0) this.#state = "skip";
      return this.#part("skippable", data, 8, true, this.#skipLeft === 0);
    }
    if (magic !== MAGIC) return this.#astray(data, noFrame(data));
    if (data.length < 5) return null;
    const descriptor = data[4]!;
    const singleSegment = (descriptor & 0x20) !== 0;
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
    const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    const length = 5 + (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
    if (data.length < length) return null;
    this.#frameFrom = this.#at;
    this.#checksum = (descriptor & 4) !== 0;
    this.#state = "block";
    return this.#part("frame", data, length, true, false);
  }

  #block(data: Buffer): FramePart | null {
    if (data.length < 3) return null;
    const type = blockType(data);
    const size = data.readUIntLE(0, 3) >> 3;
    if (type === 3 || (type !== 1 && size > MAX_BLOCK_BYTES))
      return this.#astray(
        data,
        `no zstd block has this header (${data.toString("hex", 0, 3)}); download it again`,
      );
    const length = 3 + (type === 1 ? 1 : size);
    if (data.length < length) return null;
    const last = (data[0]! & 1) !== 0;
    if (last) this.#state = this.#checksum ? "checksum" : "magic";
    return this.#part("frame", data, length, false, last && !this.#checksum);
  }

  #astray(data: Buffer, reason: string): FramePart {
    this.#state = "lost";
    this.#reason = reason;
    return this.#search(data) ?? this.#part("astray", data, 0, false, false);
  }

  /** Passes over bytes up to the next frame magic; null when there are none to pass over. */
  #search(data: Buffer): FramePart | null {
    const found = data.indexOf(MAGIC_BYTES);
    if (found >= 0) this.#state = "magic";
    // The last three bytes may be the start of a magic.
    const length = found >= 0 ? found : data.length - 3;
    return length > 0 ? this.#part("astray", data, length, false, false) : null;
  }

  #part(kind: FramePart["kind"], data: Buffer, length: number, first: boolean, last: boolean): FramePart {
    const from = this.#at;
    this.#at += length;
    const reason = kind === "astray" ? this.#reason : "";
    return { kind, from, to: this.#at, bytes: data.subarray(0, length), first, last, reason };
  }
}

function noFrame(data: Buffer): string {
  return `no zstd frame starts at these bytes (${data.toString("hex", 0, 4)}); download it again`;
}

/** True when the bytes, fewer than four, may be the start of a frame's magic. */
function isMagicStart(bytes: Buffer): boolean {
  const skippable = Buffer.from([bytes[0]!, 0x2a, 0x4d, 0x18]);
  return (
    bytes.equals(MAGIC_BYTES.subarray(0, bytes.length)) ||
    (bytes[0]! >> 4 === 5 && bytes.equals(skippable.subarray(0, bytes.length)))
  );
}

/** 0 stored, 1 one byte repeated, 2 compressed, 3 reserved. */
function blockType(header: Buffer): number {
  return (header[0]! >> 1) & 3;
}
