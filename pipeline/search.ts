/**
 * Files and folders that inputs stand for: a walk that follows links, stays out of loops and lists what it leaves out.
 */
import type { Dirent } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { globExpression, isGlob, splitGlob } from "./glob.ts";
import { noFile, statusOf, unreachable } from "./input-fault.ts";
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
      throw new HeadraceError("ERR_INPUT", `input ${path} ${await unreachable(absolute, status)}`);
    return searchGlob(path, search);
  }
  if (!status.isDirectory()) {
    search.found.push({ path: absolute, named: true });
    return dirname(absolute);
  }
  if (formatByName(absolute) !== null)
    throw new HeadraceError("ERR_INPUT", `input ${path} ${noFile(status)}`);
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

async function isLinkToFolder(path: string): Promise<boolean> {
  const status = await statusOf(path);
  return typeof status !== "string" && status.isDirectory();
}
