/**
 * The output folder of a build: whether it is free, half-built by the same or another build, or finished. Nothing that is not ours is touched.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers, writeFileWhole } from "../core/commit.ts";
import { HeadraceError } from "../core/errors.ts";
import { anything, object, oneOf, parseJson, record } from "../core/parse.ts";
import { GAP, MANIFEST, ORIGIN, readManifest, type ShardManifest, SPLITS } from "../shards/index.ts";
import { differences, inputIdentity, type Prepared } from "./prepare.ts";

const planOf = object({ format: oneOf("headrace-build/1"), description: record(anything), inputs: anything });

/** Who wants an output folder, and for what. */
export interface Claim {
  readonly dir: string;
  /** `DIR/.build`. */
  readonly buildFolder: string;
  /** Whether finished shards of another build may be replaced. */
  readonly replace: boolean;
  /** Everything that decides the bytes, as plain data. */
  readonly description: Readonly<Record<string, unknown>>;
}

/** The claim of a build from its input. */
export function claimOf(prepared: Prepared): Claim {
  const { dir, buildFolder, options, description } = prepared;
  return {
    dir,
    buildFolder,
    replace: options.replace ?? false,
    description: { ...description, inputs: inputIdentity(prepared) },
  };
}

/** Everything in an output folder that a build writes. */
export const BUILD_FILES: readonly string[] = [
  MANIFEST,
  "calibration.json",
  "quarantine.jsonl",
  "incidents.jsonl",
  GAP,
  ORIGIN,
  "scores",
  ...SPLITS,
];

/** Files of `.build` that are written whole, each beside its place first. */
const SCRATCH_FILES = ["build.json", "calibration.json", "notes.json"];

/**
 * The manifest, where this very build is finished already; undefined where there is work to do.
 * Throws ERR_OUTPUT where the folder holds the shards of another build, or something that is no build at all.
 */
export async function finishedBuild(claim: Claim): Promise<ShardManifest | undefined> {
  const { dir, buildFolder } = claim;
  const names = existsSync(dir) ? await namesIn(dir) : [];
  const plan = await readPlan(buildFolder);
  if (!names.includes(MANIFEST)) {
    if (names.length > 0 && plan === undefined)
      throw new HeadraceError(
        "ERR_OUTPUT",
        `${dir} is not empty (${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}) and no build of headrace; choose another --out`,
      );
    return undefined;
  }
  if (claim.replace) return undefined;
  const differs =
    plan === undefined
      ? ["its record .build was deleted, so it cannot be compared"]
      : differences(claim.description, { ...plan.description, inputs: plan.inputs });
  if (differs.length === 0) return readManifest(dir);
  throw new HeadraceError(
    "ERR_OUTPUT",
    `${dir} holds the shards of another build (differs in: ${differs.join(", ")}); choose another --out, or --replace to build over it`,
  );
}

/** Makes the folder this build's: writes its plan, and removes finished shards that are to be replaced. */
export async function claimFolder({ dir, buildFolder, description: described }: Claim): Promise<void> {
  await mkdir(buildFolder, { recursive: true });
  await removeTemporaries({ dir, buildFolder });
  await rm(join(dir, MANIFEST), { force: true }); // first: without a manifest the rest is garbage by definition
  for (const name of BUILD_FILES) await rm(join(dir, name), { recursive: true, force: true });
  const { inputs, ...description } = described;
  await writeFileWhole(
    join(buildFolder, "build.json"),
    `${JSON.stringify({ format: "headrace-build/1", description, inputs })}\n`,
  );
}

/** Removes the temporary files that a crash left. For who holds the lock of the folder. */
export async function removeTemporaries({
  dir,
  buildFolder,
}: Pick<Claim, "dir" | "buildFolder">): Promise<void> {
  await removeLeftovers(dir, BUILD_FILES);
  await removeLeftovers(buildFolder, SCRATCH_FILES);
}

async function readPlan(buildFolder: string): Promise<ReturnType<typeof planOf> | undefined> {
  const path = join(buildFolder, "build.json");
  return existsSync(path) ? parseJson(await readFile(path, "utf8"), planOf, path) : undefined;
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return (await readdir(dir)).filter((name) => name !== ".build");
  } catch (cause) {
    throw new HeadraceError(
      "ERR_OUTPUT",
      `${dir} cannot be used as a folder: ${(cause as Error).message}; choose another --out`,
      { cause },
    );
  }
}
