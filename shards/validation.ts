/**
 * Which documents of a domain become its validation split (docs/format.md 1.5): decided from hashes and lengths alone, before any
 * shard is written. Candidates are collected a task at a time and merged; their number is bounded by the target, not by the corpus.
 */
import { HeadraceError } from "../core/errors.ts";
import { openSegment, type Segment } from "./segment.ts";

/** What the plan needs to know of the kept documents of a domain, or of a stretch of them. Plain JSON. */
export interface Candidates {
  readonly documents: number;
  readonly tokens: number;
  /** The first document with the most tokens; `document` counts from 0 in input order. */
  readonly longest: { readonly document: number; readonly tokens: number } | null;
  /** Groups of documents with equal hash, ascending, up to and with the first at which their tokens together pass the target. */
  readonly lowest: readonly HashGroup[];
}

/** Documents of equal hash. */
export interface HashGroup {
  /** 16 hex digits, which sort as the numbers do. */
  readonly hash: string;
  readonly documents: number;
  readonly tokens: number;
}

/** Collects the candidates of documents that come in input order. */
export interface CandidateCollector {
  add(hash: bigint, tokens: number): void;
  result(): Candidates;
}

/** What becomes of a domain's kept documents. */
export type ValidationPlan =
  /** Documents with hash <= `upTo` are validation; there are `documents` of them, with `tokens`. */
  | { readonly kind: "hashes"; readonly upTo: bigint; readonly documents: number; readonly tokens: number }
  /** The last `tokens` of document number `document` are validation; the `gap` tokens before them are in no split. */
  | { readonly kind: "tail"; readonly document: number; readonly tokens: number; readonly gap: number }
  /** All are train. */
  | { readonly kind: "none"; readonly reason: string };

/** Fewer documents than this, and one of them is split instead. */
const FEWEST_DOCUMENTS = 20;
/** At most one part in so many of a domain's tokens is validation. */
export const VALIDATION_PARTS = 20;

/** Opens a collector. Memory is bounded by the documents that `targetTokens` can hold. */
export function collectCandidates(targetTokens: number): CandidateCollector {
  let documents = 0;
  let tokens = 0;
  let longest: Candidates["longest"] = null;
  let lowest: readonly HashGroup[] = [];
  let pending: HashGroup[] = [];
  let bound = 2n ** 64n;

  function settle(): void {
    lowest = lowestGroups([...lowest, ...pending], targetTokens);
    pending = [];
    if (sumOf(lowest) > targetTokens) bound = BigInt(`0x${lowest.at(-1)!.hash}`);
  }

  return {
    add(hash, length) {
      if (length > (longest?.tokens ?? -1)) longest = { document: documents, tokens: length };
      documents++;
      tokens += length;
      if (hash > bound) return;
      pending.push({ hash: hash.toString(16).padStart(16, "0"), documents: 1, tokens: length });
      if (pending.length >= 1024 + lowest.length) settle();
    },
    result() {
      settle();
      return { documents, tokens, longest, lowest };
    },
  };
}

/** The candidates of stretches of documents that follow one another in input order. The target is that of their collectors. */
export function mergeCandidates(parts: readonly Candidates[], targetTokens: number): Candidates {
  let documents = 0;
  let tokens = 0;
  let longest: Candidates["longest"] = null;
  let lowest: readonly HashGroup[] = [];
  for (const part of parts) {
    if (part.longest && part.longest.tokens > (longest?.tokens ?? -1))
      longest = { document: documents + part.longest.document, tokens: part.longest.tokens };
    documents += part.documents;
    tokens += part.tokens;
    lowest = lowestGroups([...lowest, ...part.lowest], targetTokens);
  }
  return { documents, tokens, longest, lowest };
}

/** The candidates of segments in input order, from their hash columns and list offsets. Throws ERR_SHARD. */
export async function segmentCandidates(
  segments: readonly Segment[],
  targetTokens: number,
): Promise<Candidates> {
  const collector = collectCandidates(targetTokens);
  for (const segment of segments) {
    const reader = openSegment(segment);
    try {
      if (!reader.schema.hashes)
        throw new HeadraceError(
          "ERR_SHARD",
          `segment ${reader.name} has no hashes, and the validation split goes by them; build its task again`,
        );
      for (const { index } of reader.batches()) {
        const { documents, offsets, hashes } = index;
        for (let d = 0; d < documents; d++) collector.add(hashes![d]!, offsets[d + 1]! - offsets[d]!);
      }
    } finally {
      reader.close();
    }
  }
  return collector.result();
}

/** The validation split of a domain. `targetTokens` is that of the candidates; `rowTokens` is the validation row. A pure function. */
export function planValidation(
  candidates: Candidates,
  options: { readonly targetTokens: number; readonly rowTokens: number },
): ValidationPlan {
  const { documents, tokens, longest, lowest } = candidates;
  const { targetTokens, rowTokens } = options;
  const limit = Math.min(targetTokens, Math.floor(tokens / VALIDATION_PARTS));
  const none = (reason: string) => ({ kind: "none", reason }) as const;

  if (documents >= FEWEST_DOCUMENTS) {
    const taken: HashGroup[] = [];
    let sum = 0;
    for (const group of lowest) {
      sum += group.tokens;
      if (sum > limit) break;
      taken.push(group);
    }
    const last = taken.at(-1);
    if (last && sumOf(taken) > 0)
      return {
        kind: "hashes",
        upTo: BigInt(`0x${last.hash}`),
        documents: taken.reduce((all, group) => all + group.documents, 0),
        tokens: sumOf(taken),
      };
  }

  if (!longest) return none("the domain has no documents");
  const rows = Math.floor(Math.min(limit, longest.tokens - rowTokens - 1) / rowTokens);
  if (rows < 1)
    return none(
      `of ${documents} documents the longest has ${longest.tokens} tokens, and a row of ${rowTokens} within the limit of ${limit} cannot be cut off`,
    );
  return { kind: "tail", document: longest.document, tokens: rows * rowTokens, gap: rowTokens };
}

/** Groups of equal hash joined, ascending, up to and with the first at which the sum passes the target. */
function lowestGroups(groups: readonly HashGroup[], targetTokens: number): readonly HashGroup[] {
  const ascending = [...groups].sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
  const joined: HashGroup[] = [];
  let sum = 0;
  for (const group of ascending) {
    const last = joined.at(-1);
    if (last?.hash === group.hash) {
      joined[joined.length - 1] = {
        hash: last.hash,
        documents: last.documents + group.documents,
        tokens: last.tokens + group.tokens,
      };
    } else {
      if (sum > targetTokens) break;
      joined.push(group);
    }
    sum += group.tokens;
  }
  return joined;
}

function sumOf(groups: readonly HashGroup[]): number {
  return groups.reduce((sum, { tokens }) => sum + tokens, 0);
}
