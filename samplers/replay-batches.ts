/**
 * What a run was served, batch by batch, from its schedule alone: for people and programs that want to see it again.
 */
import { HeadraceError } from "../core/errors.ts";
import { openPlan } from "./plan.ts";
import { decidedEnd, type Schedule } from "./schedule.ts";
import { readServedLog, servedHash, servedKeys } from "./served.ts";

/** One batch of a run. Rows are in served order, each [index of its domain, epoch, row of the epoch, token it starts at]. */
export interface ReplayedBatch {
  readonly batch: number;
  readonly stage: number;
  readonly served: string;
  /** Rows by domain. */
  readonly counts: Readonly<Record<string, number>>;
  readonly rows?: readonly (readonly [number, number, number, number])[];
}

/**
 * The batches [from, until) of a schedule, each computed when it is asked for. `until` is by default where `log` (a served log) ends, else
 * where the schedule does. Throws ERR_ARGUMENT when the range passes what is decided, ERR_REPLAY on a batch that the log records otherwise.
 */
export function* replayBatches(
  schedule: Schedule,
  options: {
    readonly from?: number;
    readonly until?: number;
    readonly log?: string;
    readonly rows?: boolean;
  } = {},
): Generator<ReplayedBatch> {
  const names = schedule.header.domains.map(({ name }) => name);
  const recorded = options.log === undefined ? null : readServedLog(options.log).hashes;
  const end = decidedEnd(schedule).batch;
  const { from = 0, until = recorded ? recorded.size : end } = options;
  if (until > end || from > until)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `batches ${from} to ${until} are asked for, the schedule decides ${end}; ask for a range inside them`,
    );
  const plan = openPlan(schedule);
  const keys = servedKeys(names);
  for (let k = from; k < until; k++) {
    const planned = plan.batch(k);
    const served = servedHash(keys, planned);
    const logged = recorded?.get(k);
    if (logged !== undefined && logged !== served)
      throw new HeadraceError(
        "ERR_REPLAY",
        `batch ${k} has served hash ${logged} in ${options.log}, the schedule gives ${served}; see what differs with --verify`,
      );
    const counts = plan.counts(k);
    yield {
      batch: k,
      stage: planned.stage,
      served,
      counts: Object.fromEntries(names.map((name, i) => [name, counts[i]!])),
      ...(options.rows
        ? {
            rows: Array.from(
              planned.rows,
              (row, p) => [planned.domains[p]!, planned.epochs[p]!, row, planned.starts[p]!] as const,
            ),
          }
        : {}),
    };
  }
}
