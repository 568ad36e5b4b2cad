/**
 * `--shard i/N`: the part of a build that one of N machines runs, by a rule on the position of a task alone, so that all machines agree.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { HeadraceError } from "../core/errors.ts";
import { acquireLock, type Lock, type LockOptions, lockHolder } from "../core/lock.ts";
import type { BuildOptions } from "./options.ts";

/** Shard `index` of `count`; both count from 1. */
export interface BuildShard {
  readonly index: number;
  readonly count: number;
}

/** A shard that is not finished. */
export interface MissingShard extends BuildShard {
  /** Its tasks that are not there; null: all of them, however many. */
  readonly tasks: number | null;
  /** Who seems to be at it; null: nobody. */
  readonly holder: string | null;
}

/** A build that cannot be finished yet. `missing`: the shards to run first; empty where the build was not cut into shards. */
export class UnfinishedBuild extends HeadraceError {
  readonly missing: readonly MissingShard[];

  constructor(message: string, missing: readonly MissingShard[]) {
    super("ERR_OUTPUT", message);
    this.missing = missing;
  }
}

/** Reads `i/N`. Throws ERR_ARGUMENT. */
export function parseBuildShard(text: string): BuildShard {
  const match = /^(\d{1,9})\/(\d{1,9})$/.exec(text);
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || index < 1 || index > count)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--shard is "${text}"; write i/N with i from 1 to N, such as --shard 1/${count > 0 ? count : 3}`,
    );
  return { index, count };
}

/** A shard as it is written on the command line. */
export function shardName({ index, count }: BuildShard): string {
  return `${index}/${count}`;
}

/** The shard, of so many, that runs a task: every N-th task is of the same one. */
export function shardOf(task: { readonly task: number }, count: number): BuildShard {
  return { index: (task.task % count) + 1, count };
}

/** The lock of a build folder as a whole. */
export function folderLock(buildFolder: string): string {
  return join(buildFolder, "lock");
}

/** How the locks of a build are held: with signs of life. */
export function lockOptions({
  onNote,
  lockSilenceSeconds,
}: Pick<BuildOptions, "onNote" | "lockSilenceSeconds">): LockOptions {
  return {
    heartbeat: true,
    ...(onNote && { onNote }),
    ...(lockSilenceSeconds !== undefined && { silenceSeconds: lockSilenceSeconds }),
  };
}

/** Takes a build folder for one machine alone. Throws ERR_LOCKED where it, or a shard in it, is under way. */
export async function lockFolder(buildFolder: string, options: LockOptions): Promise<Lock> {
  const lock = await acquireLock(folderLock(buildFolder), 0, options);
  try {
    await requireNoShards(buildFolder, options);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The lock of a shard. It is taken before that of the folder, and never while that is held. */
export function shardLock(buildFolder: string, { index, count }: BuildShard): string {
  return join(buildFolder, `shard-${index}-of-${count}.lock`);
}

/** The shards whose lock lies in a build folder, whether its holder lives or not. */
export async function lockedShards(buildFolder: string): Promise<readonly BuildShard[]> {
  const matches = (await readdir(buildFolder)).map((name) => /^shard-(\d+)-of-(\d+)\.lock$/.exec(name));
  return matches.flatMap((match) => (match ? { index: Number(match[1]), count: Number(match[2]) } : []));
}

/** Throws ERR_LOCKED where a shard of another cut is under way: two cuts give one task to two machines. */
export async function requireOneCut(buildFolder: string, { count }: BuildShard): Promise<void> {
  for (const shard of await lockedShards(buildFolder)) {
    const holder = shard.count === count ? null : lockHolder(shardLock(buildFolder, shard));
    if (holder !== null)
      throw new HeadraceError(
        "ERR_LOCKED",
        `this build is cut into ${shard.count} shards now, of which ${holder} runs ${shardName(shard)}; give --shard i/${shard.count}, or wait for it to end (where it has, remove ${shardLock(buildFolder, shard)})`,
      );
  }
}

/** Waits until the locks of shards that are left over are known to be, and removes them. Throws ERR_LOCKED where a shard is under way. */
export async function requireNoShards(buildFolder: string, options: LockOptions): Promise<void> {
  await Promise.all(
    (await lockedShards(buildFolder)).map(async (shard) =>
      (await acquireLock(shardLock(buildFolder, shard), 0, options)).release(),
    ),
  );
}

/** The shards that run the tasks which are not there; all where `open` is null. */
export function missingShards(
  open: readonly { readonly task: number }[] | null,
  count: number,
  buildFolder: string,
): readonly MissingShard[] {
  const numbers = new Map<number, number | null>();
  if (open === null) for (let index = 1; index <= count; index++) numbers.set(index, null);
  for (const task of open ?? []) {
    const { index } = shardOf(task, count);
    numbers.set(index, (numbers.get(index) ?? 0) + 1);
  }
  return [...numbers]
    .sort(([a], [b]) => a - b)
    .map(([index, tasks]) => ({
      index,
      count,
      tasks,
      holder: lockHolder(shardLock(buildFolder, { index, count })),
    }));
}
