import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import {
  acquireLock,
  averageWeights,
  beginSchedule,
  integerWeights,
  meanLosses,
  nextReport,
  PARTS,
  readSchedule,
  recordReport,
  reviseSchedule,
  reweight,
  type ScheduleHeader,
  type ShardManifest,
  settleReports,
  softmaxRule,
  weightsOf,
  writeSchedule,
} from "../../samplers/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { lossReport, tinyHeader, writeTinyShards } from "./tiny.ts";

const dir = temporaryFolder();
let manifest: ShardManifest;
let runs = 0;
before(async () => {
  manifest = await writeTinyShards(join(dir, "shards"));
});

const LOSSES = { web: 2.5, code: 2.25, books: 2 };

async function newRun(changes: Parameters<typeof tinyHeader>[1] = {}, lag = 0): Promise<string> {
  const run = join(dir, `run-${runs++}`);
  mkdirSync(run);
  const header: ScheduleHeader = tinyHeader(manifest, { policy: "dynamic-uniform", ...changes });
  await writeSchedule(join(run, "schedule.json"), beginSchedule(header, lag));
  return run;
}

describe("reweight", () => {
  it("records the report and appends the stage that the rule makes of it", async () => {
    const run = await newRun();
    const before = weightsOf(await readSchedule(join(run, "schedule.json")));
    const { stage, appended, schedule } = await reweight(run, lossReport(4, LOSSES));
    assert.equal(appended, true);
    assert.deepEqual(await readSchedule(join(run, "schedule.json")), schedule);
    assert.equal(schedule.stages.length, 2);
    const expected = softmaxRule(before, LOSSES, { web: 2, code: 2, books: 2 } as never);
    assert.deepEqual(stage!.weights, integerWeights(Object.values(expected)));
    assert.deepEqual([stage!.fromBatch, stage!.untilBatch, stage!.measuredAt, stage!.lag], [4, 8, 4, 0]);
    assert.deepEqual(
      stage!.cause["losses"],
      meanLosses(lossReport(4, LOSSES).domains, ["web", "code", "books"]),
    );
    assert.deepEqual(
      JSON.parse(readFileSync(join(run, "reports/00000004.json"), "utf8")),
      lossReport(4, LOSSES),
    );
  });

  it("records what the guard rails changed", async () => {
    const run = await newRun();
    const { stage } = await reweight(run, lossReport(4, { web: 6, code: 2, books: 2 }));
    const rails = stage!.cause["rails"] as { rail: string; domain: string; to: number }[];
    assert.deepEqual(
      rails.map(({ rail, domain }) => [rail, domain]),
      [
        ["step", "code"],
        ["step", "books"],
      ],
    );
    const asked = stage!.cause["asked"] as Record<string, number>;
    const weights = stage!.cause["weights"] as Record<string, number>;
    assert.ok(asked["web"]! > 0.9 && Math.abs(weights["web"]! - 2 / 3) < 1e-6, JSON.stringify(weights));
  });

  it("returns the recorded stage for a report sent again, even with other losses", async () => {
    const run = await newRun();
    const first = await reweight(run, lossReport(4, LOSSES));
    const path = join(run, "schedule.json");
    const bytes = readFileSync(path);
    for (const losses of [LOSSES, { web: 1, code: 1, books: 9 }]) {
      const again = await reweight(run, lossReport(4, losses));
      assert.equal(again.appended, false);
      assert.deepEqual(again.stage, first.stage);
      assert.deepEqual(again.report, first.report);
      assert.deepEqual(readFileSync(path), bytes);
    }
  });

  it("appends the stage of a report that was recorded before a crash, whatever is reported then", async () => {
    const undisturbed = await newRun();
    const expected = await reweight(undisturbed, lossReport(4, LOSSES));
    const sent = await newRun();
    await recordReport(sent, lossReport(4, LOSSES));
    const late = await reweight(sent, lossReport(4, { web: 9, code: 1, books: 1 }));
    assert.deepEqual(late.stage, expected.stage);
    const settled = await newRun();
    await recordReport(settled, lossReport(4, LOSSES));
    assert.deepEqual((await settleReports(settled)).stages[1], expected.stage);
  });

  it("appends one stage however many callers there are", async () => {
    const run = await newRun();
    const script = join(dir, "caller.ts");
    writeFileSync(
      script,
      `import { reweight } from ${JSON.stringify(join(ROOT, "samplers/index.ts"))};
       const { appended, stage } = await reweight(process.argv[2]!, JSON.parse(process.argv[3]!));
       console.log(JSON.stringify({ appended, hash: stage!.hash }));`,
    );
    const outputs = await Promise.all(
      [0, 1, 2].map(
        (i) =>
          new Promise<string>((done) => {
            const report = JSON.stringify(lossReport(4, { ...LOSSES, web: 2.5 + i }));
            const child = spawn(process.execPath, [script, run, report], {
              stdio: ["ignore", "pipe", "inherit"],
            });
            let output = "";
            child.stdout.on("data", (chunk) => {
              output += chunk;
            });
            child.on("close", () => done(output));
          }),
      ),
    );
    const seen = outputs.map((output) => JSON.parse(output) as { appended: boolean; hash: string });
    assert.equal(seen.filter(({ appended }) => appended).length, 1);
    assert.equal(new Set(seen.map(({ hash }) => hash)).size, 1);
    assert.equal((await readSchedule(join(run, "schedule.json"))).stages.length, 2);
    assert.deepEqual(readdirSync(run).sort(), ["reports", "schedule.json"]);
  });

  it("keeps the lag that the first stage allows", async () => {
    const run = await newRun({}, 2);
    assert.equal(nextReport(await readSchedule(join(run, "schedule.json"))), 4);
    const { stage } = await reweight(run, lossReport(4, LOSSES));
    assert.deepEqual([stage!.fromBatch, stage!.lag], [6, 2]);
    const next = await reweight(run, lossReport(8, LOSSES));
    assert.deepEqual([next.stage!.fromBatch, next.stage!.lag], [10, 2]);
  });

  it("refuses a report for another batch than the one that is due, and records nothing", async () => {
    const run = await newRun();
    for (const at of [3, 5, 8])
      await assert.rejects(reweight(run, lossReport(at, LOSSES)), {
        code: "ERR_SCHEDULE",
        message: `the loss report was measured at batch ${at}; the next stage needs one measured at batch 4`,
      });
    assert.ok(!existsSync(join(run, "reports")));
  });

  it("refuses losses that cannot move weights, naming the domain, and records nothing", async () => {
    const run = await newRun();
    const whole = lossReport(4, LOSSES);
    for (const [domains, message] of [
      [{ ...whole.domains, code: { lossSum: Number.NaN, tokens: 5 } }, /has loss NaN for domain "code"/],
      [{ ...whole.domains, code: { lossSum: null, tokens: 5 } }, /has loss NaN for domain "code"/],
      [{ ...whole.domains, code: { lossSum: 1, tokens: 0 } }, /counts 0 tokens for domain "code"/],
      [{ web: whole.domains["web"], code: whole.domains["code"] }, /has no loss for domain "books"/],
      [
        { ...whole.domains, law: { lossSum: 1, tokens: 5 } },
        /has a loss for "law", which the schedule does not know/,
      ],
    ] as const)
      await assert.rejects(reweight(run, { ...whole, domains }), { code: "ERR_LOSS", message });
    await assert.rejects(reweight(run, { ...whole, measuredAt: -1 }), { code: "ERR_PARSE" });
    assert.ok(!existsSync(join(run, "reports")));
    assert.equal((await readSchedule(join(run, "schedule.json"))).stages.length, 1);
  });

  it("appends nothing once the run is decided to its end, and still records the report", async () => {
    const run = await newRun({ batches: 8 });
    await reweight(run, lossReport(4, LOSSES));
    const { stage, appended } = await reweight(run, lossReport(8, LOSSES));
    assert.deepEqual([stage, appended], [null, false]);
    assert.ok(existsSync(join(run, "reports/00000008.json")));
    await assert.rejects(reweight(run, lossReport(9, LOSSES)), {
      code: "ERR_SCHEDULE",
      message: /run ends at batch 8/,
    });
  });

  it("splits the stage where a domain runs out", async () => {
    const run = await newRun({ exhaustion: { policy: "redistribute", epochs: 1 } });
    let { schedule } = await reweight(run, lossReport(4, { web: 1, code: 1, books: 4 }));
    for (let at = 8; nextReport(schedule) !== null; at += 4)
      ({ schedule } = await reweight(run, lossReport(at, { web: 1, code: 1, books: 4 })));
    const split = schedule.stages.filter(({ cause }) => cause.kind === "exhausted");
    assert.deepEqual(
      split.map(({ cause }) => cause["domains"]),
      [["books"], ["code"]],
    );
    const index = schedule.stages.indexOf(split[0]!);
    for (const stage of schedule.stages.slice(index)) assert.equal(stage.weights[2], 0);
    assert.deepEqual(await readSchedule(join(run, "schedule.json")), schedule);
  });
});

describe("acquireLock", () => {
  it("is held by one at a time, and names its holder to the next", async () => {
    const path = join(dir, "a.lock");
    const lock = await acquireLock(path);
    await assert.rejects(acquireLock(path), {
      code: "ERR_LOCKED",
      message: `${path} is held by process ${process.pid} on ${hostname()}; wait for it to end, or remove the file if it has`,
    });
    const waiting = acquireLock(path, 5);
    lock.release();
    (await waiting).release();
    assert.ok(!existsSync(path));
  });

  it("is taken over from a process that died here, not from another machine", async () => {
    const path = join(dir, "b.lock");
    const dead = await new Promise<number>((done) => {
      const child = spawn(process.execPath, ["-e", ""]);
      child.on("exit", () => done(child.pid!));
    });
    writeFileSync(path, JSON.stringify({ pid: dead, host: hostname(), started: "1" }));
    (await acquireLock(path)).release();
    writeFileSync(path, JSON.stringify({ pid: process.pid, host: hostname(), started: "1" }));
    (await acquireLock(path)).release();
    writeFileSync(path, JSON.stringify({ pid: dead, host: "elsewhere", started: "1" }));
    await assert.rejects(acquireLock(path), { code: "ERR_LOCKED", message: /on elsewhere/ });
  });
});

describe("the mean of a run's updates", () => {
  it("is that of the recorded weights in force, each update once, however a stage was cut", async () => {
    const run = await newRun();
    await reweight(run, lossReport(4, LOSSES));
    const { schedule } = await reweight(run, lossReport(8, { web: 2.1, code: 2, books: 2.4 }));
    const updates = schedule.stages.filter(({ cause }) => cause.kind === "loss");
    assert.equal(updates.length, 2);
    const mean = [0, 1, 2].map((i) => (updates[0]!.weights[i]! + updates[1]!.weights[i]!) / (2 * PARTS));
    assert.deepEqual(integerWeights(Object.values(averageWeights(schedule))), integerWeights(mean));
    const cut = reviseSchedule(schedule, { kind: "batch", fromBatch: 10, batchRows: 24 });
    assert.deepEqual(averageWeights(cut), averageWeights(schedule));
  });

  it("needs an update", async () => {
    const run = await newRun({ policy: "uniform" });
    const schedule = await readSchedule(join(run, "schedule.json"));
    assert.throws(() => averageWeights(schedule), {
      code: "ERR_SCHEDULE",
      message: /policy uniform made no update in this run/,
    });
  });
});
