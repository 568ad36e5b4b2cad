/**
 * A run and its shards are the record: whatever is changed in either is found, and named.
 */
import assert from "node:assert/strict";
import { copyFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { chainHash, hashOf } from "../../core/hash.ts";
import { type ReplayDifference, readSchedule, replayBatches, verifyReplay } from "../../samplers/index.ts";
import { train } from "../../trainer/index.ts";
import { temporaryFolder } from "../support.ts";
import { tinyRuns } from "../trainer/runs.ts";

const dir = temporaryFolder();
const shards = join(dir, "shards");
let run: string;
let copies = 0;

before(async () => {
  const options = (await tinyRuns(dir))("good", { lag: 1 });
  run = options.out;
  await train(options);
});

/** A copy of the run and the shards to damage. */
function copy(): { run: string; shards: string; file: (name: string) => string } {
  const folder = join(dir, `copy-${copies++}`);
  cpSync(run, join(folder, "run"), { recursive: true });
  cpSync(shards, join(folder, "shards"), { recursive: true });
  return {
    run: join(folder, "run"),
    shards: join(folder, "shards"),
    file: (name) => join(folder, "run", name),
  };
}

async function differences(of: { run: string; shards: string }): Promise<readonly ReplayDifference[]> {
  const report = await verifyReplay(of.run, of.shards);
  assert.equal(report.identical, report.differences.length === 0);
  return report.differences;
}

function editSchedule(
  path: string,
  edit: (schedule: { header: object; stages: Record<string, unknown>[] }) => void,
): void {
  const schedule = JSON.parse(readFileSync(path, "utf8"));
  edit(schedule);
  writeFileSync(path, JSON.stringify(schedule));
}

/** Hashes the stages anew, as somebody would who wants a changed schedule to look whole. */
function rechain(schedule: { header: object; stages: Record<string, unknown>[] }): void {
  let previous = hashOf(schedule.header);
  for (const stage of schedule.stages) {
    const { hash: _, ...content } = stage;
    previous = chainHash(previous, content);
    stage["hash"] = previous;
  }
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

describe("replay", () => {
  it("finds an undisturbed run identical, and counts what it checked", async () => {
    const report = await verifyReplay(run, shards);
    assert.deepEqual(report.differences, []);
    assert.equal(report.identical, true);
    assert.deepEqual([report.stages, report.updates, report.batches, report.shards], [5, 4, 20, 6]);
    assert.ok(report.bytes > 2 * 6200);
  });

  it("serves again what was served", async () => {
    const schedule = await readSchedule(join(run, "schedule.json"));
    const lines = readFileSync(join(run, "served.log"), "utf8");
    const again = [...replayBatches(schedule, { log: join(run, "served.log"), rows: true })];
    assert.equal(again.map(({ batch, served }) => `${batch} ${served}\n`).join(""), lines);
    assert.equal(again[3]!.rows!.length, 12);
    assert.deepEqual(
      again.slice(5, 8).map(({ rows: _, ...rest }) => rest),
      [...replayBatches(schedule, { from: 5, until: 8 })],
    );
    assert.throws(() => [...replayBatches(schedule, { until: 21 })], {
      code: "ERR_ARGUMENT",
      message: /decides 20/,
    });
  });

  it("names a shard in which one bit is flipped, wherever it is", async () => {
    const path = "train/code/00001.arrow";
    const size = readFileSync(join(shards, path)).length;
    for (const at of [0, Math.floor(size / 2), size - 1]) {
      const damaged = copy();
      flip(join(damaged.shards, path), at);
      const [difference, ...others] = await differences(damaged);
      assert.deepEqual(others, []);
      assert.equal(difference!.what, "shard");
      assert.equal(difference!.where, join(damaged.shards, path));
      assert.match(difference!.expected, /^sha256 [0-9a-f]{64}$/);
      assert.notEqual(difference!.seen, difference!.expected);
    }
  });

  it("names a shard that is cut or missing", async () => {
    const cut = copy();
    truncateSync(join(cut.shards, "train/web/00000.arrow"), 100);
    const found = await differences(cut);
    assert.deepEqual(
      found.map(({ what, seen }) => [what, /^(100 bytes|sha256 )/.test(seen)]),
      [
        ["shard", true],
        ["shard", true],
      ],
    );
    const missing = copy();
    rmSync(join(missing.shards, "train/web/00000.arrow"));
    const [difference, ...others] = await differences(missing);
    assert.deepEqual(others, []);
    assert.match(difference!.seen, /no such file/);
    assert.match(difference!.where, /train\/web\/00000\.arrow$/);
  });

  it("does not mind a damaged validation shard, which no batch was made of", async () => {
    const damaged = copy();
    flip(join(damaged.shards, "validation/web/00000.arrow"), 200);
    assert.deepEqual(await differences(damaged), []);
  });

  it("names the manifest when it is another, or contradicts itself", async () => {
    const other = copy();
    const path = join(other.shards, "manifest.json");
    const manifest = JSON.parse(readFileSync(path, "utf8"));
    manifest.shards[0].sha256 = "ab".repeat(32);
    writeFileSync(path, JSON.stringify(manifest));
    const [difference, ...others] = await differences(other);
    assert.deepEqual(others, []);
    assert.equal(difference!.what, "manifest");
    assert.equal(difference!.where, path);
  });

  it("names the stage whose weight was changed, and says that the chain is broken there", async () => {
    const damaged = copy();
    editSchedule(damaged.file("schedule.json"), ({ stages }) => {
      const weights = stages[2]!["weights"] as number[];
      weights[0]! -= 1;
      weights[1]! += 1;
    });
    const [difference] = await differences(damaged);
    assert.equal(difference!.what, "stage");
    assert.equal(difference!.where, `${damaged.file("schedule.json")} stage 2`);
    assert.match(difference!.seen, /stage 2 .*hash/);
  });

  it("finds a changed weight even when the chain was hashed anew: by its losses and by what was served", async () => {
    const damaged = copy();
    editSchedule(damaged.file("schedule.json"), (schedule) => {
      const last = schedule.stages.at(-1)!;
      const weights = last["weights"] as number[];
      weights[2]! -= 2_000_000;
      weights[0]! += 2_000_000;
      rechain(schedule);
    });
    const found = await differences(damaged);
    const at = `${damaged.file("schedule.json")} stage 4`;
    assert.ok(found.some(({ what, where }) => what === "weights" && where === `${at}, weight of web`));
    assert.ok(found.some(({ what, where }) => what === "served" && where.endsWith("batch 17")));
  });

  it("names a missing stage, in the middle and at the end", async () => {
    const middle = copy();
    editSchedule(middle.file("schedule.json"), ({ stages }) => stages.splice(2, 1));
    const [first] = await differences(middle);
    assert.equal(first!.what, "stage");
    assert.match(first!.seen, /a stage is missing/);

    const end = copy();
    editSchedule(end.file("schedule.json"), ({ stages }) => stages.pop());
    const found = await differences(end);
    assert.deepEqual(found[0], {
      what: "stage",
      where: `${end.file("schedule.json")}, measured at batch 16`,
      expected: "a stage, as there is a loss report for it",
      seen: "no stage",
    });
    assert.ok(
      found.some(
        ({ where, expected }) =>
          /batches 1[67] to \d+$/.test(where) && expected === "a stage that decides them",
      ),
    );
  });

  it("names a changed, missing, repeated or torn line of the served log", async () => {
    const lines = readFileSync(join(run, "served.log"), "utf8").split("\n");
    const cases: readonly [string, (lines: string[]) => string, RegExp, RegExp][] = [
      ["changed", (all) => all.with(7, `7 ${"0".repeat(16)}`).join("\n"), /batch 7$/, /^0{16}$/],
      ["missing", (all) => all.toSpliced(7, 1).join("\n"), /line 8$/, /^8 /],
      ["repeated", (all) => all.toSpliced(7, 0, all[6]!).join("\n"), /line 8$/, /^6 /],
      ["swapped", (all) => all.with(7, all[8]!).with(8, all[7]!).join("\n"), /line 8$/, /^8 /],
      ["torn", (all) => all.join("\n").slice(0, -5), /served\.log, end$/, /unfinished line/],
      ["cut", (all) => `${all.slice(0, 12).join("\n")}\n`, /served\.log, end$/, /^12 batches$/],
    ];
    for (const [name, damage, where, seen] of cases) {
      const damaged = copy();
      writeFileSync(damaged.file("served.log"), damage(lines));
      const found = await differences(damaged);
      assert.ok(
        found.some((each) => each.what === "served" && where.test(each.where) && seen.test(each.seen)),
        `${name}: ${JSON.stringify(found)}`,
      );
    }
  });

  it("names a changed or missing loss report", async () => {
    const changed = copy();
    const path = changed.file("reports/00000008.json");
    const report = JSON.parse(readFileSync(path, "utf8"));
    report.domains.code.lossSum += 0.001;
    writeFileSync(path, JSON.stringify(report));
    const found = await differences(changed);
    assert.ok(
      found.some(({ what, where }) => what === "report" && where.endsWith("stage 2, losses of code")),
    );

    const missing = copy();
    rmSync(missing.file("reports/00000008.json"));
    const [difference, ...others] = await differences(missing);
    assert.deepEqual(others, []);
    assert.match(difference!.where, /stage 2, measured at batch 8$/);
    assert.match(difference!.seen, /cannot read the loss report/);
  });

  it("finds the served log of another run", async () => {
    const damaged = copy();
    const options = (await tinyRuns(join(dir, "other")))("good", { seed: 5 });
    await train(options);
    copyFileSync(join(options.out, "served.log"), damaged.file("served.log"));
    const found = await differences(damaged);
    assert.equal(found.filter(({ what }) => what === "served").length, 20);
  });

  it("refuses what it cannot read", async () => {
    await assert.rejects(verifyReplay(join(dir, "nowhere"), shards), { code: "ERR_INPUT" });
    await assert.rejects(verifyReplay(run, join(dir, "nowhere")), { code: "ERR_INPUT" });
    const damaged = copy();
    writeFileSync(damaged.file("schedule.json"), "{");
    await assert.rejects(differences(damaged), { code: "ERR_PARSE" });
  });
});
