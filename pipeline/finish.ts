/**
 * The end of a build, whether it began with corpus files or with finished shards: everything that covers the whole folder, the manifest
 * last. What is written is a function of its argument.
 */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { attempt, openPending, writeFileWhole } from "../core/commit.ts";
import { inDomainOrder } from "../core/domain.ts";
import { hashOf } from "../core/hash.ts";
import { type Calibration, driftAlarm, taskDrift } from "../filters/index.ts";
import {
  type Account,
  compactScores,
  type ManifestFilter,
  type ManifestTokenizer,
  manifestFingerprint,
  type Origin,
  originKey,
  type ScoreSegment,
  type ScoreTable,
  type ShardManifest,
  type TokenType,
  writeGaps,
  writeManifest,
  writeOrigin,
} from "../shards/index.ts";
import { addAccounts, holdOut, requireBalance } from "./account.ts";
import { writeCalibration } from "./calibrate.ts";
import type { CompactResult } from "./compaction.ts";
import { type Notes, observedDrops } from "./report.ts";
import { tableBatches } from "./table-sample.ts";

/** Version of what a build makes of its tasks; a change of the code that changes bytes raises it. */
export const BUILD_VERSION = 1;

/** The account of a part of the documents, before any were held out of it. */
export interface Part {
  /** `validation`: a set that was given as validation. */
  readonly role: "train" | "validation";
  readonly account: Account;
  /** The inputs of a task; absent where the part is all of a role. */
  readonly inputs?: readonly { readonly source: string }[];
}

/** A build of which every domain is compacted. */
export interface Finishing {
  readonly dir: string;
  readonly buildFolder: string;
  readonly parts: readonly Part[];
  readonly compacted: readonly CompactResult[];
  /** Score rows of the documents in input order. */
  readonly scores: readonly ScoreSegment[];
  /** Files whose lines become `quarantine.jsonl` and `incidents.jsonl`. */
  readonly lines: readonly { readonly quarantine: string; readonly incidents: string }[];
  readonly calibration: Calibration | null;
  readonly tokenizer: ManifestTokenizer;
  readonly tokenType: TokenType;
  readonly filters: readonly ManifestFilter[];
  readonly origin: Pick<Origin, "inputs" | "options" | "loneSurrogates">;
  /** Bytes of text that the vocabulary has no piece for. */
  readonly lostBytes?: number;
}

/** Writes score table, quarantine, incidents, gaps, calibration, origin, notes, and the manifest. Throws ERR_OUTPUT, ERR_SHARD, ERR_ACCOUNT. */
export async function finish(of: Finishing): Promise<ShardManifest> {
  const { dir, buildFolder, parts, compacted, calibration } = of;
  const names = of.filters.map(({ name }) => name);
  const plans = Object.fromEntries(compacted.map(({ domain, plan }) => [domain, plan]));
  const tables = await compactScores({ dir, segments: of.scores, filters: names, plans });
  for (const name of ["quarantine", "incidents"] as const)
    await joinFiles(
      join(dir, `${name}.jsonl`),
      of.lines.map((files) => files[name]),
    );
  await writeGaps(
    dir,
    compacted.flatMap(({ gap }) => gap ?? []),
  );
  if (calibration) await writeCalibration(join(dir, "calibration.json"), calibration);
  const origin: Origin = {
    format: "headrace-origin/1",
    version: BUILD_VERSION,
    inputs: of.origin.inputs,
    documents: { train: documentsOf(parts, "train"), validation: documentsOf(parts, "validation") },
    loneSurrogates: of.origin.loneSurrogates,
    options: of.origin.options,
    calibration: calibration && hashOf(calibration),
  };
  await writeOrigin(dir, origin);
  const account = accountOf(parts, compacted, names);
  requireBalance(account);
  const tagged = origin.options["tagOnly"] === true ? taggedIn(dir, tables, names) : null;
  await writeNotes(buildFolder, {
    alarms: calibration ? alarmsOf(calibration, account, tagged, parts) : [],
    appliesTo: Object.fromEntries(calibration?.filters.map(({ name, appliesTo }) => [name, appliesTo]) ?? []),
    tagged,
    withoutValidation: Object.fromEntries(
      compacted.flatMap(({ domain, plan }) =>
        plan.kind === "none" && plan.reason !== "" ? [[domain, plan.reason] as const] : [],
      ),
    ),
    loneSurrogates: origin.loneSurrogates,
    ...(of.lostBytes && { lostBytes: of.lostBytes }),
  });
  const unsigned: Omit<ShardManifest, "fingerprint"> = {
    format: "headrace-shards/1",
    key: originKey(origin),
    tokenizer: of.tokenizer,
    tokenType: of.tokenType,
    filters: of.filters,
    domains: domainsOf(parts),
    shards: (["train", "validation", "dropped"] as const).flatMap((split) =>
      compacted.flatMap(({ shards }) => shards.filter((shard) => shard.split === split)),
    ),
    tables,
    account,
  };
  const manifest = { ...unsigned, fingerprint: manifestFingerprint(unsigned) };
  await writeManifest(dir, manifest);
  return manifest;
}

/** The domains of the parts: SlimPajama's in their order, then any others by name. */
export function domainsOf(parts: readonly Pick<Part, "account">[]): readonly string[] {
  return inDomainOrder(parts.flatMap(({ account }) => Object.keys(account.domains)));
}

/** The account of the build. Documents of a given validation set count as held out. */
function accountOf(
  parts: readonly Part[],
  compacted: readonly CompactResult[],
  filters: readonly string[],
): Account {
  const of = (role: Part["role"]) =>
    addAccounts(
      parts.filter((part) => part.role === role).map(({ account }) => account),
      filters,
      domainsOf(parts),
    );
  const given = of("validation");
  const held = Object.fromEntries(compacted.map((result) => [result.domain, result.held]));
  const all = Object.fromEntries(
    Object.entries(given.domains).map(([name, domain]) => [
      name,
      { documents: domain.kept, tokens: domain.tokens.kept, gap: 0 },
    ]),
  );
  return addAccounts([holdOut(of("train"), held), holdOut(given, all)], filters, domainsOf(parts));
}

/** What the build as a whole dropped otherwise than predicted, then its tasks. What was tagged is not known of a task. */
function alarmsOf(
  calibration: Calibration,
  account: Account,
  tagged: Notes["tagged"],
  parts: readonly Part[],
): readonly string[] {
  const whole = driftAlarm(calibration, observedDrops(calibration, account, tagged));
  const tasks = parts.flatMap(({ account, inputs }) =>
    inputs?.[0] && !tagged
      ? [{ name: inputs[0].source, observed: observedDrops(calibration, account, null) }]
      : [],
  );
  return [...whole.map(({ reason }) => reason), ...(tasks.length > 1 ? taskDrift(calibration, tasks) : [])];
}

/** How many documents each filter tagged, by domain. */
function taggedIn(
  dir: string,
  tables: readonly ScoreTable[],
  filters: readonly string[],
): NonNullable<Notes["tagged"]> {
  const domains: Record<string, Record<string, number>> = {};
  for (const { reader, batch } of tableBatches(dir, { tables })) {
    const tags = reader.verdicts.map((verdict) => /^(?:kept|held-out):(.*)$/.exec(verdict)?.[1]);
    for (let row = 0; row < batch.documents; row++) {
      const tag = tags[batch.verdicts[row]!];
      if (tag === undefined) continue;
      const name = reader.domains[batch.domains[row]!]!;
      domains[name] ??= Object.fromEntries(filters.map((filter) => [filter, 0]));
      domains[name][tag] = (domains[name][tag] ?? 0) + 1;
    }
  }
  return domains;
}

function documentsOf(parts: readonly Part[], role: Part["role"]): number {
  return parts
    .filter((part) => part.role === role)
    .reduce((sum, { account }) => sum + account.read - account.quarantined, 0);
}

async function writeNotes(buildFolder: string, notes: Notes): Promise<void> {
  await writeFileWhole(join(buildFolder, "notes.json"), JSON.stringify(notes));
}

/** Writes the lines of many files into one, whole or not at all. */
async function joinFiles(path: string, parts: readonly string[]): Promise<void> {
  const pending = await openPending(path);
  try {
    // writeFile goes on after a short write, which write alone reports as success.
    for (const part of parts)
      for await (const bytes of createReadStream(part))
        await attempt(path, () => pending.handle.writeFile(bytes as Buffer));
    await pending.commit();
  } finally {
    await pending.abort();
  }
}
