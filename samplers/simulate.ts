/**
 * What a policy would serve, without shards or a trainer: the schedule it leads to, and what that does to the supply of each domain.
 * Exact for static weights and for a log of real losses; without a log, losses come from a stated model and only show a tendency.
 */
import { type DomainName, SLIMPAJAMA_DOMAINS } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { readManifest } from "../shards/manifest.ts";
import { decidedEnd, exhaustedBy } from "./chain.ts";
import type { Exhaustion } from "./exhaustion.ts";
import { type ScheduleDomain, trainDomains, wholeBatches } from "./header.ts";
import type { LossReport } from "./losses.ts";
import { allocate, PARTS } from "./mixture.ts";
import { openPlan } from "./plan.ts";
import type { LossDrivenPolicy, WeightPolicy } from "./policy.ts";
import { SLIMPAJAMA_TOKENS } from "./presets.ts";
import { checkLossReport } from "./report.ts";
import { type PolicyOptions, resolvePolicy } from "./resolve-policy.ts";
import { appendUpdate, beginSchedule, nextReport } from "./reweight.ts";
import { type Schedule, scheduleState } from "./schedule.ts";
import { epochRows } from "./schedule-domain.ts";

/** A run to be simulated. */
export interface SimulationOptions {
  /** Domains in order, with the tokens that there are of each. */
  readonly domains: readonly ScheduleDomain[];
  /** A name, a JSON list of weights, or a policy. */
  readonly policy: string | WeightPolicy;
  /** Tokens of the run, floored to whole batches. */
  readonly tokens: number;
  /** L, default 4,096. */
  readonly rowTokens?: number;
  /** B, default 3,584. */
  readonly batchRows?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Default: repeat without a limit. */
  readonly exhaustion?: Exhaustion;
  /** Batches between a loss and the weights it leads to, default 0. */
  readonly lag?: number;
  /** Fingerprint of the shards' manifest, default 64 zeros. */
  readonly shards?: string;
  /** How a policy name is filled in. */
  readonly policyOptions?: Omit<PolicyOptions, "batchTokens">;
  /** Loss reports of a real run; they need one for each update. Absent: `LOSS_MODEL`. */
  readonly reports?: readonly LossReport[];
}

/** What a domain gave. */
export interface DomainSupply {
  readonly name: DomainName;
  /** Tokens that there are. */
  readonly available: number;
  readonly rows: number;
  readonly tokens: number;
  /** Rows over all rows. */
  readonly share: number;
  /** Rows over the rows of one epoch; 0 for a domain without a row. */
  readonly epochs: number;
  /** Last batch before the domain had no unseen row, or before the plan closed it; the tokens of the run by then. null: neither. */
  readonly dry: { readonly batch: number; readonly tokens: number } | null;
}

/** What a simulation found. */
export interface SimulationReport {
  readonly schedule: Schedule;
  /** Batches served: fewer than asked for where the run stops. */
  readonly batches: number;
  readonly tokens: number;
  readonly domains: readonly DomainSupply[];
  /** Greatest distance from the exact share after any batch, in rows. */
  readonly deviation: { readonly rows: number; readonly batch: number; readonly domain: DomainName };
  /** Where the losses come from, in a line; null for a static policy. */
  readonly losses: string | null;
  /** Hash of the last stage. */
  readonly hash: string;
}

/** The fingerprint in a schedule that was made for no shards. */
const NO_SHARDS = "0".repeat(64);

/** The loss model: nats above the reference after x tokens of a domain. Made up; a domain seen less lags more. */
export const LOSS_MODEL = { gap: 1, scaleTokens: 1e9, exponent: 0.3 } as const;

/**
 * Simulates a run. Deterministic; O(batches x domains).
 * Throws as `resolvePolicy` and `appendStage`, and ERR_LOSS when the log lacks a report that is due.
 */
export function simulate(options: SimulationOptions): SimulationReport {
  const {
    rowTokens = 4096,
    batchRows = 3584,
    seed = 0,
    exhaustion = { policy: "repeat", epochs: null },
  } = options;
  const batchTokens = rowTokens * batchRows;
  const batches = wholeBatches(options.tokens, rowTokens, batchRows);
  const names = options.domains.map(({ name }) => name);
  const policy = resolvePolicy(options.policy, names, {
    ...options.policyOptions,
    batchTokens,
    batches,
    supply: options.domains,
  });
  let schedule = beginSchedule(
    {
      format: "headrace-schedule/1",
      algorithm: 1,
      seed,
      rowTokens,
      lookahead: 0,
      batchRows,
      batches,
      order: "global",
      packing: "concat",
      exhaustion,
      domains: options.domains,
      shards: options.shards ?? NO_SHARDS,
      policy,
    },
    options.lag,
  );

  const log = options.reports?.map((report) => checkLossReport(report, names));
  for (let due = nextReport(schedule); due !== null; due = nextReport(schedule))
    schedule = appendUpdate(schedule, log ? logged(log, due) : modelled(schedule, due));

  return {
    schedule,
    ...supplyOf(schedule),
    deviation: deviationOf(schedule),
    losses: policy.kind !== "loss-driven" ? null : sourceOf(policy, log),
    hash: scheduleState(schedule).hash,
  };
}

/**
 * The train streams of a folder of shards, or SlimPajama's without one, with some lengths replaced (`NAME=TOKENS`).
 * Throws ERR_INPUT and ERR_PARSE on a broken folder, ERR_ARGUMENT and ERR_DOMAIN on a replacement that does not fit.
 */
export async function corpusOf(
  folder?: string,
  supply: readonly string[] = [],
): Promise<{ readonly domains: readonly ScheduleDomain[]; readonly shards: string }> {
  const manifest = folder === undefined ? null : await readManifest(folder);
  const found = manifest
    ? trainDomains(manifest)
    : SLIMPAJAMA_DOMAINS.map((name) => ({ name, tokens: SLIMPAJAMA_TOKENS[name]! }));
  const lengths = new Map(found.map(({ name, tokens }) => [name as string, tokens]));
  for (const text of supply) {
    const [name = "", count = ""] = text.split("=");
    const tokens = Number(count);
    if (count === "" || !Number.isSafeInteger(tokens) || tokens < 0)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        `a supply is "${text}"; write DOMAIN=TOKENS, such as c4=83.7e9`,
      );
    if (!lengths.has(name))
      throw new HeadraceError(
        "ERR_DOMAIN",
        `a supply names "${name}", which is not a domain here; known: ${[...lengths.keys()].join(", ")}`,
      );
    lengths.set(name, tokens);
  }
  return {
    domains: found.map(({ name }) => ({ name, tokens: lengths.get(name)! })),
    shards: manifest?.fingerprint ?? NO_SHARDS,
  };
}

function logged(log: readonly LossReport[], due: number): LossReport {
  const report = log.find(({ measuredAt }) => measuredAt === due);
  if (report !== undefined) return report;
  throw new HeadraceError(
    "ERR_LOSS",
    `the loss log has no report measured at batch ${due}; it has ${log.map(({ measuredAt }) => measuredAt).join(", ") || "none"}: simulate fewer tokens, or set the interval of the run that it comes from`,
  );
}

/** The report that LOSS_MODEL gives after `due` batches: reference + gap (1 + tokens seen / scale)^-exponent. */
function modelled(schedule: Schedule, due: number): LossReport {
  const { domains, rowTokens, policy } = schedule.header;
  const { losses } = (policy as LossDrivenPolicy).reference;
  const served = openPlan(schedule).served(due);
  return {
    format: "headrace-report/1",
    measuredAt: due,
    kind: "validation",
    domains: Object.fromEntries(
      domains.map(({ name }, i) => {
        const seen = served[i]! * rowTokens;
        const lag = LOSS_MODEL.gap * (1 + seen / LOSS_MODEL.scaleTokens) ** -LOSS_MODEL.exponent;
        return [name, { lossSum: losses[name]! + lag, tokens: 1 }];
      }),
    ),
  };
}

function sourceOf(policy: LossDrivenPolicy, log: readonly LossReport[] | undefined): string {
  return log
    ? `${log.length} loss reports`
    : `a made-up model: reference (${policy.reference.source}) + ${LOSS_MODEL.gap} nat x (1 + tokens seen / ${LOSS_MODEL.scaleTokens})^-${LOSS_MODEL.exponent}`;
}

function supplyOf(schedule: Schedule): Pick<SimulationReport, "batches" | "tokens" | "domains"> {
  const { domains, rowTokens, batchRows } = schedule.header;
  const plan = openPlan(schedule);
  const batches = decidedEnd(schedule).batch;
  const served = plan.served(batches);
  return {
    batches,
    tokens: batches * batchRows * rowTokens,
    domains: domains.map((domain, i) => {
      const { name, tokens: available } = domain;
      const perEpoch = epochRows(domain, rowTokens);
      const rows = served[i]!;
      const seen =
        rows > 0 && rows >= perEpoch ? firstWith(batches, (k) => plan.served(k)[i]! >= perEpoch) : null;
      const dryAfter = seen ?? closedAt(schedule, name);
      return {
        name,
        available,
        rows,
        tokens: rows * rowTokens,
        share: batches === 0 ? 0 : rows / (batches * batchRows),
        epochs: perEpoch === 0 ? 0 : rows / perEpoch,
        dry: dryAfter === null ? null : { batch: dryAfter - 1, tokens: dryAfter * batchRows * rowTokens },
      };
    }),
  };
}

/** The batch from which the plan gives a domain nothing because it has given all its rows; null if it never does. */
function closedAt({ stages }: Schedule, name: DomainName): number | null {
  const closing = stages.find(({ cause }) => exhaustedBy(cause).includes(name));
  return closing?.fromBatch ?? null;
}

/** The least k <= `end` for which a condition that stays true once it is true holds; it holds at `end`. */
function firstWith(end: number, holds: (k: number) => boolean): number {
  let low = 0;
  let high = end;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
}

/** Walks every batch of every stage. */
function deviationOf(schedule: Schedule): SimulationReport["deviation"] {
  const { domains, batchRows } = schedule.header;
  const end = decidedEnd(schedule).batch;
  const rows = new Float64Array(domains.length);
  let worst = { units: 0, batch: 0, domain: 0 };
  for (const { fromBatch, untilBatch, weights, carry, cause } of schedule.stages) {
    if (cause.kind === "stop") break;
    const deficits = Float64Array.from(carry);
    for (let batch = fromBatch; batch < (untilBatch ?? end); batch++) {
      allocate(deficits, weights, batchRows, rows);
      for (let domain = 0; domain < deficits.length; domain++) {
        const units = Math.abs(deficits[domain]!);
        if (units > worst.units) worst = { units, batch, domain };
      }
    }
  }
  return { rows: worst.units / PARTS, batch: worst.batch, domain: domains[worst.domain]!.name };
}
