/**
 * The header of a schedule: everything that never changes during a run and that batches are computed from (docs/format.md 3).
 */
import { domainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { array, integer, nullable, object, oneOf, optional, type Parser, string } from "../core/parse.ts";
import type { ShardManifest } from "../shards/manifest.ts";
import { type Exhaustion, parseExhaustion } from "./exhaustion.ts";
import type { OrderWindow } from "./local-order.ts";
import { PARTS } from "./mixture.ts";
import { parsePolicy, type WeightPolicy } from "./policy.ts";
import { epochRows, type ScheduleDomain } from "./schedule-domain.ts";

export type { ScheduleDomain } from "./schedule-domain.ts";

/** What never changes during a run. */
export interface ScheduleHeader {
  readonly format: "headrace-schedule/1";
  /** Version of keys, permutations and mixture. */
  readonly algorithm: 1;
  /** 0 … 2^53 - 1. */
  readonly seed: number;
  /** L: tokens a row. */
  readonly rowTokens: number;
  /** 1 for trainers that shift: a row then carries L + 1 tokens, at stride L. */
  readonly lookahead: 0 | 1;
  /** B: rows of a global batch, at most 2^20. */
  readonly batchRows: number;
  /** Batches of the run; null while nobody knows. */
  readonly batches: number | null;
  /** Whether a row may come anywhere in its epoch, or near those of its block. */
  readonly order: "global" | "local";
  /** The window of a local order, absent from a global one. */
  readonly window?: OrderWindow | undefined;
  /** How documents make rows: end to end, or whole where they fit, by a pack plan. */
  readonly packing: "concat" | "packed";
  /** SHA-256 of the pack plan, where there is one; every domain then says how many rows it has. */
  readonly pack?: string | undefined;
  readonly exhaustion: Exhaustion;
  /** In domain order. */
  readonly domains: readonly ScheduleDomain[];
  /** Fingerprint of the shards' manifest. */
  readonly shards: string;
  readonly policy: WeightPolicy;
}

const rowCount = integer(1, 2 ** 20);

/** Parses a header. Throws ERR_PARSE and ERR_DOMAIN. */
export const parseHeader: Parser<ScheduleHeader> = (value, at) => {
  const header = object(
    {
      format: oneOf("headrace-schedule/1"),
      algorithm: oneOf(1),
      seed: integer(0),
      rowTokens: integer(1),
      lookahead: oneOf(0, 1),
      batchRows: integer(1, 2 ** 20),
      batches: nullable(integer(0)),
      order: oneOf("global", "local"),
      window: optional(object({ blockRows: rowCount, blocks: rowCount }, { strict: true })),
      packing: oneOf("concat", "packed"),
      pack: optional(string),
      exhaustion: parseExhaustion,
      domains: array(
        object({ name: string, tokens: integer(0), rows: optional(integer(0)) }, { strict: true }),
      ),
      shards: string,
      policy: parsePolicy,
    },
    { strict: true },
  )(value, at);
  const names = new Set(header.domains.map(({ name }) => name));
  if (names.size === 0 || names.size < header.domains.length || names.size > 65_535)
    throw new HeadraceError(
      "ERR_DOMAIN",
      `${at}.domains names ${names.size} different domains in ${header.domains.length} entries; each is named once, 1 to 65535 in all`,
    );
  if ((header.window !== undefined) !== (header.order === "local"))
    throw new HeadraceError(
      "ERR_PARSE",
      `${at}.window is ${JSON.stringify(header.window) ?? "absent"} and ${at}.order is ${header.order}; a local order, and that alone, has a window`,
    );
  const packed = header.packing === "packed";
  if ((header.pack !== undefined) !== packed)
    throw new HeadraceError(
      "ERR_PARSE",
      `${at}.pack is ${header.pack ?? "absent"} and ${at}.packing is ${header.packing}; packed rows, and those alone, name their pack plan`,
    );
  const stranger = header.domains.find(({ rows }) => (rows !== undefined) !== packed);
  if (stranger !== undefined)
    throw new HeadraceError(
      "ERR_PARSE",
      `${at}.domains: rows of "${stranger.name}" is ${stranger.rows ?? "absent"} and ${at}.packing is ${header.packing}; packed rows, and those alone, are counted`,
    );
  const domains = header.domains.map(({ name, ...domain }) => {
    const rows = epochRows(domain, header.rowTokens);
    if (rows > 2 ** 32)
      throw new HeadraceError(
        "ERR_DOMAIN",
        `domain "${name}" has ${rows} rows of ${header.rowTokens} tokens, more than 2^32; use longer rows`,
      );
    return { name: domainName(name), ...domain };
  });
  return { ...header, domains };
};

/** Throws ERR_DOMAIN when a domain with weight has less than one row. */
export function requireRows(header: ScheduleHeader, weights: readonly number[]): void {
  header.domains.forEach((domain, i) => {
    const { name, tokens } = domain;
    if (weights[i]! > 0 && epochRows(domain, header.rowTokens) === 0)
      throw new HeadraceError(
        "ERR_DOMAIN",
        `domain "${name}" has ${tokens} tokens, less than a row of ${header.rowTokens}, and a weight of ${weights[i]! / PARTS}; give it weight 0, or shorter rows`,
      );
  });
}

/** Throws ERR_DOMAIN when a domain has less than one row and the policy, as published, lifts every domain above 0 at its first update. */
export function requireReachable({ domains, rowTokens, policy }: ScheduleHeader): void {
  if (policy.kind !== "loss-driven" || policy.rails !== null) return;
  if (policy.smoothing === 0 && policy.rule !== "odm") return;
  const empty = domains.find((domain) => epochRows(domain, rowTokens) === 0);
  if (empty)
    throw new HeadraceError(
      "ERR_DOMAIN",
      `domain "${empty.name}" has ${empty.tokens} tokens, less than a row of ${rowTokens}, and policy ${policy.name} as published gives every domain weight at its first update; leave the domain out, or keep the guard rails`,
    );
}

/** The domains of a build that have train tokens, with their lengths, in domain order. */
export function trainDomains(manifest: ShardManifest): readonly ScheduleDomain[] {
  const train = manifest.shards.filter(({ split }) => split === "train");
  return manifest.domains
    .map((name) => ({
      name: domainName(name),
      tokens: train.filter(({ domain }) => domain === name).reduce((total, { tokens }) => total + tokens, 0),
    }))
    .filter(({ tokens }) => tokens > 0);
}

/** The whole batches of `batchRows` rows in a run of `tokens`. Throws ERR_ARGUMENT when there is none. */
export function wholeBatches(tokens: number, rowTokens: number, batchRows: number): number {
  const batchTokens = rowTokens * batchRows;
  const batches = Math.floor(tokens / batchTokens);
  if (batches >= 1) return batches;
  throw new HeadraceError(
    "ERR_ARGUMENT",
    `a run of ${tokens} tokens is less than a batch of ${batchTokens} (${batchRows} rows of ${rowTokens}); ask for more tokens or smaller batches`,
  );
}
