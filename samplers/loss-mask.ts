/**
 * Which tokens of a row count as targets (docs/format.md 3.5). Padding and a row's first token never do; what else does not is a choice
 * of whoever trains, and changes neither which rows are served nor their hash.
 */
import { HeadraceError } from "../core/errors.ts";

/** What beside padding and a row's first token is no target. */
export interface LossMaskOptions {
  /** No document is predicted from the one before it: the first token of each, or of each piece of a packed row, is masked. Default: where rows are packed. */
  readonly withinDocuments?: boolean;
  /** Whether the tokenizer's BOS is a target. Default true. */
  readonly bos?: boolean;
  /** By domain, stretches [from, until) of its train stream that are no targets, ascending and apart. */
  readonly ranges?: Readonly<Record<string, readonly (readonly [from: number, until: number])[]>>;
}

/** Throws ERR_DOMAIN where ranges name a domain that there is not, ERR_ARGUMENT where they are not ascending and apart, or empty. */
export function checkRanges(ranges: LossMaskOptions["ranges"], domains: readonly string[]): void {
  for (const [name, list] of Object.entries(ranges ?? {})) {
    if (!domains.includes(name))
      throw new HeadraceError(
        "ERR_DOMAIN",
        `masked ranges name domain "${name}", the schedule has ${domains.join(", ")}`,
      );
    let end = 0;
    for (const [from, until] of list) {
      if (!(Number.isSafeInteger(from) && Number.isSafeInteger(until) && from >= end && until > from))
        throw new HeadraceError(
          "ERR_ARGUMENT",
          `masked range [${from}, ${until}) of "${name}" follows one that ends at ${end}; ranges are not empty, ascending and apart`,
        );
      end = until;
    }
  }
}

/** What a mask is made of. */
export interface MaskedRow {
  /** The ids of the row. */
  readonly tokens: ArrayLike<number>;
  /** First token and tokens of the stretches of the stream that it holds. */
  readonly stretches: readonly { readonly position: number; readonly tokens: number }[];
  /** Where documents start in it, where they are to be masked. */
  readonly starts: readonly number[];
  /** The id that is masked wherever it stands; null for none. */
  readonly bos: number | null;
  /** Of its domain. */
  readonly ranges: readonly (readonly [from: number, until: number])[];
}

/** 1 for each token of a row that is a target, else 0. O(width + stretches x log ranges). */
export function lossMask({ tokens, stretches, starts, bos, ranges }: MaskedRow): Uint8Array {
  const mask = new Uint8Array(tokens.length);
  let place = 0;
  for (const { position, tokens: count } of stretches) {
    mask.fill(1, place, place + count);
    for (let i = firstEndingAfter(ranges, position); i < ranges.length; i++) {
      const [from, until] = ranges[i]!;
      if (from >= position + count) break;
      mask.fill(0, place + Math.max(0, from - position), place + Math.min(count, until - position));
    }
    place += count;
  }
  if (bos !== null) for (let i = 0; i < mask.length; i++) if (tokens[i] === bos) mask[i] = 0;
  for (const start of starts) mask[start] = 0;
  mask[0] = 0;
  return mask;
}

/** Index of the first range that ends after a position. */
function firstEndingAfter(ranges: MaskedRow["ranges"], position: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (ranges[middle]![1] <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}
