/**
 * Where a run stands, by domain, in numbers that a person watches: computed from the schedule and the number of batches served, so that they are the
 * same whoever asks and whenever (docs/metrics.md). Same rules in trainer/python/headrace/live.py.
 */
import { PARTS } from "./mixture.ts";
import type { Plan } from "./plan.ts";
import { epochRows } from "./schedule-domain.ts";
import { batchRowsOf } from "./stage.ts";

/** One domain after some batches. */
export interface DomainNumbers {
  /** Asked for in the next batch; of the last stage at the end of the run. */
  readonly weight: number;
  /** Rows served or passed over, over those of all domains; 0 before the first. */
  readonly share: number;
  /** Mean nats a token in the newest report; null before the first. */
  readonly loss: number | null;
  /** Rows served over the rows of one epoch; 0 for a domain without a row. */
  readonly epochs: number;
  /** Tokens of the first epoch that were not served yet. */
  readonly tokensLeft: number;
  /** Batches of the run by which no unseen row is left, and its tokens by then: exact where it is decided, beyond it as if the last weights stayed. null: never in this run, or before now. */
  readonly dryBatch: number | null;
  readonly dryTokens: number | null;
}

/** A run after `batch` batches. */
export interface LiveNumbers {
  readonly batch: number;
  readonly tokens: number;
  /** Stage of the next batch; the last one at the end of the run. */
  readonly stage: number;
  readonly domains: Readonly<Record<string, DomainNumbers>>;
}

/** The numbers after `batch` batches, decided ones; `losses` are the newest by domain. Pure; O(log batches) a domain. Throws ERR_UNDECIDED. */
export function liveNumbers(
  plan: Plan,
  batch: number,
  losses: Readonly<Record<string, number>> = {},
): LiveNumbers {
  const { header, stages } = plan.schedule;
  const { domains, rowTokens } = header;
  const served = plan.served(batch);
  const all = served.reduce((sum, rows) => sum + rows, 0);
  const stage = batch < plan.end().batch ? plan.stageOf(batch) : stages.length - 1;
  return {
    batch,
    tokens: plan.tokens(batch),
    stage,
    domains: Object.fromEntries(
      domains.map((domain, i) => {
        const rows = epochRows(domain, rowTokens);
        const left = Math.max(0, rows - served[i]!);
        const dry = left === 0 ? null : dryOut(plan, batch, i, rows);
        return [
          domain.name,
          {
            weight: stages[stage]!.weights[i]! / PARTS,
            share: all === 0 ? 0 : served[i]! / all,
            loss: losses[domain.name] ?? null,
            epochs: rows === 0 ? 0 : served[i]! / rows,
            tokensLeft: left * rowTokens,
            dryBatch: dry?.batch ?? null,
            dryTokens: dry?.tokens ?? null,
          },
        ];
      }),
    ),
  };
}

/** The batches, and the tokens of the run, by which domain `i` has given `rows` rows, from `batch` on; null if the run ends before. */
function dryOut(
  plan: Plan,
  batch: number,
  i: number,
  rows: number,
): { readonly batch: number; readonly tokens: number } | null {
  const { header, stages } = plan.schedule;
  const { batch: end, final } = plan.end();
  // A run without an end is decided for ever: what its last stage begins with is what there is to go on from.
  const known = Number.isFinite(end) ? end : Math.max(batch, stages.at(-1)!.fromBatch);
  const left = rows - plan.served(known)[i]!;
  if (left > 0) {
    if (final && Number.isFinite(end)) return null;
    const last = stages.at(-1)!;
    const each = last.weights[i]! * batchRowsOf(header, last);
    if (each === 0) return null;
    const dry = known + Number((BigInt(left) * BigInt(PARTS) + BigInt(each) - 1n) / BigInt(each));
    if (header.batches !== null && dry > header.batches) return null;
    const batchTokens = batchRowsOf(header, last) * header.rowTokens;
    return { batch: dry, tokens: plan.tokens(known) + (dry - known) * batchTokens };
  }
  let low = batch;
  let high = known;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (plan.served(middle)[i]! >= rows) high = middle;
    else low = middle + 1;
  }
  return { batch: high, tokens: plan.tokens(high) };
}
