/**
 * `gap.jsonl`: the tokens that are in no split, because they lie between the train part and the validation part of a document that was
 * cut (docs/format.md 1.5). At most one line a domain; with it every document can be put together again.
 */
import { join } from "node:path";
import { writeFileWhole } from "../core/commit.ts";
import { array, integer, object, parseJson, string } from "../core/parse.ts";
import { readPart } from "./part.ts";

const gap = object({ source: string, line: integer(1), domain: string, tokens: array(integer(0)) });

/** The document that was cut, and its token ids that are in no split. */
export type Gap = ReturnType<typeof gap>;

/** The name of the file in its folder. */
export const GAP = "gap.jsonl";

/** Reads the gaps of a folder of shards. Throws ERR_INPUT and ERR_PARSE. */
export async function readGaps(dir: string): Promise<readonly Gap[]> {
  const path = join(dir, GAP);
  return (await readPart(path))
    .split("\n")
    .filter((line) => line !== "")
    .map((line, i) => parseJson(line, gap, `line ${i + 1} of ${path}`));
}

/** Writes the gaps, whole or not at all. Throws ERR_OUTPUT. */
export async function writeGaps(dir: string, gaps: readonly Gap[]): Promise<void> {
  await writeFileWhole(join(dir, GAP), gaps.map((one) => `${JSON.stringify(one)}\n`).join(""));
}
