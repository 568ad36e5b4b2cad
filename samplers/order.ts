/**
 * Which row of a domain comes when: a keyed permutation a domain and epoch, computed by index (docs/format.md 2 and 3.2).
 * No buffer, no index file, no state; 32-bit arithmetic only. It gives up moving documents: neighbours in the stream stay
 * neighbours in every epoch, only the cuts between rows move.
 */
import { keyOf, offsetOf } from "../core/random.ts";
import type { ScheduleHeader } from "./header.ts";
import { localPermutation } from "./local-order.ts";
import { type Permutation, permutation } from "./permutation.ts";
import { epochRows } from "./schedule-domain.ts";

export { type Permutation, permutation } from "./permutation.ts";

/** A domain by name and length, as in a schedule's header. */
export interface OrderedDomain {
  readonly name: string;
  /** Tokens of the stream. */
  readonly tokens: number;
  /** Rows of an epoch where a pack plan makes them. */
  readonly rows?: number | undefined;
}

/** The rows of one epoch of one domain. */
export interface Epoch {
  /** 0 for the first pass over the domain. */
  readonly epoch: number;
  /** Token of the stream at which row 0 starts; 0 where rows are packed. */
  readonly offset: number;
  /** Place in the epoch -> row. */
  readonly permutation: Permutation;
}

/** The order of one domain's rows. */
export interface DomainOrder {
  /** Rows an epoch. */
  readonly rows: number;
  /** The epoch's keys; the last one asked for is kept. */
  epoch(epoch: number): Epoch;
  /** Token of the stream, read as a ring, at which a row of an epoch starts; of packed rows their number in the pack plan. */
  startOf(epoch: Epoch, row: number): number;
  /** When a row is served in an epoch: its ordinal among all rows that the domain ever gives. */
  ordinalOf(epoch: number, row: number): number;
}

/** What the order of a schedule's domains depends on beside the domain. */
export type OrderHeader = Pick<ScheduleHeader, "seed" | "rowTokens" | "window">;

/** The order of a domain of at least one row: a pure function of its arguments. */
export function domainOrder({ seed, rowTokens, window }: OrderHeader, domain: OrderedDomain): DomainOrder {
  const { name, tokens } = domain;
  const packed = domain.rows !== undefined;
  const rows = epochRows(domain, rowTokens);
  let known: Epoch | undefined;
  function epoch(number: number): Epoch {
    if (known?.epoch === number) return known;
    const key = keyOf("order", seed, name, number);
    const offset = packed ? 0 : offsetOf(key, tokens);
    const order =
      window === undefined
        ? permutation(rows, key)
        : localPermutation(rows, window, {
            blocks: key,
            rotation: packed ? offsetOf(key, rows) : 0,
            windowKey: (place) => keyOf("window", seed, name, number, place),
          });
    known = { epoch: number, offset, permutation: order };
    return known;
  }
  return {
    rows,
    epoch,
    startOf: packed ? (_, row) => row : ({ offset }, row) => (offset + row * rowTokens) % tokens,
    ordinalOf: (number, row) => number * rows + epoch(number).permutation.positionOf(row),
  };
}

/** Position in batch `k` -> slot of its layout: the permutation of [0, batchRows) under key(`batch`, seed, k). */
export function batchOrder(seed: number, batch: number, batchRows: number): Permutation {
  return permutation(batchRows, keyOf("batch", seed, batch));
}
