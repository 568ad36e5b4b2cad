/**
 * The order's laws: bijections of every size, every row of an epoch once, and no order more likely than another.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { keyOf } from "../../core/random.ts";
import { domainOrder, permutation } from "../../samplers/index.ts";

describe("a permutation", () => {
  for (const n of [1, 2, 3, 5, 7, 100, 1000, 4096, 4097, 65_537, 1_048_577])
    test(`of ${n} takes every value once, and its inverse finds every position`, () => {
      const { at, positionOf } = permutation(n, keyOf("bijection", n));
      const seen = new Uint8Array(n);
      for (let position = 0; position < n; position++) {
        const value = at(position);
        assert.ok(value < n && seen[value] === 0);
        seen[value] = 1;
        assert.equal(positionOf(value), position);
      }
    });
});

describe("an epoch", () => {
  for (const rows of [1, 5, 300, 4097])
    test(`of ${rows} rows serves every row once, in another order than the one before`, () => {
      const order = domainOrder({ seed: 11, rowTokens: 16 }, { name: "book", tokens: rows * 16 + 5 });
      const orders = [0, 1, 2].map((epoch) =>
        Array.from({ length: rows }, (_, i) => order.epoch(epoch).permutation.at(i)),
      );
      for (const list of orders) assert.equal(new Set(list).size, rows);
      if (rows > 5) assert.equal(new Set(orders.map(String)).size, 3);
    });
});

describe("no order is more likely than another", () => {
  test("all 120 orders of five rows come equally often over the epochs", () => {
    const counts = new Map<string, number>();
    const epochs = 24_000;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const { at } = permutation(5, keyOf("order", 1227, "tiny", epoch));
      const order = [0, 1, 2, 3, 4].map(at).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    assert.equal(counts.size, 120);
    let chiSquare = 0;
    for (const count of counts.values()) chiSquare += (count - epochs / 120) ** 2 / (epochs / 120);
    // 119 degrees of freedom: mean 119, standard deviation 15.4; a network of six rounds gives 38 a degree.
    assert.ok(chiSquare > 119 - 5 * 15.4 && chiSquare < 119 + 5 * 15.4, `chi-square ${chiSquare}`);
  });
  test("a network keeps about one row in place and about two neighbours together, as chance does", () => {
    const n = 5003;
    const keys = 200;
    let fixed = 0;
    let neighbours = 0;
    for (let key = 0; key < keys; key++) {
      const { at } = permutation(n, keyOf("order", 5, "network", key));
      let before = at(0);
      if (before === 0) fixed++;
      for (let position = 1; position < n; position++) {
        const value = at(position);
        if (value === position) fixed++;
        if (Math.abs(value - before) === 1) neighbours++;
        before = value;
      }
    }
    // Poisson with means 1 and 2 a key: standard deviations of the totals are sqrt(200) and sqrt(400).
    assert.ok(Math.abs(fixed - keys) < 4 * Math.sqrt(keys), `${fixed} fixed points`);
    assert.ok(Math.abs(neighbours - 2 * keys) < 4 * Math.sqrt(2 * keys), `${neighbours} kept neighbours`);
  });
  test("a network spreads every stretch of positions over all values", () => {
    const n = 65_537;
    const cells = new Uint32Array(256);
    const { at } = permutation(n, keyOf("order", 5, "grid", 0));
    for (let position = 0; position < n; position++)
      cells[16 * Math.floor((16 * position) / n) + Math.floor((16 * at(position)) / n)]!++;
    let chiSquare = 0;
    for (const count of cells) chiSquare += (count - n / 256) ** 2 / (n / 256);
    // 225 degrees of freedom: mean 225, standard deviation 21.
    assert.ok(chiSquare > 225 - 5 * 21 && chiSquare < 225 + 5 * 21, `chi-square ${chiSquare}`);
  });
});
