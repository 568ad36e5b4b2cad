/**
 * A build that runs out of room says so in one line and commits nothing that is cut short: with room again it ends in the bytes of a build
 * that always had it. The system's own limit on the size of a file (`ulimit -f`, KiB) makes writes fail, and makes some of them short.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tree } from "../pipeline/corpus.ts";
import { ROOT, temporaryFolder } from "../support.ts";

const scratch = temporaryFolder();
const input = join(scratch, "train");

/** The committed corpus, with records that are no documents: enough for a quarantine that crosses the limits. */
const damaged = Array.from({ length: 300 }, (_, i) => `{"text": broken record ${i}`).join("\n");
writeFileSync(
  `${input}.jsonl`,
  `${readFileSync(join(ROOT, "fixtures/corpus/tiny.jsonl"), "utf8")}${damaged}\n`,
);

function build(out: string, kibibytes?: number): { readonly status: number | null; readonly said: string } {
  const command = `${kibibytes === undefined ? "" : `ulimit -f ${kibibytes}; `}exec "$0" "$@"`;
  const run = spawnSync(
    "bash",
    [
      "-c",
      command,
      process.execPath,
      join(ROOT, "scripts/headrace.ts"),
      "build",
      `${input}.jsonl`,
      ...["--out", join(scratch, out), "--workers", "1", "--drop", "ads=0.3:documents"],
    ],
    { encoding: "utf8" },
  );
  return { status: run.status, said: run.stderr };
}

/** SHA-256 of every file but those of `.build`, by path. */
const filesOf = (out: string) => tree(join(scratch, out));

test("writes that fail or are short at any size of file: one line, and afterwards the bytes of an undisturbed build", () => {
  const undisturbed = build("undisturbed");
  assert.equal(undisturbed.status, 0, undisturbed.said);
  const expected = filesOf("undisturbed");
  let failed = 0;
  for (const kibibytes of [1, 9, 22, 29, 33, 37]) {
    const out = `limit-${kibibytes}`;
    const first = build(out, kibibytes);
    if (first.status !== 0) {
      failed++;
      assert.equal(first.status, 1, first.said);
      assert.match(first.said, /cannot write .*\[ERR_OUTPUT\]\s*$/, `${kibibytes} KiB`);
      assert.doesNotMatch(first.said, /\n\s+at /, "a stack is no message for people");
      assert.equal(
        Object.keys(filesOf(out)).includes("manifest.json"),
        false,
        "committed in spite of a failure",
      );
    }
    const second = build(out);
    assert.equal(second.status, 0, second.said);
    assert.deepEqual(filesOf(out), expected, `${kibibytes} KiB`);
  }
  assert.equal(failed >= 5, true, `only ${failed} of the limits made a build fail`);
});
