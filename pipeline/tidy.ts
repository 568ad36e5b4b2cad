/**
 * What a build that was killed after its manifest was written left behind: it is finished, but its scratch is as large as its shards.
 */
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { lockHolder, withLock } from "../core/lock.ts";
import { folderLock } from "./build-shard.ts";
import { removeTemporaries } from "./folder.ts";

/** Removes what only an unfinished build needs: the segments of its tasks, and the routes of one that filters anew. What it counted stays. */
export async function clearScratch(buildFolder: string): Promise<void> {
  await rm(join(buildFolder, "routes"), { recursive: true, force: true });
  const tasks = join(buildFolder, "tasks");
  if (!existsSync(tasks)) return;
  for (const entry of await readdir(tasks, { recursive: true, withFileTypes: true }))
    if (["kept", "dropped", "scores.arrow"].includes(entry.name))
      await rm(join(entry.parentPath, entry.name), { recursive: true, force: true });
}

/** Removes what a crash left of a build that is finished, where this process may and no other is at it. */
export async function tidyFinished(of: {
  readonly dir: string;
  readonly buildFolder: string;
}): Promise<void> {
  const { buildFolder } = of;
  try {
    if (lockHolder(folderLock(buildFolder)) !== null) return;
    await withLock(folderLock(buildFolder), 0, async () => {
      await removeTemporaries(of);
      await clearScratch(buildFolder);
    });
  } catch {
    // In a folder that cannot be written, or that another process has, only room is lost; the build is whole.
  }
}
