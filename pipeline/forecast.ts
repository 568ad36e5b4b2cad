/**
 * `headrace build --dry-run`: what a build would come to, before anything is written. From the input it is estimated on the documents that
 * the build would calibrate on, with the thresholds that it would choose; from finished shards it is counted in their score table.
 */
import {
  type Account,
  type DomainAccount,
  type TokenType,
  tokenBytes,
  VALIDATION_PARTS,
} from "../shards/index.ts";
import { domainsOf } from "./finish.ts";
import { type Footprint, footprintOf } from "./footprint.ts";
import { freeBytes } from "./free-space.ts";
import type { Estimate } from "./ratio.ts";
import { secondsOf, type Work } from "./speed.ts";

export type { Estimate } from "./ratio.ts";

/** What is expected of one domain, or of all. `left` is what no filter drops: kept and held out. */
export interface Expected {
  readonly read: Estimate;
  readonly left: Estimate;
  readonly dropped: Readonly<Record<string, Estimate>>;
  readonly quarantined: Estimate;
  readonly tokens: {
    readonly left: Estimate;
    readonly dropped: Readonly<Record<string, Estimate>>;
  };
}

/** What a build would come to; `--dry-run --json` prints it. Documents and tokens unless a name says otherwise. */
export interface Forecast extends Expected {
  readonly out: string;
  /** `sample`: estimated; `whole input` and `score table`: counted, and intervals have no width. */
  readonly basis: "sample" | "whole input" | "score table";
  /** What was looked at. */
  readonly sample: {
    readonly documents: number;
    readonly files: number;
    readonly ofFiles: number;
    /** Stored bytes. */
    readonly bytes: number;
    readonly ofBytes: number;
    /** Time that it took. */
    readonly seconds: number;
  };
  /** What `from` and `to` of an estimate are. */
  readonly interval: string;
  readonly domains: Readonly<Record<string, Expected>>;
  /** Expected shares of the domains in tokens: of all that is read, and of what no filter drops. */
  readonly mixture: {
    readonly before: Readonly<Record<string, number>>;
    readonly after: Readonly<Record<string, number>>;
  };
  /** Stretches of input that cannot be read, as far as they were met. */
  readonly incidents: Estimate;
  /** At most so many of the tokens left are held out for validation: the target of each domain, or 5 % of it. Null: a validation set was given. */
  readonly heldOutTokensAtMost: number | null;
  /** Shard files, about. */
  readonly shards: number;
  /** Bytes. `peak` is while the build runs, `free` what the file system of `out` has now; null: unknown. */
  readonly disk: {
    readonly shards: Estimate;
    readonly dropped: Estimate;
    readonly scores: Estimate;
    readonly total: Estimate;
    readonly peak: Estimate;
    readonly free: number | null;
  };
  /** Time that the build takes at least with `workers` threads: what could be measured before it. */
  readonly secondsAtLeast: number;
  readonly workers: number;
  /** What the figures take for granted, as sentences. */
  readonly assumptions: readonly string[];
  /** What needs a look before the build is started. */
  readonly notices: readonly string[];
}

/** What a forecast is made of. */
export interface Outlook {
  readonly out: string;
  readonly basis: Forecast["basis"];
  readonly sample: Forecast["sample"];
  /** Why estimates have the intervals that they have. */
  readonly interval: string;
  /** What was counted, in parts that `total` takes to totals. */
  readonly accounts: readonly Account[];
  readonly total: (counted: ArrayLike<number>) => Estimate;
  /** Names of the filters that have a column. */
  readonly filters: readonly string[];
  readonly tokenType: TokenType;
  readonly keepDropped: boolean;
  readonly shardBytes: number;
  /** Bytes at the worst moment of a build that leaves this footprint. */
  readonly peakOf: (print: Footprint, documents: number) => number;
  /** Tokens to hold out a domain; null where a validation set was given. */
  readonly validationTokens: number | null;
  readonly work: Omit<Work, "bytes">;
  readonly assumptions: readonly string[];
  readonly notices: readonly string[];
}

/** Allowance for what lies around the columns of a file: schema, headers and footer, and one part in a hundred for lists of sources. */
const FILE_BYTES = 4096;
const AROUND = 1.01;

/** Puts a forecast together. Reads the free space of the output's file system. */
export async function forecastOf(outlook: Outlook): Promise<Forecast> {
  const { out, accounts, total, filters } = outlook;
  const estimate = (pick: (account: Account) => number) => total(accounts.map(pick));
  const names = domainsOf(accounts.map((account) => ({ account })));
  const domains = Object.fromEntries(
    names.map((name) => [
      name,
      expected(filters, (pick) => estimate(({ domains: all }) => (all[name] ? pick(all[name]) : 0))),
    ]),
  );
  const sumOf = (account: Account, pick: (domain: DomainAccount) => number) =>
    Object.values(account.domains).reduce((sum, domain) => sum + pick(domain), 0);
  const all = expected(filters, (pick) => estimate((account) => sumOf(account, pick)));
  // Records of an unknown domain are in the total alone.
  const read = estimate((account) => account.read);
  const quarantined = estimate((account) => account.quarantined);

  const shards = shardsOf(domains, outlook);
  const disk = diskOf(outlook, estimate, shards);
  const free = await freeBytes(out).catch(() => null);
  const short = free !== null && disk.peak.value > free;
  return {
    out,
    basis: outlook.basis,
    sample: outlook.sample,
    interval: outlook.interval,
    ...all,
    read,
    quarantined,
    domains,
    mixture: {
      before: shares(domains, ({ tokens }) => tokens.left.value + sumOver(tokens.dropped)),
      after: shares(domains, ({ tokens }) => tokens.left.value),
    },
    incidents: estimate((account) => account.incidents),
    heldOutTokensAtMost: heldOutAtMost(domains, outlook.validationTokens),
    shards,
    disk: { ...disk, free },
    secondsAtLeast: secondsOf({ ...outlook.work, bytes: disk.peak.value }),
    workers: outlook.work.workers,
    assumptions: outlook.assumptions,
    notices: [
      ...outlook.notices,
      ...(short
        ? [`the build needs ${gigabytes(disk.peak.value)} at its peak, and ${gigabytes(free)} are free`]
        : []),
    ],
  };
}

/** Estimates of what an account of a domain holds. */
function expected(
  filters: readonly string[],
  estimate: (pick: (domain: DomainAccount) => number) => Estimate,
): Expected {
  const each = (pick: (domain: DomainAccount, filter: string) => number) =>
    Object.fromEntries(filters.map((filter) => [filter, estimate((domain) => pick(domain, filter))]));
  return {
    read: estimate(({ read }) => read),
    left: estimate(({ kept, heldOut }) => kept + heldOut),
    dropped: each(({ dropped }, filter) => dropped[filter] ?? 0),
    quarantined: estimate(({ quarantined }) => quarantined),
    tokens: {
      left: estimate(({ tokens }) => tokens.kept + tokens.heldOut),
      dropped: each(({ tokens }, filter) => tokens.dropped[filter] ?? 0),
    },
  };
}

function diskOf(
  { accounts, total, filters, tokenType, keepDropped, peakOf }: Outlook,
  estimate: (pick: (account: Account) => number) => Estimate,
  files: number,
): Omit<Forecast["disk"], "free"> {
  const prints = accounts.map((account) =>
    footprintOf(account, { tokenType, filters: filters.length, keepDropped }),
  );
  const bytes = (pick: (print: Footprint, account: Account) => number): Estimate => {
    const { value, from, to } = total(prints.map((print, i) => pick(print, accounts[i]!)));
    return { value, from, to: to === null ? null : AROUND * to + FILE_BYTES * (files + 1) };
  };
  return {
    shards: bytes(({ shards }) => shards),
    dropped: keepDropped ? bytes(({ dropped }) => dropped) : estimate(() => 0),
    scores: bytes(({ scores }) => scores),
    total: bytes(({ shards, dropped, scores }) => shards + dropped + scores),
    peak: bytes((print, { read, quarantined }) => peakOf(print, read - quarantined)),
  };
}

/** Files of train, validation and dropped shards. */
function shardsOf(
  domains: Readonly<Record<string, Expected>>,
  { tokenType, shardBytes, keepDropped, validationTokens }: Outlook,
): number {
  const files = (tokens: number) => Math.ceil((tokens * tokenBytes(tokenType)) / shardBytes);
  return Object.values(domains).reduce((sum, { tokens: { left, dropped } }) => {
    const validation = validationTokens === 0 || left.value === 0 ? 0 : 1;
    return sum + files(left.value) + validation + (keepDropped ? files(sumOver(dropped)) : 0);
  }, 0);
}

function heldOutAtMost(
  domains: Readonly<Record<string, Expected>>,
  target: number | null,
): Forecast["heldOutTokensAtMost"] {
  if (target === null) return null;
  return Object.values(domains).reduce(
    (sum, { tokens }) => sum + Math.min(target, Math.floor(tokens.left.value / VALIDATION_PARTS)),
    0,
  );
}

function shares(
  domains: Readonly<Record<string, Expected>>,
  tokens: (domain: Expected) => number,
): Readonly<Record<string, number>> {
  const sum = Object.values(domains).reduce((total, domain) => total + tokens(domain), 0);
  return Object.fromEntries(
    Object.entries(domains).map(([name, domain]) => [name, sum === 0 ? 0 : tokens(domain) / sum]),
  );
}

function sumOver(estimates: Readonly<Record<string, Estimate>>): number {
  return Object.values(estimates).reduce((sum, { value }) => sum + value, 0);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
