/**
 * zstd, frame by frame: each frame has its own decoder, because zlib in Node before 26.10 drops, without an error,
 * all frames but the first of a write. Small frames are decoded at once, longer ones block by block.
 */
import { constants, createZstdDecompress, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { mix32 } from "../core/random.ts";
import { Engine } from "./engine.ts";
import { type FramePart, FrameWalker } from "./frames.ts";
import { bytesPiece, damagePiece, type Piece } from "./pieces.ts";

const PARAMS = { [constants.ZSTD_d_windowLogMax]: 31 };
/** Output of a frame that is decoded in one call, by the piece. */
const WHOLE = { chunkSize: 256 * 1024, params: PARAMS };
/** Five blocks of 128 KiB and a little: where a block ends with its buffer, the decoder is asked once more whether that was all. */
const STREAM = { chunkSize: 5 * 128 * 1024 + 4096, params: PARAMS };
/** A frame of at most so many stored bytes is decoded in one call, unless it decodes to more than SMALL_OUTPUT. */
const SMALL_FRAME = 256 * 1024;
const SMALL_OUTPUT = 8 * 1024 * 1024;

/** Decodes zstd; see `decompress`. After damage it goes on at the next frame. */
export async function* unzstd(chunks: AsyncIterable<Buffer>, from = 0): AsyncGenerator<Piece> {
  const walker = new FrameWalker(from);
  const frame = new Frame();
  let damage: { from: number; reason: string } | null = null;
  let size = 0;
  try {
    for await (const chunk of chunks) {
      size += chunk.length;
      for (const part of walker.push(chunk)) {
        if (part.first && damage !== null) {
          yield damagePiece(damage.from, part.from, damage.reason);
          damage = null;
        }
        if (part.kind === "skippable") yield bytesPiece(part.bytes.length);
        else if (damage === null) {
          const done = part.kind === "astray" ? await frame.abandon() : await frame.take(part);
          yield* done.pieces;
          damage = done.damage ?? (part.kind === "astray" ? { from: part.from, reason: part.reason } : null);
        }
      }
    }
    const end = walker.finish();
    const done = await frame.abandon();
    yield* done.pieces;
    damage ??= done.damage;
    if (damage === null && end.stored.length > 0) yield bytesPiece(end.to - end.from, end.stored);
    if (damage === null && size === 0)
      damage = { from: 0, reason: "is empty; a zstd file has at least one frame; download it again" };
    if (damage === null && end.reason !== null)
      damage = { from: end.stored.length > 0 ? end.to : end.from, reason: end.reason };
    if (damage !== null) yield damagePiece(damage.from, end.to, damage.reason);
  } finally {
    frame.close();
  }
}

interface Decoded {
  readonly pieces: readonly Piece[];
  readonly damage: { readonly from: number; readonly reason: string } | null;
}

/** The frame in hand: held back while it may be small, then fed to a decoder as it comes. */
class Frame {
  #held: FramePart[] = [];
  #heldBytes = 0;
  #from = 0;
  #engine: Engine | null = null;

  /** Takes the next part of the frame and returns what can be decoded now. After damage the frame is over. */
  async take(part: FramePart): Promise<Decoded> {
    if (part.first) this.#from = part.from;
    this.#held.push(part);
    this.#heldBytes += part.bytes.length;
    const small = this.#engine === null && this.#heldBytes <= SMALL_FRAME;
    if (small && !part.last) return { pieces: [], damage: null };
    const whole = small ? decodeWhole(this.#held) : null;
    if (whole === null) return this.#feed(part.last);
    const pieces = [bytesPiece(this.#heldBytes, whole)];
    this.close();
    return { pieces, damage: null };
  }

  /** Decodes what is held back of a frame that will not be completed. */
  abandon(): Promise<Decoded> {
    return this.#feed(true);
  }

  close(): void {
    this.#engine?.close();
    this.#engine = null;
    this.#held = [];
    this.#heldBytes = 0;
  }

  async #feed(last: boolean): Promise<Decoded> {
    const pieces: Piece[] = [];
    let damage: Decoded["damage"] = null;
    for (const part of this.#held) {
      this.#engine ??= new Engine(createZstdDecompress(STREAM));
      const used = this.#engine.used;
      try {
        const buffers = await this.#engine.feed(part.bytes);
        if (this.#engine.used - used !== part.bytes.length) throw new Error("the decoder stopped early");
        pieces.push(bytesPiece(part.bytes.length), ...buffers.map((bytes) => bytesPiece(0, bytes)));
      } catch (error) {
        damage = { from: part.from, reason: explain(error, this.#from) };
        break;
      }
    }
    this.#held = [];
    this.#heldBytes = 0;
    if (last || damage !== null) this.close();
    return { pieces, damage };
  }
}

/** The frame's content, or null when it is corrupt or long: then the decoder that goes block by block tells how far it is good. */
function decodeWhole(parts: readonly FramePart[]): Buffer | null {
  try {
    const bytes = parts.length === 1 ? parts[0]!.bytes : Buffer.concat(parts.map((part) => part.bytes));
    return zstdDecompressSync(bytes, { ...WHOLE, maxOutputLength: SMALL_OUTPUT });
  } catch {
    return null;
  }
}

function explain(error: unknown, frameFrom: number): string {
  const code = String((error as { code?: unknown }).code ?? messageOf(error));
  const frame = `the zstd frame that starts at byte ${frameFrom}`;
  switch (code) {
    case "ZSTD_error_checksum_wrong":
      return `the checksum of ${frame} is wrong: its records were read, and at least one is damaged; download it again`;
    case "ZSTD_error_dictionary_wrong":
      return `${frame} was made with a dictionary; compress it again without`;
    default:
      return `${frame} is corrupt (${code}); download it again`;
  }
}

let tested: Promise<string | null> | undefined;

/** Decodes several frames that lie in one piece, in both ways; once a process. Throws ERR_RUNTIME where this Node cannot. */
export async function zstdSelfTest(): Promise<void> {
  tested ??= selfTestProblem();
  const problem = await tested;
  if (problem !== null)
    throw new HeadraceError(
      "ERR_RUNTIME",
      `Node ${process.version} cannot decode zstd (${problem}); use Node 22.18 or later, best the current LTS line`,
    );
}

async function selfTestProblem(): Promise<string | null> {
  if (typeof createZstdDecompress !== "function") return "node:zlib has no zstd";
  const small = Buffer.from("first frame\n");
  const long = Buffer.alloc(SMALL_FRAME + 1);
  for (let i = 0; i < long.length; i++) long[i] = mix32(i);
  const stored = Buffer.concat([small, long, small].map((bytes) => zstdCompressSync(bytes)));
  const out: Buffer[] = [];
  for await (const piece of unzstd(once(stored))) {
    if (piece.kind === "damage") return piece.reason;
    out.push(piece.bytes);
  }
  return Buffer.concat(out).equals(Buffer.concat([small, long, small]))
    ? null
    : "of several frames in one piece some are lost";
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
