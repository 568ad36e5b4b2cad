import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type DomainName, type DomainWeights, domainWeights } from "../../core/domain.ts";
import {
  applyRails,
  DEFAULT_RAILS,
  integerWeights,
  PARTS,
  parseRails,
  type Rails,
} from "../../samplers/index.ts";

const OFF: Rails = { floorRows: 0, ceiling: 1, step: 2 ** 20 };

function weights(...values: readonly number[]): DomainWeights {
  return domainWeights(Object.fromEntries(values.map((value, i) => [`d${i}`, value])));
}

function railed(
  asked: DomainWeights,
  previous: DomainWeights,
  rails: Partial<Rails>,
  batchRows = 64,
  closed: string[] = [],
) {
  return applyRails(asked, previous, { ...OFF, ...rails }, { batchRows, closed });
}

describe("applyRails", () => {
  test("gives back weights that keep every bound, and lists nothing", () => {
    const asked = weights(0.5, 0.3, 0.2);
    const result = applyRails(asked, weights(0.4, 0.35, 0.25), DEFAULT_RAILS, { batchRows: 64 });
    assert.deepEqual(result, { weights: asked, actions: [] });
  });
  test("lifts a weight to the floor and takes it from the others in proportion", () => {
    const asked = weights(0.5625, 0.375, 0.0625);
    const result = railed(asked, asked, { floorRows: 2 }, 16);
    assert.deepEqual(
      Object.values(result.weights).map((weight) => Math.round(weight * 1e12) / 1e12),
      [0.525, 0.35, 0.125],
    );
    assert.deepEqual(result.actions, [{ rail: "floor", domain: "d2", from: 0.0625, to: 0.125 }]);
  });
  test("makes the floor whole parts of 2^24, so that it is a row a batch after rounding too", () => {
    const { weights: floored } = applyRails(
      weights(0.99999, 0.00001),
      weights(0.5, 0.5),
      { ...OFF, floorRows: 1 },
      { batchRows: 3584 },
    );
    assert.equal(integerWeights(Object.values(floored))[1], Math.ceil(PARTS / 3584));
  });
  test("cuts a weight to the ceiling", () => {
    const result = railed(weights(0.95, 0.04, 0.01), weights(0.95, 0.04, 0.01), { ceiling: 0.9 });
    assert.deepEqual(
      Object.values(result.weights).map((weight) => Math.round(weight * 1e12) / 1e12),
      [0.9, 0.08, 0.02],
    );
    assert.deepEqual(result.actions, [{ rail: "ceiling", domain: "d0", from: 0.95, to: 0.9 }]);
  });
  test("lets no weight more than double or halve", () => {
    const result = railed(weights(0.1, 0.1, 0.8), weights(0.5, 0.25, 0.25), { step: 2 });
    assert.deepEqual(Object.values(result.weights), [0.25, 0.25, 0.5]);
    assert.deepEqual(result.actions, [
      { rail: "step", domain: "d0", from: 0.1, to: 0.25 },
      { rail: "step", domain: "d2", from: 0.8, to: 0.5 },
    ]);
  });
  test("gives a closed domain nothing and lists it as the repeat rail", () => {
    const result = railed(weights(0.5, 0.25, 0.25), weights(0, 0.5, 0.5), {}, 64, ["d0"]);
    assert.deepEqual(result, {
      weights: weights(0, 0.5, 0.5),
      actions: [{ rail: "repeat", domain: "d0", from: 0.5, to: 0 }],
    });
  });
  test("gives the last open domain everything, whatever the ceiling", () => {
    const result = railed(weights(0.5, 0.5), weights(0.5, 0.5), { ceiling: 0.9, step: 2 }, 64, ["d0"]);
    assert.deepEqual(Object.values(result.weights), [0, 1]);
  });
  test("stops the published rule's collapse: 80 updates of a lasting gap end at the ceiling", () => {
    let current = weights(0.25, 0.25, 0.25, 0.25);
    for (let update = 0; update < 80; update++) {
      const [first = 0, ...others] = Object.values(current);
      const asked = [first * Math.exp(0.5), ...others];
      const sum = asked.reduce((total, weight) => total + weight, 0);
      const result = applyRails(weights(...asked.map((weight) => weight / sum)), current, DEFAULT_RAILS, {
        batchRows: 64,
      });
      current = result.weights;
    }
    assert.ok(Math.abs(Object.values(current)[0]! - 0.9) < 1e-12);
    for (const weight of Object.values(current)) assert.ok(weight >= 1 / 64 - 1e-12);
  });
  test("refuses rails out of range", () => {
    assert.throws(() => parseRails({ ...DEFAULT_RAILS, ceiling: 1.5 }, "rails"), {
      code: "ERR_PARSE",
      message: "rails.ceiling is 1.5; expected a number from 0 to 1",
    });
    assert.throws(() => parseRails({ ...DEFAULT_RAILS, step: 0.5 }, "rails"), { code: "ERR_PARSE" });
    assert.throws(() => parseRails({ ...DEFAULT_RAILS, floor: 1 }, "rails"), { code: "ERR_PARSE" });
  });
});

describe("the rails as a law", () => {
  const simplex = (count: number) =>
    fc
      .array(
        fc.oneof(
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.constant(0),
          fc.double({ min: 0, max: 1e-5, noNaN: true }),
        ),
        {
          minLength: count,
          maxLength: count,
        },
      )
      .filter((values) => values.some((value) => value > 1e-3))
      .map((values) => {
        const sum = values.reduce((total, value) => total + value, 0);
        return weights(...values.map((value) => value / sum));
      });
  const cases = fc.integer({ min: 2, max: 12 }).chain((count) =>
    fc.record({
      asked: simplex(count),
      previous: simplex(count),
      closed: fc.subarray(
        Array.from({ length: count }, (_, i) => `d${i}`),
        { maxLength: count - 1 },
      ),
      batchRows: fc.integer({ min: 1, max: 5000 }),
      ceiling: fc.double({ min: 0.05, max: 1, noNaN: true }),
      step: fc.double({ min: 1, max: 8, noNaN: true }),
      floorRows: fc.integer({ min: 0, max: 4 }),
    }),
  );
  const law = { numRuns: 2000 };

  test("weights sum to 1, keep floor and ceiling, and give closed domains nothing", () => {
    fc.assert(
      fc.property(cases, ({ asked, previous, closed, batchRows, ...rails }) => {
        const result = applyRails(asked, previous, rails, { batchRows, closed });
        const open = Object.entries(result.weights).filter(([name]) => !closed.includes(name));
        const floor = Math.min(rails.floorRows / batchRows, 1 / (2 * open.length));
        const ceiling = Math.max(rails.ceiling, 1 / open.length, (2 * Math.ceil(floor * PARTS)) / PARTS);
        const values = open.map(([, weight]) => weight);
        assert.ok(Math.abs(values.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-12);
        for (const weight of values)
          assert.ok(weight >= floor - 1e-12 && weight <= ceiling + 1e-12, `${weight}`);
        for (const name of closed) assert.equal(result.weights[name as DomainName], 0);
      }),
      law,
    );
  });
  test("from weights within floor and ceiling no update passes the step", () => {
    fc.assert(
      fc.property(cases, ({ asked, previous, batchRows, closed: _, ...rails }) => {
        const start = applyRails(previous, previous, { ...rails, step: 2 ** 20 }, { batchRows }).weights;
        const result = applyRails(asked, start, rails, { batchRows });
        for (const [name, weight] of Object.entries(result.weights)) {
          const before = start[name as DomainName]!;
          assert.ok(
            weight <= before * rails.step + 1e-12 && weight >= before / rails.step - 1e-12,
            `${before} -> ${weight}`,
          );
        }
      }),
      law,
    );
  });
  test("weights that stand on no bound keep their proportions, and those that do are listed", () => {
    fc.assert(
      fc.property(cases, ({ asked, previous, closed, batchRows, ...rails }) => {
        const result = applyRails(asked, previous, rails, { batchRows, closed });
        const listed = new Set<string>(result.actions.map(({ domain }) => domain));
        const factors = Object.entries(result.weights)
          .filter(
            ([name]) => !listed.has(name) && !closed.includes(name) && asked[name as DomainName]! > 1e-6,
          )
          .map(([name, weight]) => weight / asked[name as DomainName]!);
        for (const factor of factors) assert.ok(Math.abs(factor / factors[0]! - 1) < 1e-9, `${factors}`);
        for (const { domain, from, to } of result.actions) {
          assert.equal(from, asked[domain]);
          assert.equal(to, result.weights[domain]);
        }
      }),
      law,
    );
  });
});
