/**
 * Kill anything, at any point, and start again: the same schedule and the same served log as if nothing had happened.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { verifyReplay } from "../../samplers/index.ts";
import { type TrainOptions, type TrainReport, train } from "../../trainer/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { tinyRuns } from "../trainer/runs.ts";

const dir = temporaryFolder();
let options: Awaited<ReturnType<typeof tinyRuns>>;
let undisturbed: { readonly schedule: string; readonly served: string; readonly reports: readonly string[] };

before(async () => {
  options = await tinyRuns(dir);
  const asked = options("slow");
  await train(asked);
  undisturbed = recordOf(asked.out);
});

function recordOf(run: string) {
  return {
    schedule: readFileSync(join(run, "schedule.json"), "utf8"),
    served: readFileSync(join(run, "served.log"), "utf8"),
    reports: readdirSync(join(run, "reports"))
      .sort()
      .map((name) => readFileSync(join(run, "reports", name), "utf8")),
  };
}

function linesOf(run: string): number {
  const path = join(run, "served.log");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
}

/** The process ids of the trainers of a run, oldest first. */
function trainersOf(run: string): readonly number[] {
  const path = join(run, "trainer.log");
  if (!existsSync(path)) return [];
  return [...readFileSync(path, "utf8").matchAll(/^pid (\d+)$/gm)].map((match) => Number(match[1]));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A killed child of nobody may stay in the process table until it is reaped.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Runs headrace until the served log has a number of lines and some milliseconds more, then kills it. Returns its report if it was faster. */
async function killHostAt(asked: TrainOptions, lines: number, jitterMs: number): Promise<TrainReport | null> {
  const child = spawn(process.execPath, [join(ROOT, "test/trainer/run-train.ts"), JSON.stringify(asked)], {
    stdio: ["ignore", "pipe", "pipe"],
    // A killed headrace leaves the folder of its socket.
    env: { ...process.env, TMPDIR: dir },
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const closed = new Promise<void>((done) => child.once("close", () => done()));
  let over = false;
  void closed.then(() => {
    over = true;
  });
  while (!over && linesOf(asked.out) < lines) await sleep(2);
  if (!over && Number.isFinite(lines)) {
    await sleep(jitterMs);
    child.kill("SIGKILL");
  }
  await closed;
  assert.equal(errors, "");
  return output === "" ? null : JSON.parse(output);
}

describe("resume", () => {
  it("goes on after headrace is killed again and again, and leaves no trainer behind", async () => {
    // 4, 8, … are the batches of loss reports, around which there is most to go wrong.
    for (const kills of [
      [0, 4, 9],
      [8, 19, 20],
    ]) {
      const asked = options("slow");
      for (const [i, lines] of kills.entries()) {
        await killHostAt(asked, lines, (7 * lines + 5 * i) % 16);
        for (const pid of trainersOf(asked.out)) {
          for (let waited = 0; isAlive(pid) && waited < 5000; waited += 10) await sleep(10);
          assert.ok(!isAlive(pid), `trainer ${pid} outlived headrace`);
        }
      }
      const report = await killHostAt(asked, Number.POSITIVE_INFINITY, 0);
      assert.equal(report?.finished, true, `kills at ${kills}`);
      assert.deepEqual(recordOf(asked.out), undisturbed, `kills at ${kills}`);
      assert.equal((await verifyReplay(asked.out, asked.shards)).identical, true);
    }
  });

  it("goes on after the trainer is killed again and again", async () => {
    const asked = options("slow");
    for (const lines of [1, 4, 12, 18]) {
      const running = train(asked);
      let over = false;
      const ended = running
        .catch(() => {})
        .then(() => {
          over = true;
        });
      const started = trainersOf(asked.out).length;
      while (!over && (linesOf(asked.out) < lines || trainersOf(asked.out).length === started))
        await sleep(2);
      if (!over) process.kill(trainersOf(asked.out).at(-1)!, "SIGKILL");
      await ended;
      await assert.rejects(running, {
        code: "ERR_TRAINER",
        message: /trainer (was killed by SIGKILL|exited with code 137)/,
      });
    }
    const report = await train(asked);
    assert.equal(report.finished, true);
    assert.deepEqual(recordOf(asked.out), undisturbed);
  });

  it("writes the lines that a log lost in a power cut from the checkpoint that was kept, and says so", async () => {
    const asked = options("slow");
    const stop = new AbortController();
    await train({ ...asked, signal: stop.signal, onProgress: ({ batch }) => batch === 10 && stop.abort() });
    const path = join(asked.out, "served.log");
    writeFileSync(path, undisturbed.served.split("\n").slice(0, 6).join("\n"));
    const report = await train(asked);
    assert.equal(report.finished, true);
    assert.ok(
      report.warnings.some((warning) =>
        /cut off an unfinished last line of \d+ bytes after batch 4/.test(warning),
      ),
    );
    assert.ok(
      report.warnings.some((warning) =>
        /the served log ended at 5: the lines between were written/.test(warning),
      ),
    );
    assert.deepEqual(recordOf(asked.out), undisturbed);
  });

  it("refuses a trainer that comes back with the checkpoint of another run", async () => {
    const asked = options("exits 5");
    await assert.rejects(train(asked), { code: "ERR_TRAINER" });
    const [name] = readdirSync(join(asked.out, "checkpoints")).filter((file) => file.endsWith(".json"));
    const path = join(asked.out, "checkpoints", name!);
    const checkpoint = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...checkpoint, hash: "ab".repeat(32) }));
    await assert.rejects(train({ ...asked, trainer: options("slow").trainer }), {
      message: /the schedule does not extend the one in hand/,
    });
  });

  it("ends a run whose trainer trains a batch again on other rows", async () => {
    const asked = options("exits 6");
    await assert.rejects(train(asked), { code: "ERR_TRAINER" });
    const lines = readFileSync(join(asked.out, "served.log"), "utf8").split("\n");
    writeFileSync(join(asked.out, "served.log"), lines.with(5, `5 ${"ab".repeat(8)}`).join("\n"));
    await assert.rejects(train({ ...asked, trainer: options("slow").trainer }), {
      code: "ERR_REPLAY",
      message: /batch 5 is acknowledged with served hash [0-9a-f]{16}, .* has (ab){8}/,
    });
  });
});
