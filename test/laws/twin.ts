/** The Python package asked by a script: one JSON value in, a JSON value a line out. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../support.ts";

/** Runs a script with `input` as JSON on its standard input; what each line that it prints says. */
export function askTwin(command: string, script: string, input: unknown): readonly unknown[] {
  const { stdout, stderr, status } = spawnSync(command, ["-c", script], {
    input: JSON.stringify(input),
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    env: { ...process.env, PYTHONPATH: join(ROOT, "trainer/python"), PYTHONDONTWRITEBYTECODE: "1" },
  });
  assert.equal(status, 0, stderr);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}
