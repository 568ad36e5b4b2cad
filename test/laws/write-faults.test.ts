/**
 * A disk that fails once, at any operation of any phase of a build: a file that cannot be opened, a write that fails or is short, a flush,
 * a close, a renaming. Each time one line with a code and nothing wrong that is committed, and in the end the bytes and the report of an
 * undisturbed build. HEADRACE_KILLS / 3 is how many, at least 8.
 */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { keyOf, wordAt } from "../../core/random.ts";
import { tree } from "../pipeline/corpus.ts";
import { temporaryFolder } from "../support.ts";
import { assertSameFiles, operationsIn, reportIn } from "./disturbed.ts";
import { CORPUS, disturbedBuilds, PHASE_NAMES, PHASES, STATUS } from "./disturbed-build.ts";
import type { Fault, Operation } from "./faults.ts";

const FAULTS = Math.max(8, Math.floor(Number(process.env["HEADRACE_KILLS"] ?? 12) / 3));
const SEED = "write faults/1";
/** So many failures in a row before the build may end. */
const FAULTS_A_ROUND = 6;

const ERRORS: readonly (readonly [Operation, Fault["act"]])[] = [
  ["open", "EMFILE"],
  ["open", "ENOSPC"],
  ["write", "ENOSPC"],
  ["write", "EIO"],
  ["write", "short"],
  ["sync", "EIO"],
  ["close", "EIO"],
  ["rename", "EIO"],
  ["mkdir", "ENOSPC"],
  ["link", "EIO"],
];

const folder = temporaryFolder();
const { build, left, faultAt } = disturbedBuilds(folder);

test(`a disk that fails ${FAULTS} times costs one line each time, and no byte`, {
  timeout: 60_000 + 15_000 * FAULTS,
}, async (context) => {
  const counting = faultAt("undisturbed", /./, 0, "EIO");
  const undisturbed = await build("undisturbed", { fault: counting });
  assert.equal(undisturbed.status, STATUS, undisturbed.said);
  const operations = operationsIn(counting.log);
  const expected = left("undisturbed");
  const shards = tree(join(folder, "undisturbed"));
  const report = reportIn(undisturbed.printed);

  const kinds = PHASE_NAMES.flatMap((phase) =>
    ERRORS.map(([operation, act]) => {
      const pattern = new RegExp(`^(?=${operation} )(?:${PHASES[phase].source})`);
      return {
        phase,
        operation,
        act,
        pattern,
        count: operations.filter((line) => pattern.test(line)).length,
      };
    }),
  ).filter(({ count }) => count > 0);
  const order = keyOf(SEED);
  const chosen = kinds
    .map((kind, i) => ({ ...kind, by: wordAt(order, i) }))
    .sort((a, b) => a.by - b.by)
    .slice(0, FAULTS);
  assert.ok(chosen.length >= 8, `${chosen.length} kinds of faults`);

  let failed = 0;
  for (let round = 0; round * FAULTS_A_ROUND < chosen.length; round++) {
    const out = `round-${round}`;
    const dir = join(folder, out);
    const story: string[] = [];
    const settle = async () => {
      const last = await build(out);
      assert.equal(last.status, STATUS, `${story}: ${last.said}`);
      assertSameFiles(left(out), expected, story.join(", then "));
      assert.deepEqual(reportIn(last.printed), report, story.join(", then "));
      rmSync(dir, { recursive: true });
      story.length = 0;
    };
    // In the order of the phases, so that what one failure leaves done does not keep the next from happening.
    const faults = chosen
      .slice(round * FAULTS_A_ROUND, (round + 1) * FAULTS_A_ROUND)
      .sort((a, b) => PHASE_NAMES.indexOf(a.phase) - PHASE_NAMES.indexOf(b.phase));
    for (const [i, { phase, operation, act, pattern, count }] of faults.entries()) {
      const share = wordAt(keyOf(SEED, round), i) / 2 ** 32;
      const at = 1 + Math.floor(count * share ** 2);
      story.push(`${act} at ${operation} ${at} of ${count} in ${phase}`);
      const ended = await build(out, { fault: faultAt(out, pattern, at, act) });
      const told = `${story.join(", then ")}: ${ended.said}`;
      if (ended.status === STATUS) {
        await settle(); // a short write, that went on
        continue;
      }
      failed++;
      assert.equal(ended.status, 1, told);
      assert.match(ended.said, /(^|\n)headrace: [^\n]* \[ERR_OUTPUT\]\n$/, told);
      assert.doesNotMatch(ended.said, /\n\s+at /, `a stack is no message for people: ${told}`);
      if (existsSync(join(dir, "manifest.json"))) assertSameFiles(tree(dir), shards, told);
    }
    if (story.length > 0) await settle();
  }
  context.diagnostic(`${chosen.length} of ${kinds.length} kinds of faults, ${failed} ended a build`);
  assert.ok(failed > chosen.length / 2, `only ${failed} faults ended a build`);
});

test("a process that has too many open files when it opens an input says so, and loses no document", async () => {
  const inputs = (at: number): Fault => ({
    root: join(folder, CORPUS),
    pattern: "^open ",
    at,
    act: "EMFILE",
    log: join(folder, "inputs.log"),
  });
  await build("counted", { fault: inputs(0) });
  const opened = operationsIn(inputs(0).log).length;
  const expected = left("counted");
  // While the inputs are looked at, while the calibration samples them, and while tasks read them.
  for (const at of [2, Math.floor(opened / 2), opened]) {
    const ended = await build("short of files", { fault: inputs(at) });
    assert.equal(ended.status, 1, `open ${at} of ${opened}: ${ended.said}`);
    assert.match(
      ended.said,
      /(^|\n)headrace: cannot open \S+\.jsonl(\.zst)?: this process has too many open files; raise its limit \(ulimit -n\) or give fewer --workers, then run again {2}\[ERR_RUNTIME\]\n$/,
    );
  }
  assert.equal((await build("short of files")).status, STATUS);
  assertSameFiles(left("short of files"), expected, `${opened} opened inputs`);
});
