/**
 * Files and folders that inputs stand for: a walk that follows links, stays out of loops and lists what it leaves out.
 */
import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, readlink, realpath, stat } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { globExpression, isGlob, splitGlob } from "./glob.ts";
import { formatByName } from "./sniff.ts";

/** A file that was found; nothing is known of it yet. */
export interface Found {
  readonly path: string;
  /** Named by itself rather than found in a folder. */
  readonly named: boolean;
}

/** What a search has come upon so far, by absolute path. */
export interface Search {
  readonly found: Found[];
  readonly skipped: { readonly path: string; readonly reason: string }[];
}

/** Adds what an input stands for to `search` and returns its root. Throws ERR_INPUT. */
export async function searchInput(path: string, search: Search): Promise<string> {
  const absolute = resolve(path);
  const status = await statusOf(absolute);
  if (typeof status === "string") {
    if (!isGlob(path))
      throw new HeadraceError("ERR_INPUT", `input ${path} ${await missing(absolute, status)}`);
    return searchGlob(path, search);
  }
  if (!status.isDirectory()) {
    search.found.push({ path: absolute, named: true });
    return dirname(absolute);
  }
  if (formatByName(absolute) !== null)
    throw new HeadraceError("ERR_INPUT", `input ${path} is a folder named like a file; rename it`);
  await walk(absolute, [], search);
  return absolute;
}

async function searchGlob(pattern: string, search: Search): Promise<string> {
  const { folder, rest } = splitGlob(pattern);
  const root = resolve(folder);
  const status = await statusOf(root);
  if (typeof status === "string" || !status.isDirectory())
    throw new HeadraceError("ERR_INPUT", `input ${pattern} matches nothing: there is no folder ${folder}`);
  const all: Search = { found: [], skipped: [] };
  await walk(root, [], all);
  const expression = globExpression(rest);
  const matches = ({ path }: { readonly path: string }) =>
    expression.test(relative(root, path).split(sep).join("/"));
  const found = all.found.filter(matches);
  const skipped = all.skipped.filter(matches);
  if (found.length + skipped.length === 0)
    throw new HeadraceError(
      "ERR_INPUT",
      `input ${pattern} matches none of the ${all.found.length} files under ${folder}; check the pattern`,
    );
  search.found.push(...found);
  search.skipped.push(...skipped);
  return root;
}

/** Everything under a folder. `parents` are the real paths of the folders above it. */
async function walk(folder: string, parents: readonly string[], search: Search): Promise<void> {
  let entries: Dirent[];
  let real: string;
  try {
    real = await realpath(folder);
    entries = await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `folder ${folder} cannot be read: ${messageOf(cause)}; permit it or leave it out`,
      { cause },
    );
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".")) {
      search.skipped.push({ path, reason: "its name starts with a dot" });
      continue;
    }
    const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await isLinkToFolder(path)));
    if (!isFolder || formatByName(path) !== null) search.found.push({ path, named: false });
    else if (entry.isSymbolicLink() && [...parents, real].includes(await realpath(path)))
      search.skipped.push({ path, reason: "it is a link to a folder that it lies in" });
    else await walk(path, [...parents, real], search);
  }
}

/** What the file system says of a path, links followed, or its error code. */
export async function statusOf(path: string): Promise<Stats | string> {
  try {
    return await stat(path);
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error);
  }
}

/** What is wrong with a path that `statusOf` gave an error code for. */
export async function missing(path: string, code: string): Promise<string> {
  if (code !== "ENOENT") return `cannot be read (${code}); permit it or leave it out`;
  const link = await lstat(path).catch(() => null);
  return link?.isSymbolicLink()
    ? `is a link to ${await readlink(path)}, which does not exist`
    : "does not exist; check the path";
}

async function isLinkToFolder(path: string): Promise<boolean> {
  const status = await statusOf(path);
  return typeof status !== "string" && status.isDirectory();
}
