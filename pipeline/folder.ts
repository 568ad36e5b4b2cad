/**
 * The output folder of a build: whether it is free, half-built by the same or another build, or finished. Nothing that is not ours is touched.
 * Its plan, `.build/build.json`, says whose it is; who changes the plan holds the lock of the folder.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers, writeFileWhole } from "../core/commit.ts";
import { HeadraceError } from "../core/errors.ts";
import { canonicalJson } from "../core/hash.ts";
import { anything, integer, nullable, object, oneOf, optional, parseJson, record } from "../core/parse.ts";
import { GAP, MANIFEST, ORIGIN, readManifest, type ShardManifest, SPLITS } from "../shards/index.ts";
import { removeLedger } from "./ledger.ts";
import { TASK_VERSION } from "./plan.ts";
import type { Prepared } from "./prepare.ts";
import { inputIdentity } from "./same-inputs.ts";

const planOf = object({
  format: oneOf("headrace-build/1"),
  /** Version of the tasks. */
  version: optional(integer(0), 1),
  /** Into how many shards the build is cut over machines; null: it is not. */
  shards: optional(nullable(integer(1)), null),
  /** Bytes of text a task, where they were given. */
  taskBytes: optional(nullable(integer(1)), null),
  description: record(anything),
  inputs: anything,
});

/** What a build folder says of its build. */
export type BuildPlan = ReturnType<typeof planOf>;

/** Who wants an output folder, and for what. */
export interface Claim {
  readonly dir: string;
  /** `DIR/.build`. */
  readonly buildFolder: string;
  /** Whether finished shards of another build may be replaced. */
  readonly replace: boolean;
  /** Everything that decides the bytes, as plain data. */
  readonly description: Readonly<Record<string, unknown>>;
  /** Bytes of text a task where they were given, which decide nothing but where tasks begin. */
  readonly taskBytes?: number;
}

/** The claim of a build from its input. */
export function claimOf(prepared: Prepared): Claim {
  const { dir, buildFolder, options, description } = prepared;
  return {
    dir,
    buildFolder,
    replace: options.replace ?? false,
    description: { ...description, inputs: inputIdentity(prepared) },
    ...(options.taskBytes !== undefined && { taskBytes: options.taskBytes }),
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
const SCRATCH_FILES = /^(build\.json|calibration-[0-9a-f]{16}\.json|notes\.json|ledger\.sqlite)$/;

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

/**
 * Makes the folder this build's: writes its plan, and removes finished shards that are to be replaced and what an interrupted end of a build left.
 * Returns in what the build differs that the folder held unfinished; null where it held none, or this one.
 */
export async function claimFolder(claim: Claim, shards: number | null = null): Promise<string | null> {
  const { dir, buildFolder } = claim;
  await mkdir(buildFolder, { recursive: true });
  await removeTemporaries({ dir, buildFolder });
  const before = await readPlan(buildFolder);
  const differs = before
    ? differences(claim.description, { ...before.description, inputs: before.inputs })
    : [];
  const wasFinished = existsSync(join(dir, MANIFEST));
  if (differs.length > 0) removeLedger(buildFolder);
  await rm(join(dir, MANIFEST), { force: true }); // first: without a manifest the rest is garbage by definition
  for (const name of BUILD_FILES) await rm(join(dir, name), { recursive: true, force: true });
  await writePlan(claim, shards);
  return differs.length > 0 && !wasFinished ? differs.join(", ") : null;
}

/** Removes the temporary files that a crash left. For who holds the lock of the folder. */
export async function removeTemporaries({
  dir,
  buildFolder,
}: Pick<Claim, "dir" | "buildFolder">): Promise<void> {
  await removeLeftovers(dir, (name) => BUILD_FILES.includes(name));
  await removeLeftovers(buildFolder, (name) => SCRATCH_FILES.test(name));
  const scans = join(buildFolder, "scans");
  if (existsSync(scans)) await removeLeftovers(scans, (name) => name.endsWith(".json"));
}

/**
 * Makes the folder that of this build by so many machines, or finds that another machine did. Nothing is removed.
 * Throws ERR_OUTPUT where it was begun with other options, naming them.
 */
export async function joinFolder(claim: Claim, shards: number): Promise<void> {
  const plan = await readPlan(claim.buildFolder);
  if (plan) requireSameBuild(plan, claim);
  if (plan?.shards !== shards) await writePlan(claim, shards);
}

/** Throws ERR_OUTPUT where an unfinished build was begun with other options than these (the inputs aside), naming each with both values. */
export function requireSameBuild(
  plan: BuildPlan,
  { dir, description, taskBytes }: Omit<Claim, "replace">,
): void {
  const { inputs: _, ...options } = description;
  const { version, taskBytes: size } = plan;
  const differs = namedDifferences(
    { "the version of headrace's tasks": TASK_VERSION, ...options, "task-size": taskBytes ?? null },
    { "the version of headrace's tasks": version, ...plan.description, "task-size": size },
  );
  if (differs.length > 0)
    throw new HeadraceError(
      "ERR_OUTPUT",
      `${dir} was begun by another build: ${differs.join("; ")}; give every machine the same options, choose another --out, or remove the folder`,
    );
}

async function writePlan(
  { buildFolder, description: described, taskBytes }: Claim,
  shards: number | null,
): Promise<void> {
  const { inputs, ...description } = described;
  const plan = {
    ...{ format: "headrace-build/1", version: TASK_VERSION, shards, taskBytes: taskBytes ?? null },
    ...{ description, inputs },
  };
  await writeFileWhole(join(buildFolder, "build.json"), `${JSON.stringify(plan)}\n`);
}

/** The plan in a build folder, if there is one. Throws ERR_PARSE. */
export async function readPlan(buildFolder: string): Promise<BuildPlan | undefined> {
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

/** Which fields of two descriptions differ, for an error that can be acted on. */
function differences(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): readonly string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.filter((name) => canonicalJson(a[name] ?? null) !== canonicalJson(b[name] ?? null));
}

/** The same to the innermost field, with both values. */
function namedDifferences(
  here: Readonly<Record<string, unknown>>,
  there: Readonly<Record<string, unknown>>,
): readonly string[] {
  return differences(here, there).flatMap((name) => {
    const [a, b] = [here[name], there[name]];
    if (isFields(a) && isFields(b)) return namedDifferences(a, b).map((rest) => `${name}.${rest}`);
    return `${name} is ${shown(a)} here and ${shown(b)} there`;
  });
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
