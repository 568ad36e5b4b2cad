import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { domainWeights } from "../../core/domain.ts";
import {
  acquireLock,
  addServed,
  beginSchedule,
  branchRun,
  type LossDrivenPolicy,
  openPlan,
  openSampler,
  parseSchedule,
  plannedHashes,
  readSchedule,
  reviseRun,
  reviseSchedule,
  reweight,
  runPaths,
  type Schedule,
  type ShardManifest,
  verifyReplay,
} from "../../samplers/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { createTinyRun, lossReport, tinyHeader, tinySchedule, writeTinyShards } from "./tiny.ts";

const dir = temporaryFolder();
const shards = join(dir, "shards");
let manifest: ShardManifest;
let runs = 0;
before(async () => {
  manifest = await writeTinyShards(shards);
});

/** A run folder of 20 batches of 12 rows; `acknowledged` of them are in its served log. */
async function newRun(schedule: Schedule, acknowledged = 0): Promise<string> {
  const run = join(dir, `run-${runs++}`);
  await createTinyRun(run, shards, schedule);
  serve(run, schedule, acknowledged);
  return run;
}

/** The served log of a run as it is after some batches. */
function serve(run: string, schedule: Schedule, until: number): void {
  const hashOf = plannedHashes(openPlan(schedule));
  const lines = Array.from({ length: until }, (_, k) => `${k} ${hashOf(k)}\n`);
  writeFileSync(runPaths(run).served, lines.join(""));
}

const SKIP = { kind: "skip", fromBatch: 10, untilBatch: 13 } as const;

describe("a change of a run folder", () => {
  it("is recorded with its note, and the run replays and verifies", async () => {
    const run = await newRun(tinySchedule(manifest), 10);
    const schedule = await reviseRun(run, SKIP, { note: "loss spike" });
    assert.deepEqual(await readSchedule(runPaths(run).schedule), schedule);
    const [first, second] = schedule.stages;
    assert.deepEqual([first!.untilBatch, second!.fromBatch, second!.untilBatch], [20, 10, 20]);
    assert.deepEqual(second!.revises, { kind: "skip", untilBatch: 13, note: "loss spike" });
    assert.deepEqual(second!.cause, { kind: "continued" });
    assert.equal(
      second!.skipped!.reduce((sum, rows) => sum + rows, 0),
      3 * 12,
    );
    serve(run, schedule, 20);
    const report = await verifyReplay(run, shards);
    assert.deepEqual([report.identical, report.batches, report.differences], [true, 20, []]);
  });

  it("is refused where it would reach a batch that was served, or while somebody trains", async () => {
    const run = await newRun(tinySchedule(manifest), 11);
    await assert.rejects(reviseRun(run, SKIP), {
      code: "ERR_SCHEDULE",
      message: `batch 10 was served: 11 batches are acknowledged; begin at 11, or make a branch: headrace branch ${run}@10 --out NEW`,
    });
    const lock = await acquireLock(runPaths(run).trainLock);
    try {
      await assert.rejects(reviseRun(run, { ...SKIP, fromBatch: 11 }), { code: "ERR_LOCKED" });
    } finally {
      lock.release();
    }
    assert.equal((await readSchedule(runPaths(run).schedule)).stages.length, 1);
  });

  it("to batches that a world cannot share out is refused before it is recorded, with the divisors", async () => {
    const run = await newRun(tinySchedule(manifest));
    const change = { kind: "batch", fromBatch: 10, batchRows: 30 } as const;
    await assert.rejects(reviseRun(run, change, { world: 4 }), {
      code: "ERR_WORLD",
      message:
        "world 4 x micro-batch 7.5 x accumulation 1 is not the batch of 30 rows; divisors of 30: 1 2 3 5 6 10 15 30",
    });
    assert.equal((await readSchedule(runPaths(run).schedule)).stages.length, 1);
    await reviseRun(run, change, { world: 3, microBatch: 2 });
    assert.equal((await readSchedule(runPaths(run).schedule)).stages.length, 2);
  });

  it("to weights needs one for every domain", async () => {
    const run = await newRun(tinySchedule(manifest));
    const weights = domainWeights({ web: 0.5, code: 0.5 });
    await assert.rejects(reviseRun(run, { kind: "weights", fromBatch: 18, weights }), {
      code: "ERR_WEIGHTS",
      message: 'the new weights have none for domain "books"; give it one, or 0',
    });
  });

  it("before rows that are to be passed over later is refused, because it would make them others", () => {
    const schedule = reviseSchedule(tinySchedule(manifest), SKIP);
    assert.throws(() => reviseSchedule(schedule, { kind: "batch", fromBatch: 4, batchRows: 24 }), {
      code: "ERR_SCHEDULE",
      message:
        /would make the rows others that are passed over at batch 10; make changes in the order of batches/,
    });
  });

  it("under a loss-driven policy keeps the reports that are due, and their stages verify", async () => {
    const run = await newRun(tinySchedule(manifest, { policy: "dynamic-uniform" }));
    await reviseRun(run, { kind: "batch", fromBatch: 2, batchRows: 24 });
    await reweight(run, lossReport(4, { web: 2.5, code: 2.25, books: 2 }));
    await reviseRun(run, { kind: "skip", fromBatch: 4, untilBatch: 6 });
    const { schedule } = await reweight(run, lossReport(8, { web: 2.4, code: 2.2, books: 2 }));
    assert.deepEqual(
      schedule.stages.map(({ fromBatch, cause, batchRows }) => [fromBatch, cause.kind, batchRows]),
      [
        [0, "initial", undefined],
        [2, "continued", 24],
        [4, "loss", 24],
        [4, "loss", 24],
        [8, "loss", 24],
      ],
    );
    serve(run, schedule, 12);
    const report = await verifyReplay(run, shards);
    assert.deepEqual([report.identical, report.updates, report.differences], [true, 3, []]);
  });
});

describe("a sampler over batches of several sizes", () => {
  it("gives every rank its part of each, and the same rows for any world", async () => {
    const schedule = reviseSchedule(tinySchedule(manifest), { kind: "batch", fromBatch: 10, batchRows: 24 });
    const alone = await openSampler({ shards, schedule });
    const ranks = await Promise.all(
      [0, 1, 2].map((rank) =>
        openSampler({ shards, schedule, rank, world: 3, microBatch: 2, accumulation: 2 }),
      ),
    );
    for (const k of [9, 10, 19]) {
      const whole = await alone.batch(k);
      const parts = await Promise.all(ranks.map((sampler) => sampler.batch(k)));
      assert.deepEqual([whole.rows, parts[0]!.rows], k < 10 ? [12, 4] : [24, 8]);
      assert.equal(parts.map(({ served }) => served).reduce(addServed), whole.served);
    }
    for (const sampler of [alone, ...ranks]) sampler.close();
  });

  it("says before the first batch that a later one cannot be shared out", async () => {
    const schedule = reviseSchedule(tinySchedule(manifest), { kind: "batch", fromBatch: 10, batchRows: 15 });
    await assert.rejects(openSampler({ shards, schedule, world: 4 }), {
      code: "ERR_WORLD",
      message: /is not the batch of 15 rows; divisors of 15: 1 3 5 15/,
    });
  });

  it("refuses a schedule that revises a batch which it has given", async () => {
    const schedule = tinySchedule(manifest);
    const sampler = await openSampler({ shards, schedule });
    await sampler.batch(10);
    assert.throws(() => sampler.extend(reviseSchedule(schedule, SKIP)), {
      code: "ERR_SCHEDULE",
      message: /stage 1 revises the plan from batch 10 on, and this sampler has given 11 batches/,
    });
    sampler.extend(reviseSchedule(schedule, { ...SKIP, fromBatch: 11 }));
    sampler.close();
  });
});

describe("a branch", () => {
  it("replays alone: its stages, reports and served log, and nothing of the other run after it", async () => {
    const run = await newRun(tinySchedule(manifest, { policy: "dynamic-uniform" }));
    await reweight(run, lossReport(4, { web: 2.5, code: 2.25, books: 2 }));
    const { schedule } = await reweight(run, lossReport(8, { web: 2.4, code: 2.2, books: 2 }));
    serve(run, schedule, 12);
    const out = join(dir, "branch");
    const made = await branchRun(run, 6, out, { change: { ...SKIP, fromBatch: 6, untilBatch: 9 } });
    assert.deepEqual([made.shared, made.acknowledged], [2, 6]);
    assert.deepEqual(made.schedule.stages.slice(0, 2), schedule.stages.slice(0, 2));
    assert.deepEqual(made.schedule.stages[2]!.revises, {
      kind: "branch",
      parent: schedule.stages.at(-1)!.hash,
      stages: 3,
    });
    assert.equal(readFileSync(runPaths(out).served, "utf8").split("\n").length, 7);
    assert.ok(!existsSync(join(out, "reports/00000008.json")));
    assert.equal(
      made.schedule.stages.at(-1)!.untilBatch,
      8,
      "the losses at batch 8 will be the branch's own",
    );
    const passed = Array.from({ length: 3 }, (_, i) => openPlan(schedule).counts(6 + i));
    assert.deepEqual(
      made.schedule.stages.at(-1)!.skipped,
      [0, 1, 2].map((domain) => passed.reduce((sum, counts) => sum + counts[domain]!, 0)),
    );
    const report = await verifyReplay(out, shards);
    assert.deepEqual([report.identical, report.batches, report.differences], [true, 6, []]);
    const longer = (await reweight(out, lossReport(8, { web: 2.3, code: 2.2, books: 2.1 }))).schedule;
    serve(out, longer, 12);
    assert.equal((await verifyReplay(out, shards)).identical, true);
    await assert.rejects(branchRun(run, 6, out), { code: "ERR_OUTPUT" });
    await assert.rejects(branchRun(run, 13, join(dir, "none")), { code: "ERR_SCHEDULE" });
    await assert.rejects(branchRun(run, 6, join(dir, "none"), { change: { ...SKIP, fromBatch: 5 } }), {
      code: "ERR_ARGUMENT",
    });
  });
});

describe("headrace stage and headrace branch", () => {
  const headrace = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(ROOT, "scripts/headrace.ts"), ...args, "--json"],
      { encoding: "utf8" },
    );
    return { status, said: stderr, json: stdout === "" ? null : JSON.parse(stdout) };
  };

  it("act on run folders and say what governs which batches", async () => {
    const run = await newRun(tinySchedule(manifest), 12);
    const late = headrace("stage", run, "--skip", "10..13");
    assert.equal(late.status, 1);
    assert.match(late.said, /batch 10 was served: 12 batches are acknowledged/);
    const out = join(dir, "command");
    const made = headrace("branch", `${run}@10`, "--out", out, "--skip", "10..13", "--note", "spike");
    assert.equal(made.status, 0, made.said);
    assert.deepEqual([made.json.acknowledged, made.json.stages], [10, 3]);
    assert.match(made.said, /skip, 36 rows passed over, "spike"/);
    const annealed = headrace(
      "stage",
      out,
      "--weights",
      '{"web":0.2,"code":0.4,"books":0.4}',
      "--from",
      "90%",
    );
    assert.equal(annealed.status, 0, annealed.said);
    assert.equal(annealed.json.change.fromBatch, 18);
    const both = headrace("stage", out, "--end", "--batch", "24", "--from", "19");
    assert.equal(both.status, 2);
    assert.match(both.said, /2 changes are asked for at once/);
    const report = await verifyReplay(out, shards);
    assert.deepEqual([report.identical, report.stages], [true, 4]);
  });
});

describe("a domain that is withdrawn", () => {
  it("is never served again, whatever the losses say, with guard rails and without", async () => {
    for (const name of ["dynamic-uniform", "as-published"]) {
      const header = tinyHeader(manifest, { policy: "dynamic-uniform" });
      const policy =
        name === "as-published" ? { ...(header.policy as LossDrivenPolicy), rails: null } : header.policy;
      const run = await newRun(beginSchedule({ ...header, policy }));
      await reviseRun(run, { kind: "withdraw", fromBatch: 2, domains: ["code"] }, { note: "takedown" });
      await reweight(run, lossReport(4, { web: 2.1, code: 9, books: 2 }));
      const { schedule } = await reweight(run, lossReport(8, { web: 2.1, code: 9, books: 2 }));
      const plan = openPlan(schedule);
      for (let k = 2; k < 12; k++) assert.equal(plan.counts(k)[1], 0);
      assert.ok(plan.counts(1)[1]! > 0);
      serve(run, schedule, 12);
      const report = await verifyReplay(run, shards);
      assert.deepEqual([report.identical, report.updates, report.differences], [true, 2, []]);
    }
  });

  it("cannot be given weight later: not by a change, and not by a stage that says so", () => {
    const schedule = reviseSchedule(tinySchedule(manifest), {
      kind: "withdraw",
      fromBatch: 5,
      domains: ["code"],
    });
    const weights = domainWeights({ web: 0.5, code: 0.25, books: 0.25 });
    const back = reviseSchedule(schedule, { kind: "weights", fromBatch: 8, weights });
    assert.throws(() => parseSchedule(JSON.parse(JSON.stringify(back))), {
      code: "ERR_SCHEDULE",
      message: /stage 2 \(from batch 8\) gives weight to domain "code", which was withdrawn/,
    });
    assert.throws(
      () => reviseSchedule(schedule, { kind: "withdraw", fromBatch: 9, domains: ["web", "books"] }),
      {
        code: "ERR_WEIGHTS",
        message: "without web and books no domain has a weight; give others weight first, or end the run",
      },
    );
    assert.throws(() => reviseSchedule(schedule, { kind: "withdraw", fromBatch: 9, domains: ["news"] }), {
      code: "ERR_DOMAIN",
      message: '"news" is to be withdrawn; the schedule has web, code, books',
    });
  });
});
