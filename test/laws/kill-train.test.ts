/**
 * The law of a run with a trainer that learns: headrace and the embedded trainer killed together, at random times and at random operations
 * on the run's files, end in the schedule, the served log and the losses of a run that nothing disturbed.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { keyOf, wordAt } from "../../core/random.ts";
import { verifyReplay } from "../../samplers/index.ts";
import type { TrainReport } from "../../trainer/index.ts";
import { tree } from "../pipeline/corpus.ts";
import { temporaryFolder } from "../support.ts";
import { tinyRuns } from "../trainer/runs.ts";
import { assertSameFiles, type Disturbance, operationsIn, run } from "./disturbed.ts";
import type { Fault } from "./faults.ts";

const SEED = "kill train/1";
const ROUNDS = 3;
const KILLS_A_ROUND = 3;

const folder = temporaryFolder();
/** For the folders of sockets, which a killed headrace leaves. */
const sockets = join(folder, "sockets");
mkdirSync(sockets);

/** Schedule, served log and loss reports. What was run and the trainer's log say where and when, and checkpoints are the trainer's own. */
function recordOf(out: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(tree(out)).filter(([name]) => /^(schedule\.json|served\.log|reports\/)/.test(name)),
  );
}

/** Kills the trainers of a run, which are process groups of their own. */
function killTrainers(out: string): void {
  const log = join(out, "trainer.log");
  if (!existsSync(log)) return;
  for (const [, pid] of readFileSync(log, "utf8").matchAll(/^pid (\d+)$/gm))
    try {
      process.kill(-Number(pid), "SIGKILL");
    } catch {
      // It has ended.
    }
}

test("a run killed with its trainer again and again ends in the same schedule, served log and losses", {
  timeout: 300_000,
}, async (context) => {
  const options = await tinyRuns(folder);
  const start = (asked: ReturnType<typeof options>, disturbance: Disturbance = {}) =>
    run([JSON.stringify(asked)], {
      ...disturbance,
      script: "test/trainer/run-train.ts",
      environment: { TMPDIR: sockets },
    });
  const faultAt = (out: string, at: number, act: Fault["act"]): Fault => ({
    root: out,
    pattern: ".",
    at,
    act,
    log: `${out}.log`,
  });
  const asked = options("", { trainer: "embedded" });
  const undisturbed = await start(asked, { fault: faultAt(asked.out, 0, "kill") });
  assert.equal(undisturbed.status, 0, undisturbed.said);
  const operations = operationsIn(`${asked.out}.log`).length;
  const expected = recordOf(asked.out);
  assert.equal(Object.keys(expected).length, 7, "schedule, served log and five reports");
  const files = readdirSync(asked.out).sort();

  let resumed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const key = keyOf(SEED, round);
    const killed = options("", { trainer: "embedded" });
    const story: string[] = [];
    for (let kill = 0; kill < KILLS_A_ROUND; kill++) {
      const [where, which] = [wordAt(key, 2 * kill), wordAt(key, 2 * kill + 1)];
      const afterSeconds = (undisturbed.seconds * (1 + (where % 1000) / 200)) / 6;
      const at = 1 + (where % operations);
      story.push(which % 2 === 0 ? `after ${afterSeconds} s` : `at operation ${at} of ${operations}`);
      const ended = await start(
        killed,
        which % 2 === 0 ? { afterSeconds } : { fault: faultAt(killed.out, at, "kill") },
      );
      killTrainers(killed.out);
      assert.ok(ended.status === null || ended.status === 0, `${story}: ${ended.said}`);
    }
    const last = await start(killed);
    assert.equal(last.status, 0, `${story}: ${last.said}`);
    const report = JSON.parse(last.printed) as TrainReport;
    assert.equal(report.finished, true, story.join());
    if ((report.resumedAt ?? 0) > 0) resumed++;
    assertSameFiles(recordOf(killed.out), expected, story.join());
    assert.deepEqual(readdirSync(killed.out).sort(), files, story.join());
    const checkpoints = readdirSync(join(killed.out, "checkpoints"));
    assert.ok(
      checkpoints.every((name) => !name.endsWith(".tmp")),
      `${story}: ${checkpoints} are left`,
    );
    assert.ok((await verifyReplay(killed.out, killed.shards)).identical, story.join());
    context.diagnostic(`killed ${story.join(", then ")}; the last run began at batch ${report.resumedAt}`);
  }
  assert.ok(resumed > 0, "no run had anything to go on from");
});
