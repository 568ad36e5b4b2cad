import assert from "node:assert/strict";
import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { branchRun, openPlan, reviseRun, verifyReplay } from "../../samplers/index.ts";
import { train } from "../../trainer/index.ts";
import { temporaryFolder } from "../support.ts";
import { tinyRuns } from "./runs.ts";

test("a branch is trained on from the other run's checkpoint, with batches that grow and data passed over, and verifies", async () => {
  const dir = temporaryFolder();
  const options = (await tinyRuns(dir))("good");
  const stopped = new AbortController();
  const interrupted = {
    signal: stopped.signal,
    onProgress: ({ batch }: { batch: number }) => batch >= 9 && stopped.abort(),
  };
  await train({ ...options, ...interrupted });
  const out = join(dir, "branch");
  const { schedule } = await branchRun(options.out, 6, out, {
    change: { kind: "skip", fromBatch: 6, untilBatch: 8 },
  });
  const passed = openPlan(schedule)
    .skipped(8)
    .reduce((sum, rows) => sum + rows, 0);
  assert.equal(passed, 2 * 12);
  await reviseRun(out, { kind: "batch", fromBatch: 7, batchRows: 24 });
  const names = readdirSync(join(options.out, "checkpoints"));
  const early = names.filter((name) => /(^|\D)0*4(\D|$)/.test(name));
  assert.ok(early.length > 0, names.join(" "));
  for (const name of early)
    cpSync(join(options.out, "checkpoints", name), join(out, "checkpoints", name), { recursive: true });

  const report = await train({ ...options, out });
  assert.deepEqual([report.finished, report.batches, report.tokens], [true, 20, 16 * (7 * 12 + 13 * 24)]);
  const verified = await verifyReplay(out, options.shards);
  assert.deepEqual([verified.identical, verified.batches, verified.differences], [true, 20, []]);
});
