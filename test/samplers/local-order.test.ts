import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createSchedule, domainOrder, openPlan } from "../../samplers/index.ts";
import { makeHeader, makeSchedule } from "./making.ts";

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 700 }),
  blockRows: fc.integer({ min: 1, max: 40 }),
  blocks: fc.integer({ min: 1, max: 9 }),
  packed: fc.boolean(),
  seed: fc.nat(),
});

/** The rows of an epoch in the order in which they are served. */
function served({ rows, blockRows, blocks, packed, seed }: Shape, epoch: number) {
  const order = domainOrder(
    { seed, rowTokens: 8, window: { blockRows, blocks } },
    { name: "book", tokens: 8 * rows + 3, ...(packed && { rows }) },
  );
  const { permutation, offset } = order.epoch(epoch);
  return { order, offset, list: Array.from({ length: rows }, (_, position) => permutation.at(position)) };
}

type Shape = typeof shapes extends fc.Arbitrary<infer T> ? T : never;

describe("local order", () => {
  test("serves every row of an epoch once, and says when", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { order, list } = served(shape, 2);
        assert.equal(new Set(list).size, shape.rows);
        assert.ok(list.every((row) => row >= 0 && row < shape.rows));
        for (const [position, row] of list.entries())
          assert.equal(order.ordinalOf(2, row), 2 * shape.rows + position);
      }),
      { numRuns: 200 },
    );
  });

  test("a window holds whole blocks and no other row, the last one what is left too", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { rows, blockRows, blocks, packed } = shape;
        const { list } = served(shape, 0);
        const full = Math.floor(rows / blockRows);
        const windows = Math.max(1, Math.floor(full / blocks));
        // Packed rows have no ring to turn, so the blocks begin at a row of the key's choice: that one is found from what is served.
        const turns = packed ? Array.from({ length: rows }, (_, i) => i) : [0];
        const fits = turns.filter((turn) => {
          for (let window = 0; window < windows; window++) {
            const until = window < windows - 1 ? (window + 1) * blocks * blockRows : rows;
            const counts = new Map<number, number>();
            for (const row of list.slice(window * blocks * blockRows, until)) {
              const block = Math.floor(((row - turn + rows) % rows) / blockRows);
              counts.set(block, (counts.get(block) ?? 0) + 1);
            }
            for (const [block, count] of counts)
              if (count !== (block < full ? blockRows : rows - full * blockRows)) return false;
          }
          return true;
        });
        assert.ok(fits.length > 0, "a block is in two windows");
      }),
      { numRuns: 150 },
    );
  });

  test("changes with the epoch, in blocks and in rows", () => {
    const shape = { rows: 640, blockRows: 16, blocks: 4, packed: false, seed: 9 };
    const [first, second] = [served(shape, 0), served(shape, 1)];
    assert.notDeepEqual(first.list, second.list);
    assert.notEqual(first.offset, second.offset);
    const blocksOf = (list: readonly number[]) => list.slice(0, 64).map((row) => Math.floor(row / 16));
    assert.notDeepEqual(new Set(blocksOf(first.list)), new Set(blocksOf(second.list)));
    assert.notDeepEqual(
      first.list.slice(0, 64),
      first.list.slice(0, 64).sort((a, b) => a - b),
    );
  });

  test("leaves the mixture as it is: rows of a domain before every batch are those of the global order", () => {
    const header = makeHeader([4000, 900, 333], { batches: 60 });
    const local = { ...header, order: "local", window: { blockRows: 8, blocks: 3 } } as const;
    const plans = [header, local].map((one) =>
      openPlan(makeSchedule(one, [20, [0.5, 0.3, 0.2]], [null, [0.2, 0.2, 0.6]])),
    );
    let differ = 0;
    for (let k = 0; k < 60; k++) {
      assert.deepEqual(plans[0]!.served(k), plans[1]!.served(k));
      const [a, b] = plans.map((plan) => plan.batch(k));
      assert.deepEqual(a!.domains, b!.domains);
      if (a!.rows.join() !== b!.rows.join()) differ++;
    }
    assert.ok(differ > 50);
  });

  test("is refused without a window, and a window with a global order", () => {
    const header = makeHeader([400]);
    assert.throws(() => createSchedule({ ...header, order: "local" }), {
      code: "ERR_PARSE",
      message: /header\.window is absent and header\.order is local/,
    });
    assert.throws(() => createSchedule({ ...header, window: { blockRows: 8, blocks: 3 } }), {
      code: "ERR_PARSE",
      message: /header\.window is \{"blockRows":8,"blocks":3\} and header\.order is global/,
    });
    assert.throws(() => createSchedule({ ...header, order: "local", window: { blockRows: 0, blocks: 3 } }), {
      code: "ERR_PARSE",
    });
  });
});
