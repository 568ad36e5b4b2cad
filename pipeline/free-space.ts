/**
 * The room that is left for a folder which may not be there yet.
 */
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

/** The path, or the nearest folder above it that exists. */
export function existing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existing(dirname(path));
}

/** Free bytes of the file system that `path` lies on, or will lie on. Passes on the error where that cannot be told. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(existing(path));
  return bavail * bsize;
}
