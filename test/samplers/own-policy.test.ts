import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { sha256 } from "../../core/hash.ts";
import {
  integerWeights,
  loadPolicy,
  type OwnPolicy,
  openPlan,
  ownChange,
  plannedHashes,
  readSchedule,
  reviseSchedule,
  runPaths,
  type ShardManifest,
  scheduleState,
  verifyReplay,
} from "../../samplers/index.ts";
import { python, ROOT, temporaryFolder } from "../support.ts";
import { createTinyRun, lossReport, tinySchedule, writeTinyShards } from "./tiny.ts";

const dir = temporaryFolder();
const shards = join(dir, "shards");
let manifest: ShardManifest;
before(async () => {
  manifest = await writeTinyShards(shards);
});

/** A module of a policy: weight times loss, and none for what has been seen whole. */
const MINE = `export function weights({ weights, losses, rows, epochRows }) {
  return Object.fromEntries(Object.keys(weights).map((name) => [name, rows[name] < epochRows[name] ? weights[name] * losses[name] : 0]));
}
`;
const REPORT = lossReport(10, { web: 3, code: 2, books: 1 });

function mine(): string {
  const path = join(dir, "mine.ts");
  writeFileSync(path, MINE);
  return path;
}

describe("a policy of one's own", () => {
  it("is loaded by its path, named and hashed; a module without the function is refused", async () => {
    const policy = await loadPolicy(mine());
    assert.deepEqual([policy.name, policy.sha256], ["mine.ts", sha256(MINE)]);
    writeFileSync(join(dir, "other.ts"), "export const other = 1;\n");
    await assert.rejects(loadPolicy(join(dir, "other.ts")), {
      code: "ERR_ARGUMENT",
      message: /other\.ts exports other; it exports a function `weights\(state\)`/,
    });
    await assert.rejects(loadPolicy(join(dir, "none.ts")), { code: "ERR_INPUT" });
  });

  it("gets the state and gives weights between the guard rails, all of it in the cause of the stage", async () => {
    const policy = await loadPolicy(mine());
    const schedule = tinySchedule(manifest);
    const stage = reviseSchedule(schedule, ownChange(schedule, 12, REPORT, policy)).stages[1]!;
    // A third each, times 3, 2 and 1; books have 43 rows an epoch and gave 48 in 12 batches of 12, so they would get nothing.
    const { asked, rails, losses, measuredAt, policy: by } = stage.cause;
    assert.deepEqual(
      integerWeights(Object.values(asked as Record<string, number>)),
      integerWeights([0.6, 0.4, 0]),
    );
    assert.deepEqual(
      [losses, measuredAt, by],
      [{ web: 3, code: 2, books: 1 }, 10, { name: "mine.ts", sha256: sha256(MINE) }],
    );
    assert.deepEqual(
      (rails as { rail: string; domain: string }[]).map(({ rail, domain }) => [rail, domain]),
      [["step", "books"]],
    );
    assert.deepEqual(stage.weights, integerWeights([0.5, 1 / 3, 1 / 6]));
    const bare = reviseSchedule(schedule, ownChange(schedule, 12, REPORT, policy, null)).stages[1]!;
    assert.deepEqual(bare.weights, integerWeights([0.6, 0.4, 0]));
  });

  it("that returns no weights, or losses measured after its batch, are refused", () => {
    const schedule = tinySchedule(manifest);
    const policy = (weights: OwnPolicy["weights"]): OwnPolicy => ({ name: "p", sha256: "0", weights });
    for (const returned of [
      { web: 1, code: 1 },
      { web: 0, code: 0, books: 0 },
      { web: 1, code: Number.NaN, books: 1 },
    ])
      assert.throws(
        () =>
          ownChange(
            schedule,
            12,
            REPORT,
            policy(() => returned),
          ),
        {
          code: "ERR_WEIGHTS",
          message: /policy p returned .*; it returns a number >= 0 for each of web, code, books, not all 0/,
        },
      );
    assert.throws(
      () =>
        ownChange(
          schedule,
          12,
          REPORT,
          policy(() => ({ web: 2, code: -1, books: 1 })),
        ),
      {
        code: "ERR_WEIGHTS",
      },
    );
    assert.throws(
      () =>
        ownChange(
          schedule,
          9,
          REPORT,
          policy(() => ({ web: 1, code: 1, books: 1 })),
        ),
      {
        code: "ERR_ARGUMENT",
        message: /measured at batch 10, after the batch 9/,
      },
    );
  });

  it("acts on a run folder by headrace stage, and the run verifies without it", async () => {
    const schedule = tinySchedule(manifest);
    const run = join(dir, "run");
    await createTinyRun(run, shards, schedule);
    const report = join(dir, "report.json");
    writeFileSync(report, JSON.stringify(REPORT));
    const stage = (...more: readonly string[]) =>
      spawnSync(
        process.execPath,
        [join(ROOT, "scripts/headrace.ts"), "stage", run, "--policy", mine(), "--from", "12", ...more],
        { encoding: "utf8" },
      );
    const wrong = stage("--batch", "24");
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /--policy takes --losses REPORT and --from, not --batch/);
    const { status, stderr } = stage("--losses", report, "--note", "mine");
    assert.equal(status, 0, stderr);

    const changed = await readSchedule(runPaths(run).schedule);
    const hashOf = plannedHashes(openPlan(changed));
    writeFileSync(runPaths(run).served, Array.from({ length: 20 }, (_, k) => `${k} ${hashOf(k)}\n`).join(""));
    const verified = await verifyReplay(run, shards);
    assert.deepEqual([verified.identical, verified.stages], [true, 2]);
  });
});

const { command, missing } = python("numpy");

const TWIN = `
import json, sys
from headrace.own_policy import OwnPolicy, own_mix
from headrace.schedule import parse_schedule
case = json.load(sys.stdin)
def weights(state):
    return {n: state["weights"][n] * state["losses"][n] if state["rows"][n] < state["epochRows"][n] else 0 for n in state["weights"]}
print(own_mix(parse_schedule(case["schedule"]), 12, case["report"], OwnPolicy("mine", "0" * 64, weights)).hash)
`;

describe("the Python twin", { skip: missing }, () => {
  it("makes the same stage of the same policy", () => {
    const schedule = tinySchedule(manifest);
    const policy: OwnPolicy = {
      name: "mine",
      sha256: "0".repeat(64),
      weights: ({ weights, losses, rows, epochRows }) =>
        Object.fromEntries(
          Object.keys(weights).map((name) => [
            name,
            rows[name]! < epochRows[name]! ? weights[name]! * losses[name]! : 0,
          ]),
        ),
    };
    const { stdout, stderr, status } = spawnSync(command, ["-c", TWIN], {
      input: JSON.stringify({ schedule, report: REPORT }),
      encoding: "utf8",
      env: { ...process.env, PYTHONPATH: join(ROOT, "trainer/python"), PYTHONDONTWRITEBYTECODE: "1" },
    });
    assert.equal(status, 0, stderr);
    assert.equal(
      stdout.trim(),
      scheduleState(reviseSchedule(schedule, ownChange(schedule, 12, REPORT, policy))).hash,
    );
  });
});
