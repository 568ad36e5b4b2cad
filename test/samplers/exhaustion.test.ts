import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decidedEnd,
  type Exhaustion,
  exhaustedDomains,
  mixtureCursor,
  openPlan,
  PARTS,
  parseSchedule,
  rowLimits,
} from "../../samplers/index.ts";
import { makeHeader, makeSchedule } from "./making.ts";

/** Rows of 4 tokens, 8 a batch: d0 has 100 rows, d1 has 20, d2 has 5. */
const TOKENS = [400, 83, 20];
const header = (policy: Exhaustion["policy"], epochs: number | null, batches: number | null = null) =>
  makeHeader(TOKENS, { exhaustion: { policy, epochs }, batches });

describe("rowLimits", () => {
  test("are whole epochs, or nothing for repeat without a cap", () => {
    const domains = TOKENS.map((tokens) => ({ tokens }));
    assert.deepEqual(rowLimits({ policy: "repeat", epochs: 3 }, domains, 4), [300, 60, 15]);
    assert.deepEqual(rowLimits({ policy: "redistribute", epochs: null }, domains, 4), [100, 20, 5]);
    assert.deepEqual(rowLimits({ policy: "stop", epochs: 2 }, domains, 4), [200, 40, 10]);
    assert.deepEqual(rowLimits({ policy: "repeat", epochs: null }, domains, 4), [
      Infinity,
      Infinity,
      Infinity,
    ]);
  });
});

describe("repeat", () => {
  test("without a cap goes round for ever, epoch after epoch", () => {
    const schedule = makeSchedule(header("repeat", null), [null, [0.5, 0.25, 0.25]]);
    assert.equal(schedule.stages.length, 1);
    assert.deepEqual(decidedEnd(schedule), { batch: Number.POSITIVE_INFINITY, final: true });
    const plan = openPlan(schedule);
    const { domains, epochs } = plan.batch(1000);
    assert.deepEqual([...new Set(epochs.filter((_, p) => domains[p] === 2))], [400]);
  });
  test("with a cap gives the weight to the others at the batch that would pass it", () => {
    // d2 gives 2 rows a batch of its 10: it has none for batch 5. d1 then gives 2.67 a batch.
    const { stages } = makeSchedule(header("repeat", 2, 12), [null, [0.5, 0.25, 0.25]]);
    assert.deepEqual(
      stages.map(({ fromBatch, untilBatch, weights, served, cause }) => ({
        fromBatch,
        untilBatch,
        weights,
        served,
        cause,
      })),
      [
        {
          fromBatch: 0,
          untilBatch: 5,
          weights: [PARTS / 2, PARTS / 4, PARTS / 4],
          served: [0, 0, 0],
          cause: { kind: "initial" },
        },
        {
          fromBatch: 5,
          untilBatch: null,
          weights: [11184811, 5592405, 0],
          served: [20, 10, 10],
          cause: { kind: "exhausted", domains: ["d2"] },
        },
      ],
    );
  });
});

describe("redistribute", () => {
  test("splits at each domain that runs dry and stops when nobody is left", () => {
    const schedule = makeSchedule(header("redistribute", null), [null, [0.5, 0.25, 0.25]]);
    assert.deepEqual(
      schedule.stages.map(({ fromBatch, weights, served, cause }) => [fromBatch, weights, served, cause]),
      [
        [0, [PARTS / 2, PARTS / 4, PARTS / 4], [0, 0, 0], { kind: "initial" }],
        [2, [11184811, 5592405, 0], [8, 4, 4], { kind: "exhausted", domains: ["d2"] }],
        [8, [PARTS, 0, 0], [40, 20, 4], { kind: "exhausted", domains: ["d1"] }],
        [15, [0, 0, 0], [96, 20, 4], { kind: "stop", domains: ["d0"] }],
      ],
    );
    assert.deepEqual(decidedEnd(schedule), { batch: 15, final: true });
    assert.deepEqual(exhaustedDomains(schedule), ["d2", "d1", "d0"]);
    assert.deepEqual(parseSchedule(JSON.parse(JSON.stringify(schedule))), schedule);
  });
  test("serves no row twice and no domain at weight 0", () => {
    const plan = openPlan(makeSchedule(header("redistribute", null), [null, [0.5, 0.25, 0.25]]));
    const seen = new Set<string>();
    for (let k = 0; k < 15; k++) {
      const { stage, domains, epochs, rows } = plan.batch(k);
      domains.forEach((domain, p) => {
        assert.ok(plan.schedule.stages[stage]!.weights[domain]! > 0);
        assert.equal(epochs[p], 0);
        seen.add(`${domain} ${rows[p]}`);
      });
    }
    assert.equal(seen.size, 15 * 8);
  });
  test("keeps the asked cause, with the domains that were dry already", () => {
    const { stages } = makeSchedule(
      header("redistribute", null),
      [3, [0.5, 0.25, 0.25]],
      [5, [0.5, 0.25, 0.25]],
    );
    assert.deepEqual(stages[2]!.cause, { kind: "initial", exhausted: ["d2"] });
    assert.deepEqual([stages[2]!.fromBatch, stages[2]!.weights], [3, [11184811, 5592405, 0]]);
  });
  test("looks only at the decided part", () => {
    assert.equal(makeSchedule(header("redistribute", null), [2, [0.5, 0.25, 0.25]]).stages.length, 1);
    assert.equal(makeSchedule(header("redistribute", null), [3, [0.5, 0.25, 0.25]]).stages.length, 2);
    assert.equal(makeSchedule(header("redistribute", null, 2), [null, [0.5, 0.25, 0.25]]).stages.length, 1);
  });
  test("takes several domains out at one batch", () => {
    const { stages } = makeSchedule(
      makeHeader([400, 20, 20], { exhaustion: { policy: "redistribute", epochs: null } }),
      [4, [0.5, 0.25, 0.25]],
    );
    assert.deepEqual(stages[1]!.cause, { kind: "exhausted", domains: ["d1", "d2"] });
    assert.deepEqual(stages[1]!.weights, [PARTS, 0, 0]);
  });
  test("takes out what the redistributed weight itself runs dry, in the same batch", () => {
    // In batch 1 d2 has 1 row left for 4; d1 has 4 left, enough for its own 4 but not for the 8 that it would inherit.
    const tight = makeHeader([400, 32, 20], { exhaustion: { policy: "redistribute", epochs: null } });
    const { stages } = makeSchedule(tight, [4, [0.02, 0.49, 0.49]]);
    assert.deepEqual(
      stages.map(({ fromBatch, weights, served }) => [fromBatch, weights[0] === PARTS, served]),
      [
        [0, false, [0, 0, 0]],
        [1, true, [0, 4, 4]],
      ],
    );
    assert.deepEqual(stages[1]!.cause, { kind: "exhausted", domains: ["d2", "d1"] });
  });
});

describe("stop", () => {
  test("ends the run before the batch that a domain cannot fill", () => {
    const schedule = makeSchedule(header("stop", null), [100, [0.5, 0.25, 0.25]]);
    assert.deepEqual(
      schedule.stages.map(({ fromBatch, untilBatch, weights, cause }) => [
        fromBatch,
        untilBatch,
        weights,
        cause,
      ]),
      [
        [0, 2, [PARTS / 2, PARTS / 4, PARTS / 4], { kind: "initial" }],
        [2, null, [0, 0, 0], { kind: "stop", domains: ["d2"] }],
      ],
    );
    assert.deepEqual(decidedEnd(schedule), { batch: 2, final: true });
    assert.throws(() => openPlan(schedule).batch(2), {
      code: "ERR_UNDECIDED",
      message: "batch 2 is past the end of the run, which has 2 batches",
    });
  });
  test("may stop a run before its first batch", () => {
    const schedule = makeSchedule(makeHeader([400, 4], { exhaustion: { policy: "stop", epochs: 1 } }), [
      100,
      [0.5, 0.5],
    ]);
    assert.deepEqual(decidedEnd(schedule), { batch: 0, final: true });
    assert.deepEqual(parseSchedule(JSON.parse(JSON.stringify(schedule))), schedule);
  });
});

describe("error", () => {
  test("refuses the stage, naming the domain, the batch and the way out", () => {
    assert.throws(() => makeSchedule(header("error", null), [100, [0.5, 0.25, 0.25]]), {
      code: "ERR_EXHAUSTED",
      message:
        "d2 would run out of rows in batch 2 (at 64 tokens); lower the weight, end the run before that batch, or choose exhaustion repeat, redistribute or stop",
    });
  });
  test("accepts a stage that ends before", () => {
    assert.equal(makeSchedule(header("error", null), [2, [0.5, 0.25, 0.25]]).stages.length, 1);
  });
});

test("a domain at weight 0 is never served nor exhausted, even without a row", () => {
  const { stages } = makeSchedule(
    makeHeader([400, 83, 0], { exhaustion: { policy: "redistribute", epochs: null } }),
    [4, [0.5, 0.5, 0]],
  );
  assert.equal(stages.length, 1);
  assert.equal(mixtureCursor(stages[0]!, 8).before(4).served[2], 0);
});
