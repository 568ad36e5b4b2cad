import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { readSchedule, verifyReplay } from "../../samplers/index.ts";
import { beginRun } from "../../trainer/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { tinyRuns } from "./runs.ts";

it("examples/loop.ts moves the weights, goes on after a stop to the same end, and leaves a run that is proved", async () => {
  const dir = temporaryFolder();
  const options = await tinyRuns(dir);
  const ends: string[] = [];
  for (const stops of [[], ["--until", "7"]]) {
    const { shards, out } = options("");
    await beginRun({ ...options(""), out });
    for (const flags of stops.length > 0 ? [stops, []] : [[]]) {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(ROOT, "examples/loop.ts"), out, shards, ...flags],
        { encoding: "utf8" },
      );
      assert.equal(status, 0, stderr);
      ends.push(stdout.trim());
    }
    assert.deepEqual((await verifyReplay(out, shards)).differences, []);
    const { stages } = await readSchedule(join(out, "schedule.json"));
    assert.equal(stages.length, 5);
    assert.notDeepEqual(stages[1]!.weights, stages[0]!.weights);
    assert.equal(readFileSync(join(out, "served.log"), "utf8").split("\n").length, 21);
  }
  assert.equal(ends[2], ends[0]);
});
