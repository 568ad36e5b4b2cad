/**
 * Compiled code is kept between runs in the user's own cache folder, for the worker threads that start after this: each compiles the same modules.
 */
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Keeps compiled code in $XDG_CACHE_HOME/headrace, else ~/.cache/headrace: some 3 MB, which may be deleted at any time. A folder that NODE_COMPILE_CACHE
 * names stays in force, NODE_DISABLE_COMPILE_CACHE=1 turns it off, and where the folder cannot be written nothing is kept.
 */
export function keepCompiled(): void {
  const folder = cacheFolder();
  if (folder !== null) enableCompileCache(join(folder, "headrace"));
}

/** The user's cache folder; null for a user without a home. */
function cacheFolder(): string | null {
  const { XDG_CACHE_HOME } = process.env;
  if (XDG_CACHE_HOME) return XDG_CACHE_HOME;
  try {
    return join(homedir(), ".cache");
  } catch {
    return null;
  }
}
