/**
 * What one shard of a build by many machines came to. Its counts are those of its own tasks, before a validation split is taken out of what was
 * kept: over all shards they add up to those of the build.
 */
import { join } from "node:path";
import type { Account } from "../shards/index.ts";
import { addAccounts } from "./account.ts";
import { type BuildShard, shardName } from "./build-shard.ts";
import type { Prepared } from "./prepare.ts";
import { quarantineReasons } from "./quarantine.ts";
import type { BuildReport } from "./report.ts";
import { sectionFolders } from "./task-folder.ts";
import type { TaskManifest } from "./task-manifest.ts";

/** The report of a shard; `--json` prints it. */
export interface ShardReport
  extends Pick<
    BuildReport,
    | "out"
    | "read"
    | "kept"
    | "dropped"
    | "quarantined"
    | "quarantine"
    | "incidents"
    | "domains"
    | "bytes"
    | "skipped"
    | "notices"
    | "loneSurrogates"
    | "resumed"
    | "seconds"
  > {
  /** Such as `2/3`. */
  readonly shard: string;
  readonly tasks: number;
  /** Tasks that an earlier run had finished; null: the whole build is finished. */
  readonly reused: number | null;
  readonly tokens: { readonly kept: number; readonly dropped: number };
}

/** Makes the report of a shard whose tasks are finished. Reads their quarantine. */
export async function shardReportOf(of: {
  readonly prepared: Prepared;
  readonly shard: BuildShard;
  readonly tasks: readonly TaskManifest[];
  readonly reused: number | null;
  readonly resumed: number;
  /** `performance.now()` at the start. */
  readonly started: number;
}): Promise<ShardReport> {
  const { prepared, tasks } = of;
  const filters = prepared.curator.filters.map(({ name }) => name);
  const { heldOut: _, ...account }: Account = addAccounts(
    tasks.map((task) => task.account),
    filters,
  );
  const plans = prepared.validation ? [prepared.train, prepared.validation] : [prepared.train];
  const domains = Object.values(account.domains);
  return {
    out: prepared.dir,
    shard: shardName(of.shard),
    tasks: tasks.length,
    reused: of.reused,
    resumed: of.resumed,
    ...account,
    quarantine: await quarantineReasons(
      ...tasks
        .flatMap((task) => sectionFolders(prepared.buildFolder, task))
        .map((folder) => join(folder, "quarantine.jsonl")),
    ),
    tokens: {
      kept: domains.reduce((sum, { tokens }) => sum + tokens.kept, 0),
      dropped: domains.flatMap(({ tokens }) => Object.values(tokens.dropped)).reduce((a, b) => a + b, 0),
    },
    notices: plans.flatMap(({ notices }) => notices),
    skipped: plans.flatMap(({ skipped }) => skipped),
    loneSurrogates: tasks.reduce((sum, task) => sum + task.loneSurrogates, 0),
    seconds: (performance.now() - of.started) / 1000,
  };
}
