/**
 * What a person reads of a build when it is done, or cannot be finished yet.
 */
import { FILTERED_DOMAINS } from "../filters/index.ts";
import type { BuildReport, ShardReport, UnfinishedBuild } from "../pipeline/index.ts";
import { duration, fittedTable, grouped, percent, say, screenWidth, size } from "./display.ts";

/** Reasons of quarantine printed for a person. */
const SHOWN = 8;

/** The domain table and everything that needs a look. */
export function printBuildReport(report: BuildReport): void {
  const filters = Object.keys(report.dropped);
  const rows = Object.entries(report.domains).map(([name, domain]) => [
    name,
    domain.read,
    domain.kept,
    ...filters.map((filter) => domain.dropped[filter] ?? 0),
    domain.heldOut,
    domain.quarantined,
    domain.tokens.kept,
    domain.tokens.heldOut,
    percent(report.mixture.before[name] ?? 0),
    percent(report.mixture.after[name] ?? 0),
  ]);
  const { read, kept, heldOut, quarantined, tokens } = report;
  const head = [
    "domain",
    "read",
    "kept",
    ...filters.map((filter) => `-${filter}`),
    "held out",
    "bad",
    "train tokens",
    "validation",
    "before",
    "after",
  ];
  const total = [
    "all",
    read,
    kept,
    ...filters.map((filter) => report.dropped[filter]!),
    heldOut,
    quarantined,
    tokens.kept,
    tokens.heldOut,
    "",
    "",
  ];
  say(fittedTable([head, ...rows, total], head.indexOf("train tokens"), screenWidth()));
  say();
  const { incidents, shards, reused, resumed } = report;
  say(
    `${grouped(read)} documents = ${grouped(kept)} kept + ${grouped(heldOut)} held out + ${grouped(sum(Object.values(report.dropped)))} dropped + ${grouped(quarantined)} quarantined`,
  );
  if (incidents > 0)
    say(
      `${grouped(incidents)} stretches of input (${size(report.bytes.unreadable)}) could not be read: ${report.out}/incidents.jsonl`,
    );
  printProblems(report);
  if (quarantined > 0) say(`every quarantined record with its reason: ${report.out}/quarantine.jsonl`);
  for (const [domain, filters] of Object.entries(report.tagged ?? {}))
    for (const [filter, count] of Object.entries(filters))
      if (count > 0) say(`tagged in ${domain} and kept: ${grouped(count)} by ${filter}`);
  for (const [filter, domains] of Object.entries(report.appliesTo))
    if (domains.join() !== FILTERED_DOMAINS.join()) say(`${filter} applies to ${domains.join(", ")}`);
  for (const alarm of report.alarms) say(`drift: ${alarm}`);
  for (const [domain, reason] of Object.entries(report.withoutValidation))
    say(`no validation split in ${domain}: ${reason}`);
  if (report.loneSurrogates > 0) say(`${grouped(report.loneSurrogates)} lone surrogates became U+FFFD`);
  if (report.lostBytes)
    say(`${grouped(report.lostBytes)} bytes of text have no piece in the vocabulary and are in no token`);
  if (reused === null) say("this build was finished before; nothing was done");
  else if (reused > 0) say(`${grouped(reused)} tasks of an earlier run of this build were reused`);
  if (resumed > 0)
    say(`${grouped(resumed)} sections of tasks that an earlier run had not finished were reused`);
  say(
    `${shards} shards in ${report.out} after ${duration(report.seconds)}, fingerprint ${report.fingerprint.slice(0, 16)}`,
  );
}

/** What a shard came to, and how the build goes on. */
export function printShardReport(report: ShardReport): void {
  const { read, kept, dropped, quarantined, incidents, tasks, reused } = report;
  const drops = sum(Object.values(dropped));
  say(
    `shard ${report.shard}: ${grouped(tasks)} tasks, ${grouped(read)} documents = ${grouped(kept)} kept + ${grouped(drops)} dropped + ${grouped(quarantined)} quarantined`,
  );
  printProblems(report);
  if (reused === null) say("this build is finished; nothing was done");
  else if (reused > 0) say(`${grouped(reused)} tasks of an earlier run were reused`);
  if (incidents > 0) say(`${grouped(incidents)} stretches of input could not be read; --finish lists them`);
  say(
    `${grouped(report.tokens.kept)} tokens kept after ${duration(report.seconds)}; when every shard is done, run the same command with --finish instead of --shard`,
  );
}

/** Prints the command of every shard that a build lacks, and throws on. */
export function sayMissing(error: unknown): never {
  const missing = (error as Partial<UnfinishedBuild>).missing ?? [];
  const flags = process.argv.slice(2).filter((arg) => arg !== "--finish");
  const command = ["headrace", ...flags.map(quoted)].join(" ");
  for (const { index, count, tasks, holder } of missing)
    say(
      `missing: ${command} --shard ${index}/${count}${tasks === null ? "" : `  # ${tasks} tasks`}${holder === null ? "" : `, at which ${holder} is`}`,
    );
  throw error;
}

/** An argument as a shell reads it. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Reasons of quarantine, and inputs that need a look. */
function printProblems(report: Pick<BuildReport, "quarantine" | "skipped" | "notices">): void {
  for (const { records, first } of report.quarantine.slice(0, SHOWN))
    say(`quarantined ${grouped(records)}, first ${first.source}:${first.line}: ${first.reason}`);
  for (const { source, reason } of report.skipped) say(`not read: ${source}: ${reason}`);
  for (const notice of report.notices) say(`note: ${notice}`);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
