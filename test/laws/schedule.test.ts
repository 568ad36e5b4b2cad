/**
 * Batch k is a pure function of the schedule and k: fresh or resumed, alone or shared over ranks, whatever is appended later.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  allocate,
  type BatchPlan,
  decidedEnd,
  integerWeights,
  openPlan,
  parseSchedule,
  rankPositions,
  requireExtends,
  scheduleState,
  settle,
} from "../../samplers/index.ts";
import { type Run, runs, schedulesOf } from "./schedule-runs.ts";

function lists({ domains, epochs, rows, starts }: BatchPlan) {
  return [domains, epochs, rows, starts].map((list) => [...list]);
}

describe("batch k", () => {
  test("is the same computed fresh, after walking, and backwards", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const schedule = schedulesOf(run).at(-1)!;
        const { batch: end } = decidedEnd(schedule);
        const plan = openPlan(schedule);
        const walked = Array.from({ length: end }, (_, k) => lists(plan.batch(k)));
        for (let k = end - 1; k >= 0; k -= 3) {
          assert.deepEqual(lists(openPlan(schedule).batch(k)), walked[k]);
          assert.deepEqual(lists(plan.batch(k)), walked[k]);
        }
      }),
    );
  });
  test("does not change when stages are appended, and the longer schedule extends every shorter one", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const schedules = schedulesOf(run);
        const last = schedules.at(-1)!;
        for (const schedule of schedules) {
          requireExtends(last, scheduleState(schedule));
          const { batch: end } = decidedEnd(schedule);
          if (end > 0)
            assert.deepEqual(lists(openPlan(schedule).batch(end - 1)), lists(openPlan(last).batch(end - 1)));
        }
      }),
    );
  });
  test("is the union of the ranks' shares, whatever the world", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const plan = openPlan(schedulesOf(run).at(-1)!);
        if (plan.end().batch === 0) return;
        const k = plan.end().batch - 1;
        const whole = lists(plan.batch(k));
        const rows = run.batchRows;
        for (let world = 1; world <= rows; world++)
          for (let microBatch = 1; world * microBatch <= rows; microBatch++) {
            if (rows % (world * microBatch) !== 0) continue;
            const accumulation = rows / world / microBatch;
            const parts = whole.map(() => new Array<number>(rows));
            for (let rank = 0; rank < world; rank++) {
              const positions = rankPositions({ world, rank, microBatch, accumulation }, rows);
              lists(plan.batch(k, positions)).forEach((list, which) => {
                list.forEach((value, entry) => {
                  assert.equal(parts[which]![positions[entry]!], undefined);
                  parts[which]![positions[entry]!] = value;
                });
              });
            }
            assert.deepEqual(parts, whole);
          }
      }),
      { numRuns: 40 },
    );
  });
});

describe("the rows of a run", () => {
  test("come once each epoch, epoch after epoch, and never from a domain at weight 0", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const plan = openPlan(schedulesOf(run).at(-1)!);
        const seen = new Set<string>();
        const count = new Map<number, number>();
        for (let k = 0; k < plan.end().batch; k++) {
          const { stage, domains, epochs, rows } = plan.batch(k);
          domains.forEach((domain, p) => {
            assert.ok(plan.schedule.stages[stage]!.weights[domain]! > 0);
            assert.ok(rows[p]! < Math.floor(run.tokens[domain]! / 4));
            seen.add(`${domain} ${epochs[p]} ${rows[p]}`);
            count.set(domain, (count.get(domain) ?? 0) + 1);
          });
          // So far each domain has served all rows of its earlier epochs and the rest of the last.
          domains.forEach((domain, p) => {
            const perEpoch = Math.floor(run.tokens[domain]! / 4);
            assert.ok(epochs[p]! <= Math.floor((count.get(domain)! - 1) / perEpoch));
          });
        }
        assert.equal(seen.size, plan.end().batch * run.batchRows);
      }),
    );
  });
});

describe("a schedule", () => {
  test("is parsed from its own JSON and is equal", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const schedule = schedulesOf(run).at(-1)!;
        assert.deepEqual(parseSchedule(JSON.parse(JSON.stringify(schedule))), schedule);
      }),
    );
  });
  test("splits where a planner that walks every batch and counts would split", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const { header, stages } = schedulesOf(run).at(-1)!;
        assert.deepEqual(
          stages.map(({ fromBatch, weights, served, carry }) => ({ fromBatch, weights, served, carry })),
          walkingPlanner(run),
        );
        assert.equal(header.batchRows, run.batchRows);
      }),
      { numRuns: 500 },
    );
  });
});

/** The stages of a run, found batch by batch: no cursor, no search, no closed form. */
function walkingPlanner({ batchRows, tokens, policy, epochs, stages }: Run) {
  const cap = epochs ?? (policy === "repeat" ? Number.POSITIVE_INFINITY : 1);
  const limits = tokens.map((count) => Math.floor(count / 4) * cap);
  const found: { fromBatch: number; weights: number[]; served: number[]; carry: number[] }[] = [];
  const served = tokens.map(() => 0);
  let deficits = new Float64Array(tokens.length);
  let batch = 0;
  const stop = () => {
    found.push({
      fromBatch: batch,
      weights: tokens.map(() => 0),
      served: [...served],
      carry: tokens.map(() => 0),
    });
    return found;
  };
  for (const stage of stages) {
    const sum = stage.weights.reduce((total, weight) => total + weight, 0);
    const asked = integerWeights(stage.weights.map((weight) => weight / sum));
    const gone = new Set<number>();
    let weights = asked;
    let begins = true;
    for (const until = batch + stage.batches; batch < until; ) {
      const start = begins ? settle(deficits, weights) : [...deficits];
      const after = Float64Array.from(start);
      const rows = new Float64Array(tokens.length);
      allocate(after, weights, batchRows, rows);
      const dry = limits.flatMap((limit, i) => (served[i]! + rows[i]! > limit ? [i] : []));
      if (dry.length > 0) {
        if (policy === "stop") return stop();
        for (const i of dry) gone.add(i);
        const left = asked.reduce((total, part, i) => (gone.has(i) ? total : total + part), 0);
        if (left === 0) return stop();
        weights = integerWeights(asked.map((part, i) => (gone.has(i) ? 0 : part / left)));
        begins = true;
        continue;
      }
      if (begins) found.push({ fromBatch: batch, weights: [...weights], served: [...served], carry: start });
      begins = false;
      for (let i = 0; i < rows.length; i++) served[i]! += rows[i]!;
      deficits = after;
      batch++;
    }
  }
  return found;
}
