/**
 * What a build came to, for a person and for `--json`: counts, the domain table, mixtures before and after, and everything that needs a look.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DomainName } from "../core/domain.ts";
import type { Calibration, ObservedDrop } from "../filters/index.ts";
import type { Account, ShardManifest } from "../shards/index.ts";
import type { InputPlan, SkippedInput } from "./inputs.ts";
import { type QuarantineReason, quarantineReasons } from "./quarantine.ts";

/** The report of a build; `--json` prints it. */
export interface BuildReport {
  readonly out: string;
  readonly fingerprint: string;
  readonly key: string;
  readonly read: number;
  readonly kept: number;
  readonly heldOut: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly quarantined: number;
  /** Why records were quarantined, most first. */
  readonly quarantine: readonly QuarantineReason[];
  readonly incidents: number;
  /** Token counts by what became of them. */
  readonly tokens: {
    readonly kept: number;
    readonly heldOut: number;
    readonly dropped: number;
    readonly gap: number;
  };
  readonly shards: number;
  readonly domains: Account["domains"];
  /** Shares of the domains in tokens: of all that was read, and of what is left to train on. */
  readonly mixture: {
    readonly before: Readonly<Record<string, number>>;
    readonly after: Readonly<Record<string, number>>;
  };
  readonly bytes: Account["bytes"];
  /** Tasks that an earlier run of the same build had finished; null: the whole build had been. */
  readonly reused: number | null;
  /** Sections that an earlier run had committed of tasks that it did not finish. */
  readonly resumed: number;
  /** Input files that were not read, with the reason. */
  readonly skipped: readonly SkippedInput[];
  /** Sentences about input files that are read otherwise than their names say, or twice. */
  readonly notices: readonly string[];
  /** Drop rates outside the band that the calibration predicted. */
  readonly alarms: readonly string[];
  /** Domains without a validation stream, with the reason. */
  readonly withoutValidation: Readonly<Record<string, string>>;
  /** Documents that were kept although a filter would have dropped them, by domain and filter; null where documents are not just tagged. */
  readonly tagged: Readonly<Record<string, Readonly<Record<string, number>>>> | null;
  /** Domains that each filter of the calibration applies to. */
  readonly appliesTo: Readonly<Record<string, readonly DomainName[]>>;
  /** Lone surrogates that became U+FFFD. */
  readonly loneSurrogates: number;
  /** Bytes of text that the tokenizer's vocabulary has no piece for, and that are in no token; absent where there are none. */
  readonly lostBytes?: number;
  readonly seconds: number;
}

/** What the report says beside the manifest; kept in the build folder, so that a finished build can say it again. */
export type Notes = Pick<
  BuildReport,
  "alarms" | "appliesTo" | "withoutValidation" | "tagged" | "loneSurrogates" | "lostBytes"
>;

async function readNotes(buildFolder: string): Promise<Notes> {
  const notes = JSON.parse(await readFile(join(buildFolder, "notes.json"), "utf8")) as Notes;
  // Builds before 0.1 had no such note.
  return { ...notes, appliesTo: notes.appliesTo ?? {} };
}

/** Makes the report of a finished build. Reads its notes and its quarantine. */
export async function reportOf(of: {
  readonly dir: string;
  /** The inputs, where they were read. */
  readonly plans: readonly Pick<InputPlan, "notices" | "skipped">[];
  readonly manifest: ShardManifest;
  readonly reused: number | null;
  /** Default 0. */
  readonly resumed?: number;
  /** `performance.now()` at the start. */
  readonly started: number;
}): Promise<BuildReport> {
  const { dir, manifest, reused, resumed = 0 } = of;
  const notes = await readNotes(join(dir, ".build"));
  const quarantine = await quarantineReasons(join(dir, "quarantine.jsonl"));
  const { account } = manifest;
  const domains = Object.entries(account.domains);
  const sum = (count: (domain: Account["domains"][string]) => number) =>
    domains.reduce((total, [, domain]) => total + count(domain), 0);
  const droppedTokens = (domain: Account["domains"][string]) =>
    Object.values(domain.tokens.dropped).reduce((a, b) => a + b, 0);
  const shares = (count: (domain: Account["domains"][string]) => number) => {
    const total = sum(count);
    return Object.fromEntries(
      domains.map(([name, domain]) => [name, total === 0 ? 0 : count(domain) / total]),
    );
  };
  return {
    out: dir,
    fingerprint: manifest.fingerprint,
    key: manifest.key,
    read: account.read,
    kept: account.kept,
    heldOut: account.heldOut,
    dropped: account.dropped,
    quarantined: account.quarantined,
    quarantine,
    incidents: account.incidents,
    tokens: {
      kept: sum((d) => d.tokens.kept),
      heldOut: sum((d) => d.tokens.heldOut),
      dropped: sum(droppedTokens),
      gap: sum((d) => d.tokens.gap),
    },
    shards: manifest.shards.length,
    domains: account.domains,
    mixture: {
      before: shares((d) => d.tokens.kept + d.tokens.heldOut + d.tokens.gap + droppedTokens(d)),
      after: shares((d) => d.tokens.kept),
    },
    bytes: account.bytes,
    reused,
    resumed,
    notices: of.plans.flatMap(({ notices }) => notices),
    skipped: of.plans.flatMap(({ skipped }) => skipped),
    ...notes,
    seconds: (performance.now() - of.started) / 1000,
  };
}

/** What the cascade of a calibration dropped, or tagged, by filter and domain: each filter is reached by what the earlier ones left. */
export function observedDrops(
  calibration: Calibration,
  account: Account,
  tagged: BuildReport["tagged"],
): readonly ObservedDrop[] {
  return Object.entries(account.domains).flatMap(([domain, counts]) => {
    let reaching = counts.read - counts.quarantined;
    return calibration.filters.flatMap(({ name, appliesTo }) => {
      if (!appliesTo.includes(domain as DomainName)) return [];
      const dropped = (tagged ? tagged[domain]?.[name] : counts.dropped[name]) ?? 0;
      const observed: ObservedDrop = {
        filter: name,
        domain: domain as DomainName,
        documents: reaching,
        dropped,
      };
      reaching -= dropped;
      return [observed];
    });
  });
}
