/**
 * Both implementations read the same schedule alike: the Python twin checks random schedules of ours, and gives their batches row by row.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decidedEnd, openPlan } from "../../samplers/index.ts";
import { python } from "../support.ts";
import { runs, schedulesOf } from "./schedule-runs.ts";
import { askTwin } from "./twin.ts";

const { command, missing } = python("numpy");

const TWIN = `
import json, sys
from headrace.plan import Plan
from headrace.schedule import parse_schedule
for case in json.load(sys.stdin):
    schedule = parse_schedule(case["schedule"])
    batches = []
    for k in case["batches"]:
        rows = Plan(schedule).batch(k)
        batches.append([list(map(int, part)) for part in (rows.domains, rows.epochs, rows.rows, rows.starts)])
    print(json.dumps({"end": list(schedule.end), "batches": batches}))
`;

describe("the Python twin", { skip: missing }, () => {
  test("accepts our schedules, knows where they end and gives the same batches", () => {
    const cases = fc.sample(runs, { numRuns: 60, seed: 11 }).map((run) => {
      const schedule = schedulesOf(run).at(-1)!;
      const { batch } = decidedEnd(schedule);
      const batches = [...new Set([0, Math.floor(batch / 2), batch - 1])].filter((k) => k >= 0 && k < batch);
      return { schedule, batches };
    });
    const answers = askTwin(command, TWIN, cases);
    cases.forEach(({ schedule, batches }, i) => {
      const { batch, final } = decidedEnd(schedule);
      const plan = openPlan(schedule);
      assert.deepEqual(answers[i], {
        end: [batch, final],
        batches: batches.map((k) => {
          const { domains, epochs, rows, starts } = plan.batch(k);
          return [domains, epochs, rows, starts].map((list) => [...list]);
        }),
      });
    });
    assert.ok(cases.some(({ schedule }) => schedule.stages.some(({ cause }) => cause.kind === "exhausted")));
    assert.ok(cases.some(({ schedule }) => schedule.stages.some(({ cause }) => cause.kind === "stop")));
  });
});
