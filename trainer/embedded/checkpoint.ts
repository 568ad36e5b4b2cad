/**
 * A saved model: one file with a JSON header line, the arrays as they lie in memory, and the SHA-256 of all that.
 * Written whole or not at all; a cut or changed file is refused by name, so the last good one stays in use.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { attempt, openPending, removeLeftovers } from "../../core/commit.ts";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { integer, object, oneOf, parseJson, string } from "../../core/parse.ts";
import { type ModelShape, type SavedArrays, TrigramModel } from "./model.ts";

/** Where training stood when the model was saved. */
export interface CheckpointState {
  /** Batches learnt. */
  readonly batch: number;
  /** Stages of the schedule known then. */
  readonly stages: number;
  /** Hash of the last of them. */
  readonly hash: string;
}

const headerOf = object({
  format: oneOf("headrace-embedded/1"),
  state: object({ batch: integer(0), stages: integer(0), hash: string }),
  shape: object({ vocabulary: integer(1, 2 ** 20), pairBits: integer(1, 28), tripleBits: integer(1, 28) }),
});

/** The arrays in file order, with the element count of each for a shape. */
const LAYOUT: readonly (readonly [keyof SavedArrays, "u32" | "f64", (shape: ModelShape) => number])[] = [
  ["single", "u32", (s) => s.vocabulary],
  ["afterToken", "u32", (s) => s.vocabulary],
  ["kindsAfterToken", "u32", (s) => s.vocabulary],
  ["pairKeys", "f64", (s) => 2 ** s.pairBits],
  ["pairCounts", "u32", (s) => 2 ** s.pairBits],
  ["afterPair", "u32", (s) => 2 ** s.pairBits],
  ["kindsAfterPair", "u32", (s) => 2 ** s.pairBits],
  ["tripleKeys", "f64", (s) => 2 ** s.tripleBits],
  ["tripleCounts", "u32", (s) => 2 ** s.tripleBits],
];

/** How many checkpoints of a run are kept. */
const KEPT = 2;

/** Saves a checkpoint into the folder of a run and removes all but the newest two, and what a killed trainer left. Throws ERR_OUTPUT, leaving the older ones. */
export async function saveNewest(folder: string, model: TrigramModel, state: CheckpointState): Promise<void> {
  await saveCheckpoint(join(folder, nameOf(state.batch)), model, state);
  await removeLeftovers(folder, isCheckpoint);
  for (const name of (await checkpointNames(folder)).slice(KEPT))
    await rm(join(folder, name), { force: true });
}

/** The newest whole checkpoint of a folder; a damaged one is passed over, and `say` told of it. Undefined where there is none. */
export async function loadNewest(
  folder: string,
  say: (line: string) => void,
): Promise<{ readonly model: TrigramModel; readonly state: CheckpointState } | undefined> {
  for (const name of await checkpointNames(folder)) {
    try {
      const loaded = await loadCheckpoint(join(folder, name));
      if (loaded) return loaded;
    } catch (error) {
      say(messageOf(error));
    }
  }
  return undefined;
}

/** Newest first. */
async function checkpointNames(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  return names.filter(isCheckpoint).sort().reverse();
}

function isCheckpoint(name: string): boolean {
  return /^model-\d{8}\.bin$/.test(name);
}

function nameOf(batch: number): string {
  return `model-${String(batch).padStart(8, "0")}.bin`;
}

/** Saves a model and where it stands. Throws ERR_OUTPUT, leaving the file that was there. */
export async function saveCheckpoint(
  path: string,
  model: TrigramModel,
  state: CheckpointState,
): Promise<void> {
  const arrays = model.arrays();
  const header = Buffer.from(
    `${JSON.stringify({ format: "headrace-embedded/1", state, shape: model.shape })}\n`,
  );
  const parts = [header, ...LAYOUT.map(([name]) => bytesOf(arrays[name]))];
  const hash = createHash("sha256");
  const file = await openPending(path);
  try {
    for (const part of parts) {
      hash.update(part);
      await attempt(path, () => file.handle.writeFile(part)); // goes on after a short write, unlike write
    }
    await attempt(path, () => file.handle.writeFile(hash.digest()));
    await file.commit();
  } finally {
    await file.abort();
  }
}

/** Loads a model, or returns undefined where there is no file. Throws ERR_TRAINER where the file is not whole. */
export async function loadCheckpoint(
  path: string,
): Promise<{ readonly model: TrigramModel; readonly state: CheckpointState } | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const body = bytes.subarray(0, -32);
  const end = body.indexOf(10);
  const whole = end > 0 && createHash("sha256").update(body).digest().equals(bytes.subarray(-32));
  if (!whole)
    throw new HeadraceError(
      "ERR_TRAINER",
      `checkpoint ${path} (${bytes.length} bytes) is cut or changed; remove it to train from the start`,
    );
  const { state, shape } = parseJson(body.toString("utf8", 0, end), headerOf, path);
  let at = end + 1;
  const arrays: Record<string, Uint32Array | Float64Array> = {};
  for (const [name, type, count] of LAYOUT) {
    const size = count(shape) * (type === "u32" ? 4 : 8);
    const copy = new Uint8Array(body.subarray(at, at + size)).buffer;
    arrays[name] = type === "u32" ? new Uint32Array(copy) : new Float64Array(copy);
    at += size;
  }
  return { model: new TrigramModel(shape, arrays as unknown as SavedArrays), state };
}

function bytesOf(array: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
