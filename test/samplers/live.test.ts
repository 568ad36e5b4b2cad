import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { appendStage, liveNumbers, openPlan } from "../../samplers/index.ts";
import { makeHeader, makeSchedule, weigh } from "./making.ts";

const weights = fc.double({ min: 0.05, max: 0.95, noNaN: true });

describe("liveNumbers", () => {
  it("foretells the batch by which a domain has no unseen row: exactly where it is decided", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 2000 }),
        weights,
        weights,
        fc.integer({ min: 0, max: 40 }),
        (tokens, a, b, at) => {
          const header = makeHeader([tokens, 4000], { batches: 60 });
          const plan = openPlan(makeSchedule(header, [20, [a, 1 - a]], [60, [b, 1 - b]]));
          const rows = Math.floor(tokens / 4);
          const { dryBatch, dryTokens, tokensLeft, epochs } = liveNumbers(plan, at).domains["d0"]!;
          const served = plan.served(at)[0]!;
          assert.equal(tokensLeft, Math.max(0, rows - served) * 4);
          assert.equal(epochs, served / rows);
          let dry: number | null = null;
          for (let k = at; k <= 60 && dry === null; k++) if (plan.served(k)[0]! >= rows) dry = k;
          assert.equal(dryBatch, served >= rows ? null : dry);
          assert.equal(dryTokens, dryBatch === null ? null : dryBatch * 32);
        },
      ),
    );
  });

  it("goes on with the last weights beyond what is decided, to within a batch of what they give", () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 2000 }), weights, (tokens, a) => {
        const header = makeHeader([tokens, 4000], { batches: 1000 });
        const rows = Math.floor(tokens / 4);
        const known = openPlan(makeSchedule(header, [5, [a, 1 - a]]));
        const all = openPlan(makeSchedule(header, [1000, [a, 1 - a]]));
        const { dryBatch } = liveNumbers(known, 3).domains["d0"]!;
        const exact =
          Array.from({ length: 1001 }, (_, k) => k).find((k) => all.served(k)[0]! >= rows) ?? null;
        if (dryBatch === null || exact === null) assert.ok((dryBatch ?? exact ?? 1000) >= 999);
        else assert.ok(Math.abs(dryBatch - exact) <= Math.ceil(1 / (a * 8)), `${dryBatch} and ${exact}`);
      }),
    );
  });

  it("counts tokens and dates by the batches that there are, where their size changes", () => {
    const schedule = makeSchedule(makeHeader([400, 4000], { batches: 40 }), [10, [0.5, 0.5]]);
    const plan = openPlan(
      appendStage(schedule, {
        fromBatch: 10,
        untilBatch: null,
        weights: weigh(0.25, 0.75),
        batchRows: 16,
        cause: { kind: "step" },
      }),
    );
    // 40 rows by batch 10, then 4 a batch: the 100 rows of d0 are over after 15 more batches of 64 tokens.
    const { dryBatch, dryTokens } = liveNumbers(plan, 12).domains["d0"]!;
    assert.deepEqual([dryBatch, dryTokens], [25, 320 + 15 * 64]);
    assert.equal(liveNumbers(plan, 12).tokens, 320 + 2 * 64);
    assert.equal(liveNumbers(plan, 12).domains["d0"]!.share, 48 / 112);
  });

  it("has no date for a domain without weight, and gives the last stage's weights at the end", () => {
    const plan = openPlan(
      makeSchedule(makeHeader([400, 400], { batches: 10 }), [4, [0.5, 0.5]], [10, [1, 0]]),
    );
    const end = liveNumbers(plan, 10, { d0: 2 });
    assert.deepEqual([end.stage, end.domains["d1"]!.weight, end.domains["d1"]!.dryBatch], [1, 0, null]);
    assert.deepEqual([end.domains["d0"]!.loss, end.domains["d1"]!.loss], [2, null]);
    assert.equal(liveNumbers(plan, 0).domains["d0"]!.share, 0);
  });
});
