import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  decidedEnd,
  nextReport,
  readManifest,
  readRun,
  readSchedule,
  reweight,
  scheduleState,
  validationHash,
} from "../../samplers/index.ts";
import { beginRun, type RunOptions, writeReference } from "../../trainer/index.ts";
import { lossReport, writeTinyShards } from "../samplers/tiny.ts";
import { temporaryFolder } from "../support.ts";

async function optionsOf(changes: Partial<RunOptions> = {}): Promise<RunOptions> {
  const folder = temporaryFolder();
  const shards = join(folder, "shards");
  await writeTinyShards(shards);
  return {
    shards,
    out: join(folder, "run"),
    policy: '{"steps":{"0":{"web":0.5,"code":0.25,"books":0.25},"50%":{"web":0.25,"code":0.25,"books":0.5}}}',
    tokens: 4 * 8 * 20,
    rowTokens: 4,
    batchRows: 8,
    ...changes,
  };
}

test("a run is begun once: the same call finds it, another is refused by what differs", async () => {
  const options = await optionsOf();
  const begun = await beginRun(options);
  assert.deepEqual([begun.run, begun.resumed, begun.schedule.stages.length], [options.out, false, 2]);
  assert.deepEqual(decidedEnd(begun.schedule), { batch: 20, final: true });
  assert.equal((await readRun(options.out)).trainer, "external");
  assert.deepEqual(readdirSync(options.out).sort(), ["checkpoints", "reports", "run.json", "schedule.json"]);
  const again = await beginRun(options);
  assert.deepEqual([again.resumed, scheduleState(again.schedule)], [true, scheduleState(begun.schedule)]);
  await assert.rejects(beginRun({ ...options, seed: 5 }), { code: "ERR_OUTPUT", message: /seed/ });
});

test("a dynamic run that is begun takes its stages from reports, with the lag that was asked for", async () => {
  const options = await optionsOf({
    policy: "dynamic-uniform",
    everyTokens: 4 * 8 * 4,
    lag: 1,
    rule: "doremi",
  });
  const manifest = await readManifest(options.shards);
  const reference = join(options.out, "../reference.json");
  await assert.rejects(beginRun(options), { code: "ERR_LOSS", message: /have none for domain "web"/ });
  assert.equal(existsSync(options.out), false);
  const losses = { web: 2, code: 2, books: 2 };
  await writeReference(reference, {
    format: "headrace-reference/1",
    model: "a test",
    tokenizer: manifest.tokenizer.sha256,
    validation: validationHash(manifest),
    domains: lossReport(0, losses).domains,
  });
  const { schedule } = await beginRun({ ...options, reference });
  assert.deepEqual([decidedEnd(schedule).batch, nextReport(schedule)], [5, 4]);
  const { stage } = await reweight(options.out, lossReport(4, { ...losses, books: 3 }));
  assert.deepEqual([stage?.fromBatch, stage?.lag], [5, 1]);
  assert.ok(stage!.weights[2]! > stage!.weights[0]!);

  const next = await optionsOf({ policy: `average=${options.out}` });
  const { header, stages } = (await beginRun(next)).schedule;
  assert.deepEqual([header.policy.kind, stages[0]!.weights], ["static", stage!.weights]);
});

test("reports move the weights of a begun run", async () => {
  const weights = { web: 0.4, code: 0.3, books: 0.3 };
  const options = await optionsOf({ policy: JSON.stringify(weights) });
  const { schedule } = await beginRun(options);
  assert.equal(nextReport(schedule), null);
  assert.equal((await reweight(options.out, lossReport(20, { web: 2, code: 2, books: 2 }))).stage, null);
  assert.equal((await readSchedule(join(options.out, "schedule.json"))).stages.length, 1);
});
