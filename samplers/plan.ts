/**
 * The plan: batch k as a pure function of the schedule and k. Opening it costs nothing to speak of, and any batch costs what the next
 * one does. Same rules in trainer/python; the two are kept equal by fixtures/plan.
 */
import { HeadraceError } from "../core/errors.ts";
import { type MixtureCursor, mixtureCursor } from "./mixture.ts";
import { batchOrder, type DomainOrder, domainOrder, type Permutation } from "./order.ts";
import { decidedEnd, type Schedule } from "./schedule.ts";
import { batchRowsOf, type StageInForce, stagesInForce, tokensBefore } from "./stage.ts";

/** Greatest number of rows of a batch. */
const ENTRIES = 2 ** 20;

/** Rows of a batch: entry p of each list is the row at position p, or at the p-th of the positions that were asked for. */
export interface BatchPlan {
  readonly batch: number;
  /** Index of the stage that governs it. */
  readonly stage: number;
  /** Index into the header's domains. */
  readonly domains: Uint16Array;
  /** Pass over the domain, from 0. */
  readonly epochs: Uint32Array;
  /** Row of the epoch: which stretch of the ring. */
  readonly rows: Uint32Array;
  /** Token of the domain's stream at which the row starts; it may run over the end, back to token 0. Of packed rows: their number in the pack plan. */
  readonly starts: Float64Array;
}

/** Any decided batch of a schedule. It keeps keys and checkpoints of what it last looked at, nothing that changes an answer. */
export interface Plan {
  readonly schedule: Schedule;
  /** First batch that is not decided (exclusive end), Infinity without one; `final`: the run ends there. */
  end(): { readonly batch: number; readonly final: boolean };
  /** Index of the stage that governs batch `k`. Throws ERR_UNDECIDED. */
  stageOf(k: number): number;
  /** Rows of a batch. Throws ERR_UNDECIDED. */
  batchRows(k: number): number;
  /** Tokens of the batches before batch `k`; `k` may be the end. Throws ERR_UNDECIDED. */
  tokens(k: number): number;
  /** Rows of each domain given or passed over before batch `k`, in domain order; `k` may be the end. Throws ERR_UNDECIDED. */
  served(k: number): Float64Array;
  /** The first ordinal of each domain that batch `k` can give: `served`, and what is passed over right before it. Throws ERR_UNDECIDED. */
  firstOrdinals(k: number): Float64Array;
  /** Rows of each domain passed over before batch `k`, in domain order; `k` may be the end. Throws ERR_UNDECIDED. */
  skipped(k: number): Float64Array;
  /** Rows of each domain in batch `k`, in domain order. Throws ERR_UNDECIDED. */
  counts(k: number): Float64Array;
  /** The rows of batch `k`, all in served order, or those at the given positions (a rank's share). O(B). Throws ERR_UNDECIDED. */
  batch(k: number, positions?: Uint32Array): BatchPlan;
}

/** Opens the plan of a schedule (parsed or appended here: it is not checked again). */
export function openPlan(schedule: Schedule): Plan {
  const { header } = schedule;
  const { seed } = header;
  const inForce = stagesInForce(schedule.stages);
  const cursors: (MixtureCursor | undefined)[] = [];
  const orders: (DomainOrder | undefined)[] = [];
  const end = decidedEnd(schedule);

  function cursorOf(place: number): MixtureCursor {
    const { stage } = inForce[place]!;
    cursors[place] ??= mixtureCursor(stage, batchRowsOf(header, stage));
    return cursors[place];
  }
  function orderOf(domain: number): DomainOrder {
    orders[domain] ??= domainOrder(header, header.domains[domain]!);
    return orders[domain];
  }
  function requireDecided(k: number, last: number): void {
    if (!Number.isSafeInteger(k) || k < 0)
      throw new HeadraceError("ERR_ARGUMENT", `batch ${k} does not exist; batches are whole numbers from 0`);
    if (k > last)
      throw new HeadraceError(
        "ERR_UNDECIDED",
        end.final
          ? `batch ${k} is past the end of the run, which has ${end.batch} batches`
          : `batch ${k} is not decided yet; the schedule decides ${end.batch} batches: append a stage`,
      );
  }
  function placeOf(k: number): number {
    requireDecided(k, end.batch - 1);
    return placeAt(inForce, k);
  }
  function batchRows(k: number): number {
    return batchRowsOf(header, inForce[placeOf(k)]!.stage);
  }
  function tokens(k: number): number {
    requireDecided(k, end.batch);
    return tokensBefore(header, k === 0 ? undefined : inForce[placeAt(inForce, k - 1)]!.stage, k);
  }
  function served(k: number): Float64Array {
    requireDecided(k, end.batch);
    return k === 0
      ? new Float64Array(header.domains.length)
      : cursorOf(placeAt(inForce, k - 1)).before(k).served;
  }
  function firstOrdinals(k: number): Float64Array {
    return cursorOf(placeOf(k)).before(k).served;
  }
  function skipped(k: number): Float64Array {
    requireDecided(k, end.batch);
    const sum = new Float64Array(header.domains.length);
    for (const { stage } of inForce)
      if (stage.fromBatch < k)
        stage.skipped?.forEach((rows, i) => {
          sum[i]! += rows;
        });
    return sum;
  }
  function counts(k: number): Float64Array {
    const cursor = cursorOf(placeOf(k));
    const before = cursor.before(k).served;
    return cursor.before(k + 1).served.map((rows, i) => rows - before[i]!);
  }
  function batch(k: number, positions?: Uint32Array): BatchPlan {
    const place = placeOf(k);
    const { index, stage } = inForce[place]!;
    const before = cursorOf(place).before(k).served;
    const after = cursorOf(place).before(k + 1).served;
    const slots = sortedSlots(batchOrder(seed, k, batchRowsOf(header, stage)), positions);

    const rows = slots.length;
    const plan = {
      batch: k,
      stage: index,
      domains: new Uint16Array(rows),
      epochs: new Uint32Array(rows),
      rows: new Uint32Array(rows),
      starts: new Float64Array(rows),
    };
    let next = 0;
    let slotsBefore = 0;
    for (let domain = 0; domain < before.length; domain++) {
      const slotsUntil = slotsBefore + after[domain]! - before[domain]!;
      const order = orderOf(domain);
      for (; next < rows && slots[next]! < slotsUntil * ENTRIES; next++) {
        const entry = slots[next]! % ENTRIES;
        const slot = (slots[next]! - entry) / ENTRIES;
        const ordinal = before[domain]! + slot - slotsBefore;
        const epoch = order.epoch(Math.floor(ordinal / order.rows));
        const row = epoch.permutation.at(ordinal % order.rows);
        plan.domains[entry] = domain;
        plan.epochs[entry] = epoch.epoch;
        plan.rows[entry] = row;
        plan.starts[entry] = order.startOf(epoch, row);
      }
      slotsBefore = slotsUntil;
    }
    return plan;
  }
  return {
    schedule,
    end: () => end,
    stageOf: (k) => inForce[placeOf(k)]!.index,
    batchRows,
    tokens,
    served,
    firstOrdinals,
    skipped,
    counts,
    batch,
  };
}

/** How a batch is shared out. */
export interface RankShare {
  /** W: data-parallel size. */
  readonly world: number;
  /** 0 … W - 1. */
  readonly rank: number;
  /** m: rows a step. */
  readonly microBatch: number;
  /** A: steps a batch. */
  readonly accumulation: number;
}

/**
 * The positions of a batch that a rank takes, step after step: [(a W + r) m, + m) at step a. Their union over the ranks is the batch.
 * Throws ERR_WORLD when W m A is not the batch (it lists the world sizes that divide it) or the rank is not in the world.
 */
export function rankPositions(
  { world, rank, microBatch, accumulation }: RankShare,
  batchRows: number,
): Uint32Array {
  const sizes = [world, microBatch, accumulation];
  if (
    sizes.some((size) => !Number.isSafeInteger(size) || size < 1) ||
    world * microBatch * accumulation !== batchRows
  )
    throw new HeadraceError(
      "ERR_WORLD",
      `world ${world} x micro-batch ${microBatch} x accumulation ${accumulation} is not the batch of ${batchRows} rows; divisors of ${batchRows}: ${divisors(batchRows).join(" ")}`,
    );
  if (!Number.isSafeInteger(rank) || rank < 0 || rank >= world)
    throw new HeadraceError(
      "ERR_WORLD",
      `rank ${rank} is not in a world of ${world}; ranks are 0 to ${world - 1}`,
    );
  const positions = new Uint32Array(microBatch * accumulation);
  for (let step = 0; step < accumulation; step++)
    for (let row = 0; row < microBatch; row++)
      positions[step * microBatch + row] = (step * world + rank) * microBatch + row;
  return positions;
}

/**
 * slot x 2^20 + entry, ascending, for each entry of a batch plan: walking slots in order needs the keys of one epoch at a time.
 */
function sortedSlots(order: Permutation, positions: Uint32Array | undefined): Float64Array {
  const slots = new Float64Array(positions?.length ?? order.size);
  if (positions === undefined)
    for (let slot = 0; slot < slots.length; slot++) slots[slot] = slot * ENTRIES + order.positionOf(slot);
  else
    for (let entry = 0; entry < slots.length; entry++)
      slots[entry] = order.at(positions[entry]!) * ENTRIES + entry;
  return positions === undefined ? slots : slots.sort();
}

/** The place of the last stage in force that begins at or before batch `k`. */
function placeAt(inForce: readonly StageInForce[], k: number): number {
  let low = 0;
  let high = inForce.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (inForce[middle]!.stage.fromBatch <= k) low = middle;
    else high = middle - 1;
  }
  return low;
}

function divisors(n: number): number[] {
  const small: number[] = [];
  const large: number[] = [];
  for (let d = 1; d * d <= n; d++)
    if (n % d === 0) {
      small.push(d);
      if (d * d !== n) large.unshift(n / d);
    }
  return [...small, ...large];
}
