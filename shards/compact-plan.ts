/**
 * Where the documents of a domain go: which split, which shard, which record batch. Pure functions of the documents in input order,
 * so that shards do not show how the input was cut into tasks, segments and segment batches.
 */

import type { Split } from "./manifest.ts";
import type { DocumentIndex } from "./reader.ts";
import type { ValidationPlan } from "./validation.ts";

/** What becomes of the documents of some segments: all into one split, or into train and validation. */
export type CompactionPlan = ValidationPlan | { readonly kind: "whole"; readonly split: Split };

/** Documents [from, to) of a segment batch that go to one split; tokens [tokensFrom, tokensTo) of it. Only a lone document is ever cut. */
export interface Piece {
  readonly split: Split;
  readonly from: number;
  readonly to: number;
  readonly tokensFrom: number;
  readonly tokensTo: number;
}

/** A shard to be written. */
export interface ShardPlan {
  /** In order of first use. */
  readonly sources: readonly string[];
  readonly batches: readonly { readonly documents: number; readonly tokens: number }[];
}

/** A record batch ends before the document that would bring its token values over so many bytes, */
export const BATCH_BYTES = 16 << 20;
/** or after so many documents. */
export const BATCH_DOCUMENTS = 65_536;

/** The pieces of a segment batch in order; `first` is the number of its first document among those of the domain. */
export function piecesOf(index: DocumentIndex, first: number, plan: CompactionPlan): readonly Piece[] {
  const { documents: n, offsets } = index;
  const whole = (split: Split, from: number, to: number): Piece => ({
    split,
    from,
    to,
    tokensFrom: offsets[from]!,
    tokensTo: offsets[to]!,
  });
  switch (plan.kind) {
    case "whole":
      return runs(n, () => plan.split, whole);
    case "none":
      return runs(n, () => "train", whole);
    case "hashes":
      return runs(n, (d) => (index.hashes![d]! <= plan.upTo ? "validation" : "train"), whole);
    case "tail": {
      const d = plan.document - first;
      if (d < 0 || d >= n) return runs(n, () => "train", whole);
      const end = offsets[d + 1]!;
      const cut = (split: Split, tokensFrom: number, tokensTo: number): Piece => ({
        split,
        from: d,
        to: d + 1,
        tokensFrom,
        tokensTo,
      });
      return [
        ...(d > 0 ? [whole("train", 0, d)] : []),
        cut("train", offsets[d]!, end - plan.tokens - plan.gap),
        cut("validation", end - plan.tokens, end),
        ...(d + 1 < n ? [whole("train", d + 1, n)] : []),
      ];
    }
    default:
      return plan satisfies never;
  }
}

/** Tokens of document `d` of a piece. */
export function lengthIn(piece: Piece, index: DocumentIndex, d: number): number {
  return piece.to - piece.from === 1
    ? piece.tokensTo - piece.tokensFrom
    : index.offsets[d + 1]! - index.offsets[d]!;
}

/** Cuts a sequence of documents into shards and batches. Memory: two numbers a batch, and the sources of every shard. */
export function shardPlanner(shardBytes: number, tokenBytes: number) {
  const shards: { sources: Set<string>; batches: { documents: number; tokens: number }[]; bytes: number }[] =
    [];

  return {
    /** Adds the next document of the split. */
    add(tokens: number, source: string): void {
      const bytes = tokens * tokenBytes;
      let shard = shards.at(-1);
      if (!shard || shard.bytes + bytes > shardBytes) {
        shard = { sources: new Set(), batches: [], bytes: 0 };
        shards.push(shard);
      }
      let batch = shard.batches.at(-1);
      if (!batch || batch.documents === BATCH_DOCUMENTS || batch.tokens * tokenBytes + bytes > BATCH_BYTES) {
        batch = { documents: 0, tokens: 0 };
        shard.batches.push(batch);
      }
      batch.documents++;
      batch.tokens += tokens;
      shard.bytes += bytes;
      shard.sources.add(source);
    },
    result(): readonly ShardPlan[] {
      return shards.map(({ sources, batches }) => ({ sources: [...sources], batches }));
    },
  };
}

function runs(
  n: number,
  splitOf: (d: number) => Split,
  whole: (split: Split, from: number, to: number) => Piece,
): readonly Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (let d = 1; d <= n; d++) {
    if (d < n && splitOf(d) === splitOf(from)) continue;
    pieces.push(whole(splitOf(from), from, d));
    from = d;
  }
  return pieces;
}
