/** A domain as a schedule knows it: how long its train stream is, and how many rows an epoch has. */
import type { DomainName } from "../core/domain.ts";

/** A domain's train stream. */
export interface ScheduleDomain {
  readonly name: DomainName;
  /** Tokens of the stream. */
  readonly tokens: number;
  /** Rows of an epoch where a pack plan makes them; absent where rows lie end to end. */
  readonly rows?: number | undefined;
}

/** Rows of an epoch: those of the pack plan, or as many as lie end to end in the stream. */
export function epochRows(
  { tokens, rows }: { readonly tokens: number; readonly rows?: number | undefined },
  rowTokens: number,
): number {
  return rows ?? Math.floor(tokens / rowTokens);
}
