/**
 * What documents take on disk (docs/format.md 1.1 and 1.3), by their number and tokens: the columns alone, without the few kilobytes of
 * schemas, batch headers and lists of sources a file.
 */
import { type Account, type TokenType, tokenBytes } from "../shards/index.ts";

/** Bytes by where they lie. */
export interface Footprint {
  /** Shards of what no filter drops, those of what was dropped (where that is kept), and the score table. */
  readonly shards: number;
  readonly dropped: number;
  readonly scores: number;
}

/** Bytes a document beside its tokens: list offset, source, line, one score a filter. */
function shardRow(filters: number): number {
  return 4 + 4 + 4 + 4 * filters;
}

/** Bytes a record of the score table: source, line, domain, tokens, one score a filter, verdict, hash. */
function scoreRow(filters: number): number {
  return 4 + 4 + 4 + 4 + 4 * filters + 4 + 8;
}

/** The footprint of the documents of an account. */
export function footprintOf(
  account: Pick<Account, "domains">,
  of: { readonly tokenType: TokenType; readonly filters: number; readonly keepDropped: boolean },
): Footprint {
  const sum = { shards: 0, dropped: 0, scores: 0 };
  const bytes = (documents: number, tokens: number) =>
    documents * shardRow(of.filters) + tokens * tokenBytes(of.tokenType);
  for (const { read, kept, heldOut, quarantined, dropped, tokens } of Object.values(account.domains)) {
    const droppedTokens = Object.values(tokens.dropped).reduce((total, n) => total + n, 0);
    const droppedDocuments = Object.values(dropped).reduce((total, n) => total + n, 0);
    sum.shards += bytes(kept + heldOut, tokens.kept + tokens.heldOut);
    if (of.keepDropped) sum.dropped += bytes(droppedDocuments, droppedTokens);
    sum.scores += (read - quarantined) * scoreRow(of.filters);
  }
  return sum;
}

/** Bytes at the worst moment of a build from the input: segments, which hold a hash a document more, beside the finished shards, and two score tables. */
export function peakOf({ shards, dropped, scores }: Footprint, documents: number): number {
  return 2 * (shards + dropped + scores) + 8 * documents;
}

/** The same of a build from finished shards, which writes a second score table to say where each document goes. */
export function refilterPeakOf({ shards, dropped, scores }: Footprint): number {
  return shards + dropped + 2 * scores;
}
