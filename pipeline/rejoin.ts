/**
 * The documents of a domain of finished shards, put together again in input order from train, validation and dropped split, and sorted
 * anew into what is kept and what is dropped. A route says of every document where its tokens lie and where they go.
 * Memory is a batch and a window a split.
 */
import type { TokenIds } from "../core/document.ts";
import { HeadraceError } from "../core/errors.ts";
import {
  type Gap,
  openScores,
  openStream,
  type SegmentBatch,
  type SegmentReader,
  type ShardManifest,
  type Split,
  type TokenStream,
  tokenArray,
} from "../shards/index.ts";

/** What becomes of a document: `given` is a kept one of a validation set that was given. */
export type Bucket = "kept" | "given" | "dropped";

/** Documents of a domain that go to one bucket. Plain data. */
export interface Rejoined {
  /** Folder of the finished shards. */
  readonly from: string;
  readonly domain: string;
  /** Score rows of the domain in input order; the verdict of each is `<where>:<bucket>`. */
  readonly route: string;
  readonly bucket: Bucket;
  /** The document that was cut into train, gap and validation; null: none was. */
  readonly gap: Gap | null;
}

/** Where the tokens of a document lie; `cut`: in train, gap and validation. */
export type Where = Split | "cut";

/** A batch ends before the document that would bring it over so many tokens, */
const BATCH_TOKENS = 2 << 20;
/** or after so many documents. */
const BATCH_DOCUMENTS = 16_384;
/** Tokens read ahead of a split. */
const WINDOW = 1 << 20;

/** A stretch of consecutive tokens: of a split's stream, or of the gap. */
interface Stretch {
  readonly of: Split | "gap";
  readonly from: number;
  length: number;
}

/** Opens the documents as a segment. Throws ERR_SHARD where route and shards contradict each other. */
export function openRejoined(of: Rejoined, manifest: ShardManifest): SegmentReader {
  const { from, domain, route, bucket, gap } = of;
  const rows = openScores(route);
  const streams: Record<Split, TokenStream> = {
    train: openStream(from, manifest, "train", domain),
    validation: openStream(from, manifest, "validation", domain),
    dropped: openStream(from, manifest, "dropped", domain),
  };
  const places = rows.verdicts.map((verdict) => verdict.split(":") as [Where, Bucket]);
  const held = streams.validation.tokens;

  function* batches(): Generator<SegmentBatch> {
    const at: Record<Split, number> = { train: 0, validation: 0, dropped: 0 };
    const read = reading(manifest, streams, gap);
    let batch = new RejoinedBatch(rows.filters.length);
    const step = (split: Split, length: number): Stretch => {
      at[split] += length;
      return { of: split, from: at[split] - length, length };
    };
    for (const i of rows.batches.keys()) {
      const columns = rows.readBatch(i);
      for (let row = 0; row < columns.documents; row++) {
        const [where, to] = places[columns.verdicts[row]!]!;
        const tokens = columns.tokens[row]!;
        const stretches =
          where === "cut"
            ? [
                step("train", tokens - gap!.tokens.length - held),
                { of: "gap" as const, from: 0, length: gap!.tokens.length },
                step("validation", held),
              ]
            : [step(where, tokens)];
        if (to !== bucket) continue;
        if (!batch.fits(tokens)) {
          yield batch.take(manifest, read);
          batch = new RejoinedBatch(rows.filters.length);
        }
        batch.add(columns, row, stretches);
      }
    }
    if (batch.documents > 0) yield batch.take(manifest, read);
    for (const split of ["train", "validation", "dropped"] as const) {
      const { tokens } = streams[split];
      if (at[split] !== tokens && !(split === "dropped" && tokens === 0))
        throw new HeadraceError(
          "ERR_SHARD",
          `the score table of ${from} gives ${at[split]} ${split} tokens of ${domain}, and its shards hold ${tokens}; see "headrace verify"`,
        );
    }
  }

  return {
    name: `${bucket} ${domain} of ${from}`,
    schema: { tokenType: manifest.tokenType, filters: rows.filters, hashes: true },
    sources: rows.sources,
    batches,
    close() {
      rows.close();
      for (const stream of Object.values(streams)) stream.close();
    },
  };
}

type Read = (stretch: Stretch, into: TokenIds) => void;

/** Reads stretches that come in ascending order in each split, a window at a time. */
function reading(manifest: ShardManifest, streams: Record<Split, TokenStream>, gap: Gap | null): Read {
  const windows = Object.fromEntries(
    Object.keys(streams).map((split) => [
      split,
      { from: 0, tokens: tokenArray(manifest.tokenType, 0), room: tokenArray(manifest.tokenType, 0) },
    ]),
  ) as Record<Split, { from: number; tokens: TokenIds; room: TokenIds }>;
  return ({ of, from, length }, into) => {
    if (of === "gap") return into.set(gap!.tokens);
    const stream = streams[of];
    if (from + length > stream.tokens)
      throw new HeadraceError(
        "ERR_SHARD",
        `the score table asks for ${of} tokens up to ${from + length}, and there are ${stream.tokens}; see "headrace verify"`,
      );
    if (length >= WINDOW) return stream.read(from, into);
    const window = windows[of];
    for (let done = 0; done < length; ) {
      const at = from + done;
      if (at < window.from || at >= window.from + window.tokens.length) {
        if (window.room.length === 0)
          window.room = tokenArray(manifest.tokenType, Math.min(WINDOW, stream.tokens));
        window.from = at;
        window.tokens = window.room.subarray(0, Math.min(WINDOW, stream.tokens - at));
        stream.read(at, window.tokens);
      }
      const part = window.tokens.subarray(at - window.from, at - window.from + length - done);
      into.set(part, done);
      done += part.length;
    }
  };
}

type Columns = ReturnType<ReturnType<typeof openScores>["readBatch"]>;

/** Documents of a batch in the making, and where their tokens are. */
class RejoinedBatch {
  readonly #offsets: number[] = [0];
  readonly #sources: number[] = [];
  readonly #lines: number[] = [];
  readonly #hashes: bigint[] = [];
  readonly #scores: number[][];
  readonly #stretches: Stretch[] = [];

  constructor(filters: number) {
    this.#scores = Array.from({ length: filters }, () => []);
  }

  get documents(): number {
    return this.#lines.length;
  }

  fits(tokens: number): boolean {
    const full = this.documents === BATCH_DOCUMENTS || this.#offsets.at(-1)! + tokens > BATCH_TOKENS;
    return this.documents === 0 || !full;
  }

  add(columns: Columns, row: number, stretches: readonly Stretch[]): void {
    this.#offsets.push(this.#offsets.at(-1)! + columns.tokens[row]!);
    this.#sources.push(columns.sources[row]!);
    this.#lines.push(columns.lines[row]!);
    this.#hashes.push(columns.hashes![row]!);
    for (const [f, column] of this.#scores.entries()) column.push(columns.scores[f]![row]!);
    for (const stretch of stretches) {
      const last = this.#stretches.at(-1);
      if (last?.of === stretch.of && last.from + last.length === stretch.from) last.length += stretch.length;
      else this.#stretches.push(stretch);
    }
  }

  take({ tokenType }: ShardManifest, read: Read): SegmentBatch {
    let tokens: TokenIds | undefined;
    return {
      index: {
        documents: this.documents,
        offsets: Int32Array.from(this.#offsets),
        sources: Int32Array.from(this.#sources),
        lines: Uint32Array.from(this.#lines),
        scores: this.#scores.map((column) => Float32Array.from(column)),
        hashes: BigUint64Array.from(this.#hashes),
      },
      readTokens: (from, into) => {
        if (tokens === undefined) {
          tokens = tokenArray(tokenType, this.#offsets.at(-1)!);
          let filled = 0;
          for (const stretch of this.#stretches) {
            read(stretch, tokens.subarray(filled, filled + stretch.length));
            filled += stretch.length;
          }
        }
        into.set(tokens.subarray(from, from + into.length));
      },
    };
  }
}
