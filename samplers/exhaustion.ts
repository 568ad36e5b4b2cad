/**
 * What happens when a domain has given all the rows it may: decided in the plan, at the batch where it happens, never by a reader.
 * `repeat` goes round for at most `epochs` (null: for ever) and then gives its weight to the others, as `redistribute` does after
 * one epoch; `stop` ends the run at that batch; `error` refuses the schedule before a row is served.
 */
import { integer, nullable, object, oneOf, type Parser } from "../core/parse.ts";
import type { MixtureCursor } from "./mixture.ts";
import { epochRows } from "./schedule-domain.ts";

/** What to do with a domain that has no more rows. */
export interface Exhaustion {
  readonly policy: "repeat" | "redistribute" | "stop" | "error";
  /** Passes over a domain that are allowed, a whole number >= 1. null: no limit for `repeat`, one for the others. */
  readonly epochs: number | null;
}

/** Parses an exhaustion policy. Throws ERR_PARSE. */
export const parseExhaustion: Parser<Exhaustion> = object(
  { policy: oneOf("repeat", "redistribute", "stop", "error"), epochs: nullable(integer(1)) },
  { strict: true },
);

/** Rows that each domain may give in all: epochs x rows an epoch, Infinity where nothing limits it. */
export function rowLimits(
  exhaustion: Exhaustion,
  domains: readonly { readonly tokens: number; readonly rows?: number | undefined }[],
  rowTokens: number,
): number[] {
  const epochs = exhaustion.epochs ?? (exhaustion.policy === "repeat" ? Number.POSITIVE_INFINITY : 1);
  return domains.map((domain) =>
    epochs === Number.POSITIVE_INFINITY ? epochs : epochRows(domain, rowTokens) * epochs,
  );
}

/**
 * The first batch in [from, until) that would take a domain past its limit, and the domains it would take past; null if none does.
 * Binary search where the mixture has a closed form; else it walks the batches. `until` may be Infinity: limits that are finite are met.
 */
export function firstExhaustion(
  mixture: MixtureCursor,
  limits: readonly number[],
  from: number,
  until: number,
): { readonly batch: number; readonly domains: readonly number[] } | null {
  if (limits.every((limit) => limit === Number.POSITIVE_INFINITY)) return null;
  const passedAfter = (batch: number): number[] => {
    const { served } = mixture.before(batch + 1);
    return limits.flatMap((limit, i) => (served[i]! > limit ? [i] : []));
  };
  if (!mixture.closedForm) {
    for (let batch = from; batch < until; batch++) {
      const domains = passedAfter(batch);
      if (domains.length > 0) return { batch, domains };
    }
    return null;
  }
  let fine = from - 1;
  let step = 1;
  while (fine + step < until && passedAfter(fine + step).length === 0) {
    fine += step;
    step *= 2;
  }
  let past = Math.min(fine + step, until);
  while (past - fine > 1) {
    const middle = Math.floor((fine + past) / 2);
    if (passedAfter(middle).length === 0) fine = middle;
    else past = middle;
  }
  return past < until ? { batch: past, domains: passedAfter(past) } : null;
}

/** The weights with some domains at 0 and their mass given to the others in proportion; null if nobody is left. */
export function withoutDomains(
  parts: readonly number[],
  gone: ReadonlySet<number>,
): readonly number[] | null {
  const sum = parts.reduce((total, part, i) => (gone.has(i) ? total : total + part), 0);
  return sum === 0 ? null : parts.map((part, i) => (gone.has(i) ? 0 : part / sum));
}
