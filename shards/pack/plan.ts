/**
 * A pack plan on disk (docs/format.md 1.9): which pieces of documents make which row of a domain, for rows of one length over the shards of one manifest.
 * It lies beside the shards in a folder named by its hash, holds no time, host or path, and is never changed.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { hashOf, sha256File } from "../../core/hash.ts";
import { array, integer, object, oneOf, parseJson, string } from "../../core/parse.ts";

const count = integer(0);

const packDomain = object(
  {
    name: string,
    documents: count,
    cut: count,
    pieces: count,
    rows: count,
    tokens: count,
    piecesSha256: string,
    rowsSha256: string,
  },
  { strict: true },
);

const packPlan = object(
  {
    format: oneOf("headrace-pack/1"),
    rowTokens: integer(1),
    lookahead: oneOf(0, 1),
    groupPieces: integer(1),
    padding: count,
    shards: string,
    domains: array(packDomain),
  },
  { strict: true },
);

/** One domain of a pack plan: its documents and how many of them are in several rows, pieces, rows, and the tokens that the rows hold. */
export type PackDomain = ReturnType<typeof packDomain>;
/** What a pack plan says of itself: `pack.json`. Rows are `rowTokens` + `lookahead` wide, `padding` is the id behind the last piece of a row. */
export type PackPlan = ReturnType<typeof packPlan>;

/** The folder of the pack plans of a folder of shards. */
export const PACKS = "packs";

/** A row is at most this many tokens wide, because a piece is written as 44 bits of position and 20 of length. */
export const WIDEST_ROW = 2 ** 20 - 1;

/** The hash by which a schedule names a pack plan. */
export function packHash(plan: PackPlan): string {
  return hashOf(plan);
}

/** The folder of a pack plan, given the shards' and its hash. */
export function packFolder(shards: string, hash: string): string {
  return join(shards, PACKS, hash.slice(0, 16));
}

/** The files of a domain in the folder of a plan. */
export function packFiles(
  folder: string,
  domain: string,
): { readonly pieces: string; readonly rows: string } {
  return { pieces: join(folder, `${domain}.pieces`), rows: join(folder, `${domain}.rows`) };
}

/** Reads the plan of a hash. Throws ERR_INPUT where there is none, ERR_PARSE, ERR_MANIFEST where it is another or of other shards. */
export async function readPack(shards: string, hash: string, fingerprint: string): Promise<PackPlan> {
  const plan = await loadPack(packFolder(shards, hash));
  const found = packHash(plan);
  if (found !== hash)
    throw new HeadraceError(
      "ERR_MANIFEST",
      `the pack plan in ${packFolder(shards, hash)} has hash ${found}, the schedule names ${hash}; restore it, or pack again`,
    );
  if (plan.shards !== fingerprint)
    throw new HeadraceError(
      "ERR_MANIFEST",
      `the pack plan ${hash.slice(0, 16)}… was made for shards ${plan.shards.slice(0, 16)}…, ${shards} has fingerprint ${fingerprint.slice(0, 16)}…; pack these shards`,
    );
  return plan;
}

/** The plans that a folder of shards has for its manifest, by hash, ascending. */
export async function listPacks(
  shards: string,
  fingerprint: string,
): Promise<readonly { readonly hash: string; readonly plan: PackPlan }[]> {
  const names = await readdir(join(shards, PACKS)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const found = [];
  for (const name of names.filter((one) => /^[0-9a-f]{16}$/.test(one)).sort()) {
    const plan = await loadPack(join(shards, PACKS, name));
    if (plan.shards === fingerprint) found.push({ hash: packHash(plan), plan });
  }
  return found;
}

/** What differs between the files of a plan's domains and their hashes: a sentence for each file. Reads them whole. */
export async function packProblems(
  folder: string,
  plan: PackPlan,
  domains: ReadonlySet<string>,
): Promise<readonly { readonly path: string; readonly expected: string; readonly seen: string }[]> {
  const problems = [];
  for (const { name, piecesSha256, rowsSha256 } of plan.domains) {
    if (!domains.has(name)) continue;
    const { pieces, rows } = packFiles(folder, name);
    for (const [path, expected] of [
      [pieces, piecesSha256],
      [rows, rowsSha256],
    ] as const) {
      const seen = await sha256File(path).catch(messageOf);
      if (seen !== expected) problems.push({ path, expected: `sha256 ${expected}`, seen });
    }
  }
  return problems;
}

async function loadPack(folder: string): Promise<PackPlan> {
  const path = join(folder, "pack.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `there is no pack plan at ${path}: ${messageOf(cause)}; make it with "headrace pack", or restore it`,
      { cause },
    );
  }
  return parseJson(text, packPlan, path);
}
