/**
 * Changes of a run under way, as laws over random runs: what was decided before a change stays to the row, nothing is given twice or lost that was
 * not passed over by name, the mixture keeps its bounds, and both implementations append the same stages.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { domainWeights } from "../../core/domain.ts";
import { HeadraceError } from "../../core/errors.ts";
import {
  allocate,
  branchSchedule,
  type Change,
  decidedEnd,
  openPlan,
  PARTS,
  parseSchedule,
  requireExtends,
  reviseSchedule,
  type Schedule,
  scheduleState,
  stagesInForce,
} from "../../samplers/index.ts";
import { python } from "../support.ts";
import { type Run, runs, schedulesOf } from "./schedule-runs.ts";
import { askTwin } from "./twin.ts";

interface Asked {
  readonly kind: "skip" | "batch" | "weights" | "end";
  readonly at: number;
  readonly length: number;
  readonly rows: number;
  readonly first: number;
}

const asked: fc.Arbitrary<readonly Asked[]> = fc.array(
  fc.record({
    kind: fc.constantFrom("skip", "skip", "batch", "batch", "weights", "end"),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    length: fc.integer({ min: 1, max: 10 }),
    rows: fc.integer({ min: 1, max: 60 }),
    first: fc.nat(5),
  }),
  { minLength: 1, maxLength: 4 },
);

/** A change that fits what the schedule decides; null where nothing is decided, or the run ends there already. */
function changeOf({ header, stages }: Schedule, { kind, at, length, rows, first }: Asked): Change | null {
  const { batch: end } = decidedEnd({ header, stages });
  if (end === 0) return null;
  const fromBatch = Math.floor(at * end);
  if (kind === "skip") return { kind, fromBatch, untilBatch: Math.min(end, fromBatch + length) };
  if (kind === "batch") return { kind, fromBatch, batchRows: rows };
  if (kind === "end") return { kind, fromBatch };
  const names = header.domains.map(({ name }) => name);
  const weights = names.map((_, i) => (i === first % names.length ? 1 : 0.25));
  if (header.domains.some(({ tokens }) => tokens < header.rowTokens)) return null;
  const sum = weights.reduce((a, b) => a + b, 0);
  return {
    kind: "weights",
    fromBatch,
    weights: domainWeights(Object.fromEntries(names.map((name, i) => [name, weights[i]! / sum]))),
  };
}

/** Each schedule of a run with one more change, with the change. */
function revised(run: Run, changes: readonly Asked[]) {
  const steps: { readonly before: Schedule; readonly after: Schedule; readonly change: Change }[] = [];
  let schedule = schedulesOf(run).at(-1)!;
  for (const each of changes) {
    const change = changeOf(schedule, each);
    if (change === null || passesOverAfter(schedule, change.fromBatch)) continue;
    const after = reviseSchedule(schedule, change);
    steps.push({ before: schedule, after, change });
    schedule = after;
  }
  return steps;
}

/** Whether rows are passed over after a batch: changes before are refused. */
function passesOverAfter({ stages }: Schedule, k: number): boolean {
  return stagesInForce(stages).some(({ stage }) => stage.fromBatch > k && stage.skipped !== undefined);
}

const cases = fc.tuple(runs, asked);

/** domain:epoch:row of every row of the batches [from, until). */
function rowsOf(schedule: Schedule, from: number, until: number): string[] {
  const plan = openPlan(schedule);
  const found: string[] = [];
  for (let k = from; k < until; k++) {
    const { domains, epochs, rows } = plan.batch(k);
    for (let i = 0; i < rows.length; i++) found.push(`${domains[i]}:${epochs[i]}:${rows[i]}`);
  }
  return found;
}

describe("a change of a run under way", () => {
  test("leaves the batches before it as they were, extends the chain, and is read back as it was made", () => {
    fc.assert(
      fc.property(cases, ([run, changes]) => {
        for (const { before, after, change } of revised(run, changes)) {
          requireExtends(after, scheduleState(before));
          assert.deepEqual(parseSchedule(JSON.parse(JSON.stringify(after))), after);
          assert.deepEqual(rowsOf(after, 0, change.fromBatch), rowsOf(before, 0, change.fromBatch));
        }
      }),
      { numRuns: 150 },
    );
  });

  test("passes over exactly the rows that it names, and gives every other row of an epoch once", () => {
    let passedOver = 0;
    fc.assert(
      fc.property(cases, ([run, changes]) => {
        const steps = revised(run, changes);
        if (steps.length === 0) return;
        const { after } = steps.at(-1)!;
        const end = decidedEnd(after).batch;
        const plan = openPlan(after);
        const given = rowsOf(after, 0, end);
        assert.equal(new Set(given).size, given.length, "a row was given twice");
        const passed = plan.skipped(end);
        const total = plan.served(end);
        for (const domain of after.header.domains.keys()) {
          const mine = given.filter((row) => row.startsWith(`${domain}:`)).length;
          assert.equal(mine + passed[domain]!, total[domain], "rows were lost");
        }
        for (const { before, after: next, change } of steps)
          if (change.kind === "skip") {
            const skipped = rowsOf(before, change.fromBatch, change.untilBatch);
            const later = new Set(rowsOf(next, 0, decidedEnd(next).batch));
            assert.ok(!skipped.some((row) => later.has(row)), "a row that was passed over was given");
            passedOver += skipped.length;
          }
      }),
      { numRuns: 150 },
    );
    assert.ok(passedOver > 1000);
  });

  test("keeps the mixture inside its bounds at any size of a batch", () => {
    fc.assert(
      fc.property(cases, ([run, changes]) => {
        const { after } = revised(run, changes).at(-1) ?? { after: schedulesOf(run).at(-1)! };
        const { header, stages } = after;
        const count = header.domains.length;
        const behind = Array.from({ length: count - 1 }, (_, i) => 1 / (i + 2)).reduce((a, b) => a + b, 0);
        for (const { stage } of stagesInForce(stages)) {
          if (stage.cause.kind === "stop") continue;
          const deficits = Float64Array.from(stage.carry);
          const until = stage.untilBatch ?? header.batches ?? stage.fromBatch;
          for (let k = stage.fromBatch; k < until; k++) {
            allocate(deficits, stage.weights, stage.batchRows ?? header.batchRows, new Float64Array(count));
            for (const deficit of deficits) {
              assert.ok(deficit <= behind * PARTS, `${deficit / PARTS} rows behind`);
              assert.ok(deficit >= (1 / count - 1) * PARTS, `${-deficit / PARTS} rows ahead`);
            }
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test("in a branch gives the other run's batches before it and, unchanged, after it", () => {
    fc.assert(
      fc.property(
        cases,
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        ([run, changes], at) => {
          const schedule = revised(run, changes).at(-1)?.after ?? schedulesOf(run).at(-1)!;
          const { batch: end } = decidedEnd(schedule);
          if (end === 0) return;
          const k = Math.floor(at * end);
          const branch = branchSchedule(schedule, k);
          assert.deepEqual(parseSchedule(JSON.parse(JSON.stringify(branch))), branch);
          assert.equal(decidedEnd(branch).batch, end, "no losses: all that is decided is shared");
          assert.deepEqual(rowsOf(branch, 0, end), rowsOf(schedule, 0, end));
          const own = branch.stages.find(
            ({ revises }) => revises?.kind === "branch" && revises["parent"] === scheduleState(schedule).hash,
          )!;
          assert.equal(own.fromBatch, k);
          const shared = branch.stages.slice(0, branch.stages.indexOf(own));
          assert.deepEqual(shared, schedule.stages.slice(0, shared.length));
        },
      ),
      { numRuns: 100 },
    );
  });
});

const { command, missing } = python("numpy");

const TWIN = `
import json, sys
from headrace.plan import Plan
from headrace.revising import branch, end_at, mix, resize, skip
from headrace.schedule import parse_schedule
MAKE = {"skip": skip, "batch": resize, "weights": mix, "end": end_at}
for case in json.load(sys.stdin):
    schedule = parse_schedule(case["schedule"])
    for change in case["changes"]:
        schedule = MAKE[change.pop("kind")](schedule, *change.values())
    plan = Plan(schedule)
    rows = [[list(map(int, part)) for part in (r.stage + 0 * r.rows, r.domains, r.epochs, r.rows, r.starts)] for r in map(plan.batch, case["batches"])]
    print(json.dumps({"hash": schedule.hash, "branch": branch(schedule, case["branch"]).hash, "batches": rows}))
`;

describe("the Python twin", { skip: missing }, () => {
  test("makes the same changes and branches, hash for hash, and gives their batches row by row", () => {
    const questions = fc.sample(cases, { numRuns: 200, seed: 5 }).flatMap(([run, changes]) => {
      const steps = revised(run, changes);
      if (steps.length === 0) return [];
      const { after } = steps.at(-1)!;
      const { batch: end } = decidedEnd(after);
      if (end === 0) return [];
      const batches = [...new Set([0, Math.floor(end / 3), Math.floor(end / 2), end - 1])];
      const made = steps.map(({ change }) => change);
      return [{ schedule: steps[0]!.before, changes: made, after, batches, branch: Math.floor(end / 2) }];
    });
    assert.ok(questions.length > 60, `${questions.length}`);
    const answers = askTwin(command, TWIN, questions);
    questions.forEach(({ after, batches, branch }, i) => {
      const plan = openPlan(after);
      assert.deepEqual(answers[i], {
        hash: scheduleState(after).hash,
        branch: scheduleState(branchSchedule(after, branch)).hash,
        batches: batches.map((k) => {
          const { stage, domains, epochs, rows, starts } = plan.batch(k);
          return [rows.map(() => stage), domains, epochs, rows, starts].map((list) => [...list]);
        }),
      });
    });
  });
});

test("a change that is not inside the decided part is refused", () => {
  const [run] = fc.sample(runs, { numRuns: 1, seed: 3 }) as [Run];
  const schedule = schedulesOf(run).at(-1)!;
  const { batch } = decidedEnd(schedule);
  for (const change of [
    { kind: "skip", fromBatch: 0, untilBatch: batch + 1 },
    { kind: "batch", fromBatch: batch, batchRows: 4 },
    { kind: "end", fromBatch: batch },
    { kind: "skip", fromBatch: 0, untilBatch: 0 },
    { kind: "batch", fromBatch: 0, batchRows: 0 },
  ] as const)
    assert.throws(
      () => reviseSchedule(schedule, change),
      (error) => error instanceof HeadraceError && ["ERR_SCHEDULE", "ERR_ARGUMENT"].includes(error.code),
      JSON.stringify(change),
    );
});
