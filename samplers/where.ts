/**
 * Which rows of a run hold tokens of a stretch of a stream, and in which batches they are served. Computed from the schedule alone, backwards: a row's
 * place in its epoch is the inverse of the keyed permutation, and its batch is found by halving over the rows served. No batch is walked through.
 */
import { HeadraceError } from "../core/errors.ts";
import { batchOrder, domainOrder } from "./order.ts";
import { openPlan } from "./plan.ts";
import type { Schedule } from "./schedule.ts";

/** A row that holds some of the tokens. */
export interface ServedRow {
  readonly batch: number;
  /** Position in the batch, in served order. */
  readonly place: number;
  /** Index of the stage that governs the batch. */
  readonly stage: number;
  readonly epoch: number;
  /** Row of the epoch. */
  readonly row: number;
  /** Tokens of the stretch that the row holds. */
  readonly tokens: number;
  /** Whether a stage passes the row over, right before `batch`: it is in no batch, and `place` is -1. */
  readonly skipped: boolean;
}

/** A stretch of a domain's train stream. */
export interface Stretch {
  readonly domain: string;
  /** First token in the stream, and tokens. */
  readonly position: number;
  readonly tokens: number;
}

/**
 * The rows of the batches before `until` that hold tokens of a stretch, in the order of batches. Exact; O(rows found x log batches) where every
 * weight is at least a row a batch. An epoch may leave out up to a row's tokens of the stream, so a short stretch can be absent from one.
 * Where rows are packed, `packed` says which of them hold the stretch, and how many of its tokens (`packedRowsHolding`).
 * Throws ERR_DOMAIN on a domain the schedule does not have, ERR_ARGUMENT on a stretch outside its stream or where neither the run nor `until` ends.
 */
export function whereServed(
  schedule: Schedule,
  stretch: Stretch,
  until?: number,
  packed: ReadonlyMap<number, number> | null = null,
): readonly ServedRow[] {
  const { header } = schedule;
  const plan = openPlan(schedule);
  const index = header.domains.findIndex(({ name }) => name === stretch.domain);
  if (index < 0)
    throw new HeadraceError(
      "ERR_DOMAIN",
      `domain "${stretch.domain}" is not in the schedule; it has ${header.domains.map(({ name }) => name).join(", ")}`,
    );
  const end = Math.min(until ?? Number.POSITIVE_INFINITY, plan.end().batch);
  if (end === Number.POSITIVE_INFINITY)
    throw new HeadraceError("ERR_ARGUMENT", "the run has no end; say until which batch to look");
  const { name, tokens } = header.domains[index]!;
  if ((packed === null) !== (header.packing === "concat"))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `the rows of the run are ${header.packing}; say which of them hold the stretch where they are packed, and only there`,
    );
  if (!(stretch.position >= 0 && stretch.position + stretch.tokens <= tokens))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `tokens ${stretch.position} to ${stretch.position + stretch.tokens} are not all in the stream of "${name}", which has ${tokens}`,
    );
  const order = domainOrder(header, header.domains[index]!);
  const total = plan.served(end)[index]!;
  const found: ServedRow[] = [];
  for (let epoch = 0; epoch * order.rows < total; epoch++) {
    const { offset } = order.epoch(epoch);
    const rows = packed ?? overlaps(stretch, offset, tokens, order.rows, header);
    for (const [row, held] of rows) {
      const ordinal = order.ordinalOf(epoch, row);
      if (ordinal >= total) continue;
      const batch = batchOf(ordinal);
      const skipped = ordinal < plan.firstOrdinals(batch)[index]!;
      found.push({
        batch,
        skipped,
        place: skipped ? -1 : placeOf(ordinal, batch),
        stage: plan.stageOf(batch),
        epoch,
        row,
        tokens: held,
      });
    }
  }
  return found.sort((a, b) => a.batch - b.batch || a.place - b.place);

  /** The batch that serves a row of the domain, or before which it is passed over: the first after which more rows than its ordinal are used. */
  function batchOf(ordinal: number): number {
    let low = 0;
    let high = end - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (plan.served(middle + 1)[index]! > ordinal) high = middle;
      else low = middle + 1;
    }
    return low;
  }
  /** Slots of a batch hold one domain after another; the batch's order says at which position a slot is served. */
  function placeOf(ordinal: number, batch: number): number {
    const before = plan.firstOrdinals(batch);
    const earlier = plan.counts(batch).subarray(0, index);
    const slot = earlier.reduce((sum, count) => sum + count, 0) + ordinal - before[index]!;
    return batchOrder(header.seed, batch, plan.batchRows(batch)).positionOf(slot);
  }
}

/** Rows of an epoch that hold tokens of a stretch, and how many: row r holds [r L, r L + L + lookahead) of the ring that begins at the offset. */
function overlaps(
  { position, tokens }: Stretch,
  offset: number,
  ring: number,
  rows: number,
  { rowTokens, lookahead }: { readonly rowTokens: number; readonly lookahead: number },
): ReadonlyMap<number, number> {
  const width = rowTokens + lookahead;
  const held = new Map<number, number>();
  const from = (position - offset + ring) % ring;
  // The stretch may run over the end of the ring, and so may the last row's lookahead.
  for (const shift of [-ring, 0, ring])
    for (
      let row = Math.max(0, Math.ceil((from + shift - width + 1) / rowTokens));
      row < rows && row * rowTokens < from + shift + tokens;
      row++
    ) {
      const start = Math.max(from + shift, row * rowTokens);
      const count = Math.min(from + shift + tokens, row * rowTokens + width) - start;
      if (count > 0) held.set(row, (held.get(row) ?? 0) + count);
    }
  return held;
}
