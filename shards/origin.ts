/**
 * `origin.json`: what a folder of shards was made from (docs/format.md 1.6). Its hash is the manifest's key, so two folders with the same
 * key hold the same bytes, and a finished build can be filtered anew without its input.
 */
import { join } from "node:path";
import { writeFileWhole } from "../core/commit.ts";
import { hashOf } from "../core/hash.ts";
import {
  anything,
  array,
  integer,
  nullable,
  object,
  oneOf,
  parseJson,
  record,
  string,
} from "../core/parse.ts";
import { readPart } from "./part.ts";

const count = integer(0);

const input = object({
  role: oneOf("train", "validation"),
  source: string,
  bytes: count,
  sha256: nullable(string),
});

const origin = object(
  {
    format: oneOf("headrace-origin/1"),
    version: integer(1),
    inputs: array(input),
    documents: object({ train: count, validation: count }, { strict: true }),
    loneSurrogates: count,
    options: record(anything),
    calibration: nullable(string),
  },
  { strict: true },
);

/** An input file: its place under the input root, its size and the sha256 of its bytes as stored, null where not all could be read. */
export type OriginInput = ReturnType<typeof input>;
/** Everything that decided the bytes of a folder of shards. */
export type Origin = ReturnType<typeof origin>;

/** The name of the file in its folder. */
export const ORIGIN = "origin.json";

/** The manifest's `key`: sha256 of the canonical JSON of the origin. */
export function originKey(of: Origin): string {
  return hashOf(of);
}

/** Reads what a folder of shards was made from. Throws ERR_INPUT where that is not there, and ERR_PARSE. */
export async function readOrigin(dir: string): Promise<Origin> {
  const path = join(dir, ORIGIN);
  return parseJson(await readPart(path), origin, path);
}

/** Writes it whole or not at all: a line a field and an input file. The same origin gives the same bytes. Throws ERR_OUTPUT. */
export async function writeOrigin(dir: string, value: Origin): Promise<void> {
  const fields = Object.entries(origin(value, ORIGIN)).map(([name, field]) =>
    name === "inputs"
      ? `  "inputs": [\n${value.inputs.map((one) => `    ${JSON.stringify(one)}`).join(",\n")}\n  ]`
      : `  ${JSON.stringify(name)}: ${JSON.stringify(field)}`,
  );
  await writeFileWhole(join(dir, ORIGIN), `{\n${fields.join(",\n")}\n}\n`);
}
