/**
 * `schedule.json`: read and checked whole, written whole or not at all.
 */
import { readFile } from "node:fs/promises";
import { writeFileWhole } from "../core/commit.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { array, object, parseJson } from "../core/parse.ts";
import { checkStage } from "./chain.ts";
import { parseHeader } from "./header.ts";
import { parseStage, type Schedule } from "./stage.ts";

/**
 * A schedule from outside, checked whole: shape, order of stages, hash chain, then rows and deficits recomputed.
 * Throws ERR_PARSE on a wrong shape and ERR_SCHEDULE naming the first wrong stage, what it has and what was expected.
 */
export function parseSchedule(value: unknown, at = "schedule"): Schedule {
  const schedule = object({ header: parseHeader, stages: array(parseStage) }, { strict: true })(value, at);
  schedule.stages.forEach((_, index) => {
    checkStage(schedule, index, at);
  });
  return schedule;
}

/** Reads and checks `schedule.json`. Throws ERR_INPUT when it cannot be read, else as `parseSchedule`. */
export async function readSchedule(path: string): Promise<Schedule> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new HeadraceError("ERR_INPUT", `schedule ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return parseJson(text, parseSchedule, path);
}

/** Writes a schedule whole or not at all, one line a stage. Throws ERR_OUTPUT. */
export async function writeSchedule(path: string, { header, stages }: Schedule): Promise<void> {
  const lines = stages.map((stage) => `\n${JSON.stringify(stage)}`).join(",");
  await writeFileWhole(path, `{"header":${JSON.stringify(header)},\n"stages":[${lines}]}\n`);
}
