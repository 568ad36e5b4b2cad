import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { openPlan, reviseSchedule, type Schedule, whereServed } from "../../samplers/index.ts";
import { makeHeader, makeSchedule } from "./making.ts";

/** Every row of every batch, looked at token by token. */
function walked(schedule: Schedule, domain: number, position: number, tokens: number, until: number) {
  const { header } = schedule;
  const ring = header.domains[domain]!.tokens;
  const mine = new Set(Array.from({ length: tokens }, (_, i) => (position + i) % ring));
  const plan = openPlan(schedule);
  const found = [];
  for (let batch = 0; batch < until; batch++) {
    const { stage, domains, epochs, rows, starts } = plan.batch(batch);
    for (let place = 0; place < domains.length; place++) {
      if (domains[place] !== domain) continue;
      let held = 0;
      for (let i = 0; i < header.rowTokens + header.lookahead; i++)
        if (mine.has((starts[place]! + i) % ring)) held++;
      if (held > 0)
        found.push({
          batch,
          skipped: false,
          place,
          stage,
          epoch: epochs[place]!,
          row: rows[place]!,
          tokens: held,
        });
    }
  }
  return found;
}

describe("the batches in which a stretch of a stream is served", () => {
  test("are those that a walk through every row finds", () => {
    fc.assert(
      fc.property(
        fc.record({
          tokens: fc.array(fc.integer({ min: 4, max: 300 }), { minLength: 1, maxLength: 4 }),
          lookahead: fc.constantFrom(0, 1),
          seed: fc.integer({ min: 0, max: 1000 }),
          at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
          length: fc.integer({ min: 1, max: 30 }),
          domain: fc.nat(3),
          turn: fc.integer({ min: 1, max: 39 }),
        }),
        ({ tokens, lookahead, seed, at, length, domain: drawn, turn }) => {
          const domain = drawn % tokens.length;
          const even = tokens.map(() => 1 / tokens.length);
          const first = tokens.map((_, i) => (i === 0 ? 1 : 0));
          const header = makeHeader(tokens, { lookahead, seed, batches: 40 });
          const schedule = makeSchedule(header, [turn, even], [null, first]);
          const ring = tokens[domain]!;
          const position = Math.floor(at * ring);
          const count = Math.min(length, ring - position);
          assert.deepEqual(
            whereServed(schedule, { domain: `d${domain}`, position, tokens: count }),
            walked(schedule, domain, position, count, 40),
          );
        },
      ),
      { numRuns: 150 },
    );
  });
  test("are those before and after batches that were passed over, and the rows passed over are named", () => {
    const schedule = makeSchedule(makeHeader([300, 200], { batches: 40 }), [null, [0.6, 0.4]]);
    const stretch = { domain: "d0", position: 40, tokens: 60 };
    const revised = reviseSchedule(reviseSchedule(schedule, { kind: "batch", fromBatch: 3, batchRows: 12 }), {
      kind: "skip",
      fromBatch: 5,
      untilBatch: 8,
    });
    const found = whereServed(revised, stretch);
    assert.deepEqual(
      found.filter(({ skipped }) => !skipped),
      walked(revised, 0, 40, 60, 40),
    );
    const passed = found.filter(({ skipped }) => skipped);
    const before = reviseSchedule(schedule, { kind: "batch", fromBatch: 3, batchRows: 12 });
    assert.deepEqual(
      passed.map(({ batch, epoch, row, tokens }) => [batch, epoch, row, tokens]).sort(),
      walked(before, 0, 40, 60, 8)
        .filter(({ batch }) => batch >= 5)
        .map(({ epoch, row, tokens }) => [5, epoch, row, tokens])
        .sort(),
    );
    assert.ok(passed.length > 0);
  });

  test("far into a long run are found without walking to it", () => {
    const schedule = makeSchedule(
      makeHeader([6e11, 3e11], { rowTokens: 4096, batchRows: 3584, batches: 13_623 }),
      [null, [0.5, 0.5]],
    );
    const rows = whereServed(schedule, { domain: "d1", position: 123_456_789_012, tokens: 10_000 });
    assert.ok(rows.length >= 1);
    const plan = openPlan(schedule);
    for (const { batch, place, row, epoch } of rows) {
      const { domains, rows: planned, epochs } = plan.batch(batch);
      assert.deepEqual([domains[place], planned[place], epochs[place]], [1, row, epoch]);
    }
  });
  test("of a run without an end need one", () => {
    const schedule = makeSchedule(makeHeader([100]), [null, [1]]);
    assert.throws(() => whereServed(schedule, { domain: "d0", position: 0, tokens: 1 }), {
      code: "ERR_ARGUMENT",
      message: /the run has no end; say until which batch/,
    });
    assert.deepEqual(
      whereServed(schedule, { domain: "d0", position: 0, tokens: 9 }, 12),
      walked(schedule, 0, 0, 9, 12),
    );
  });
  test("refuses a domain and tokens that are not there", () => {
    const schedule = makeSchedule(makeHeader([100], { batches: 3 }), [null, [1]]);
    assert.throws(() => whereServed(schedule, { domain: "x", position: 0, tokens: 1 }), {
      code: "ERR_DOMAIN",
    });
    assert.throws(() => whereServed(schedule, { domain: "d0", position: 99, tokens: 2 }), {
      code: "ERR_ARGUMENT",
      message: 'tokens 99 to 101 are not all in the stream of "d0", which has 100',
    });
  });
});
