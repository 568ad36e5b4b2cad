/**
 * The stream of a split and domain: the token ids of its batches one after another, read as a ring (docs/format.md 1.2).
 * Positions come from the manifest alone, so a read is one positioned read for each batch it touches, and no Arrow is parsed.
 */
import { join } from "node:path";
import type { TokenIds } from "../core/document.ts";
import { HeadraceError } from "../core/errors.ts";
import { type FilePool, openFilePool } from "./files.ts";
import type { ShardManifest, Split, TokenShard } from "./manifest.ts";
import { tokenBytes } from "./schema.ts";

/** A ring of token ids on disk. Its methods are synchronous. */
export interface TokenStream {
  /** Length of the ring, T. */
  readonly tokens: number;
  /**
   * Fills `into` with the ids at positions `from`, `from` + 1, … modulo T. 16-bit streams may be read into an Int32Array.
   * Throws ERR_DOMAIN on an empty stream, ERR_ARGUMENT where ids of 32 bits would not fit, ERR_SHARD where a file is cut or missing.
   */
  read(from: number, into: TokenIds): void;
  /**
   * Where documents start among the `length` positions from `from` on: ascending, relative to `from`.
   * Reads the list offsets (4 bytes a document) of the batches it touches; those of the last 16 batches are kept.
   */
  documentBoundaries(from: number, length: number): readonly number[];
  /** Closes its files, unless they belong to a pool that was passed in. */
  close(): void;
}

const KEPT_OFFSETS = 16;

/**
 * Opens the stream of a split and domain, which is empty where the split has no shards of the domain. Reads nothing yet.
 * `files` is a pool shared between streams; by default each has its own of 64. Throws ERR_DOMAIN for an unknown domain.
 */
export function openStream(
  dir: string,
  manifest: ShardManifest,
  split: Split,
  domain: string,
  options?: { readonly files?: FilePool },
): TokenStream {
  if (!manifest.domains.includes(domain))
    throw new HeadraceError(
      "ERR_DOMAIN",
      `domain "${domain}" is not in ${dir}; it has ${manifest.domains.join(", ")}`,
    );
  const pieces = piecesOf(manifest, split, domain);
  const { starts } = pieces;
  const pieceCount = starts.length - 1;
  const total = starts[pieceCount]!;
  /** Joined paths by shard, for those that were read. */
  const paths: (string | undefined)[] = [];
  const pathOf = (piece: number): string => {
    const shard = pieces.owners[piece]!;
    paths[shard] ??= join(dir, pieces.shards[shard]!.path);
    return paths[shard];
  };
  const files = options?.files ?? openFilePool();
  const width = tokenBytes(manifest.tokenType);
  /** Document starts by piece, in order of use, the least recent first. */
  const offsets = new Map<number, Int32Array>();

  /** Calls `visit` with each stretch of a piece that the ring positions [from, from + length) cover, and its place among them. */
  function walk(
    from: number,
    length: number,
    visit: (piece: number, start: number, count: number, place: number) => void,
  ): void {
    if (!(Number.isSafeInteger(from) && from >= 0))
      throw new HeadraceError("ERR_ARGUMENT", `stream position ${from}; it is a whole number from 0 on`);
    if (length === 0) return;
    if (total === 0)
      throw new HeadraceError(
        "ERR_DOMAIN",
        `${dir} has no ${split} tokens of domain "${domain}"; give it weight 0 or build it with more documents`,
      );
    let position = from % total;
    let piece = pieceAt(starts, position);
    for (let place = 0; place < length; ) {
      const start = position - starts[piece]!;
      const count = Math.min(length - place, starts[piece + 1]! - position);
      visit(piece, start, count, place);
      place += count;
      position += count;
      if (++piece === pieceCount) {
        piece = 0;
        position = 0;
      }
    }
  }

  function offsetsOf(piece: number): Int32Array {
    const known = offsets.get(piece);
    offsets.delete(piece);
    const { foreign } = pieces.shards[pieces.owners[piece]!]!;
    const offsetsIn = foreign ? join(dir, foreign.offsets.path) : pathOf(piece);
    const offsetsAt = pieces.offsetsAt[piece]!;
    const list = known ?? new Int32Array(pieces.documents[piece]!);
    if (!known) files.read(offsetsIn, new Uint8Array(list.buffer), offsetsAt);
    offsets.set(piece, list);
    if (offsets.size > KEPT_OFFSETS) offsets.delete(offsets.keys().next().value!);
    return list;
  }

  return {
    tokens: total,

    read(from, into) {
      if (into.BYTES_PER_ELEMENT < width)
        throw new HeadraceError(
          "ERR_ARGUMENT",
          `ids of ${dir} are ${manifest.tokenType} and do not fit a ${into.constructor.name}; pass an Int32Array`,
        );
      const bytes = into.length * width;
      // Ids of 16 bits are read into the far half of an Int32Array and widened towards the front.
      const target = new Uint8Array(into.buffer, into.byteOffset + into.byteLength - bytes, bytes);
      walk(from, into.length, (piece, start, count, place) => {
        const part = target.subarray(place * width, (place + count) * width);
        files.read(pathOf(piece), part, pieces.tokensAt[piece]! + start * width);
      });
      if (into.BYTES_PER_ELEMENT > width) {
        const narrow = new Uint16Array(target.buffer, target.byteOffset, into.length);
        for (let i = 0; i < into.length; i++) into[i] = narrow[i]!;
      }
    },

    documentBoundaries(from, length) {
      const boundaries: number[] = [];
      walk(from, length, (piece, start, count, place) => {
        const list = offsetsOf(piece);
        let last = -1;
        for (let i = firstAtLeast(list, start); i < list.length && list[i]! < start + count; i++) {
          if (list[i] !== last) boundaries.push(place + list[i]! - start);
          last = list[i]!;
        }
      });
      return boundaries;
    },

    close() {
      if (!options?.files) files.close();
    },
  };
}

/** The batches of a stream that have tokens, in columns: tens of thousands of shards have as many, and an object each is most of what a stream takes. */
interface Pieces {
  /** Of the stream, in order. */
  readonly shards: readonly TokenShard[];
  /** Index of each piece's shard. */
  readonly owners: Uint32Array;
  /** Stream position of each piece; one more at the end, which is T. */
  readonly starts: Float64Array;
  readonly documents: Float64Array;
  readonly offsetsAt: Float64Array;
  readonly tokensAt: Float64Array;
}

function piecesOf(manifest: ShardManifest, split: Split, domain: string): Pieces {
  const shards = manifest.shards.filter((shard) => shard.split === split && shard.domain === domain);
  const count = shards.reduce(
    (sum, { batches }) => sum + batches.filter(({ tokens }) => tokens > 0).length,
    0,
  );
  const pieces = {
    shards,
    owners: new Uint32Array(count),
    starts: new Float64Array(count + 1),
    documents: new Float64Array(count),
    offsetsAt: new Float64Array(count),
    tokensAt: new Float64Array(count),
  };
  let piece = 0;
  for (const [owner, { batches }] of shards.entries())
    for (const { documents, tokens, offsetsAt, tokensAt } of batches) {
      if (tokens === 0) continue;
      pieces.owners[piece] = owner;
      pieces.starts[piece + 1] = pieces.starts[piece]! + tokens;
      pieces.documents[piece] = documents;
      pieces.offsetsAt[piece] = offsetsAt;
      pieces.tokensAt[piece++] = tokensAt;
    }
  return pieces;
}

/** The piece that holds a position below the last start. */
function pieceAt(starts: Float64Array, position: number): number {
  let low = 0;
  let high = starts.length - 2;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (starts[middle]! <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Index of the first element that is at least `value`, in an ascending list. */
function firstAtLeast(list: Int32Array, value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (list[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
