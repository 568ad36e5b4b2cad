import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { readSchedule } from "../../samplers/index.ts";
import { type TrainReport, train } from "../../trainer/index.ts";
import { temporaryFolder } from "../support.ts";
import { fakeTrainer, tinyRuns } from "./runs.ts";

const dir = temporaryFolder();

describe("a trainer that fails", () => {
  let options: Awaited<ReturnType<typeof tinyRuns>>;
  let good: TrainReport;
  before(async () => {
    options = await tinyRuns(dir);
    good = await train(options("good"));
  });

  for (const [mode, expected] of [
    [
      "exits-at-once",
      {
        code: "ERR_TRAINER",
        message:
          /trainer exited with code 3 after 0 batches, before any loss report; its last line was "out of memory, or so"; see .*trainer\.log/,
      },
    ],
    [
      "exits 5",
      {
        code: "ERR_TRAINER",
        message: /trainer exited with code 137 after 5 batches; its last line was "CUDA out of memory"/,
      },
    ],
    ["killed 2", { code: "ERR_TRAINER", message: /after 2 batches, before any loss report/ }],
    [
      "hangs 6",
      {
        code: "ERR_TRAINER",
        message:
          /trainer was silent for 2 s; it hangs, .*after 6 batches; its last line was "fake trainer: hangs"/,
      },
    ],
    ["throws 1", { code: "ERR_TRAINER", message: /trainer gave up: no gradient for layer 3/ }],
    [
      "rubbish",
      { code: "ERR_TRAINER", message: /trainer broke the protocol .* is not JSON: .*not json at all/ },
    ],
    ["unknown-message", { code: "ERR_TRAINER", message: /has type "greetings"; known: hello, ready/ }],
    ["skips-ack", { code: "ERR_TRAINER", message: /acknowledged batch 1; expected 0/ }],
    ["nan", { code: "ERR_LOSS", message: /loss report at batch 4 has loss NaN for domain "code"/ }],
    [
      "forgets",
      {
        code: "ERR_LOSS",
        message: /loss report at batch 4 has no loss for domain "code"/,
      },
    ],
    [
      "wrong-rows 6",
      {
        code: "ERR_REPLAY",
        message:
          /served hash 0123456789abcdef in batch 6, the schedule gives [0-9a-f]{16}; it reads other shards/,
      },
    ],
    [
      "nan-loss 3",
      {
        code: "ERR_TRAINER",
        message: /loss is "NaN"; expected a finite number|loss is null; expected a finite number/,
      },
    ],
    [
      "wrong-token",
      { code: "ERR_TRAINER", message: /trainer exited with code 1 after 0 batches.*wrong token/ },
    ],
  ] as const)
    it(`is explained when its fault is "${mode}", and has recorded what an undisturbed one has`, async () => {
      const asked = options(mode, mode.startsWith("hangs") ? { timeoutSeconds: 2 } : {});
      await assert.rejects(train(asked), expected);
      assert.ok(!readdirSync(asked.out).some((name) => name.endsWith(".lock") || name.endsWith(".tmp")));
      const served = readFileSync(join(asked.out, "served.log"), "utf8");
      assert.equal(readFileSync(join(good.run, "served.log"), "utf8").slice(0, served.length), served);
      const { stages } = await readSchedule(join(asked.out, "schedule.json"));
      const expectedStages = (await readSchedule(join(good.run, "schedule.json"))).stages;
      assert.deepEqual(stages, expectedStages.slice(0, stages.length));
    });

  it("does not stand in the way of a better one, which goes on to the same end", async () => {
    for (const mode of ["exits 6", "nan"]) {
      const asked = options(mode);
      await assert.rejects(train(asked));
      const report = await train({ ...asked, trainer: fakeTrainer("good") });
      assert.equal(report.servedHash, good.servedHash);
      assert.equal(report.scheduleHash, good.scheduleHash);
    }
  });

  it("gives up a trainer that beats but does not move, and one that never connects", async () => {
    await assert.rejects(train(options("stalls 3", { stallSeconds: 3 })), {
      code: "ERR_TRAINER",
      message: /beats but made no progress for 3 s; it hangs after 3 batches/,
    });
    await assert.rejects(train(options("never-connects", { startSeconds: 1 })), {
      code: "ERR_TRAINER",
      message: /did not connect within 1 s after 0 batches/,
    });
  });
});
