import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { keyOf, mix32, offsetOf, wordAt } from "../../core/random.ts";
import { batchOrder, domainOrder, permutation } from "../../samplers/index.ts";

/** docs/format.md 2, word for word, in numbers of any size and with nothing clever. */
function byThePage(n: number, key: Uint32Array): (position: number) => number {
  if (n <= 4096) {
    const sorted = Array.from({ length: n }, (_, i) => i).sort(
      (a, b) => wordAt(key, a) - wordAt(key, b) || a - b,
    );
    return (position) => sorted[position]!;
  }
  const bits = (n - 1).toString(2).length;
  const widths = [Math.floor(bits / 2), bits - Math.floor(bits / 2)] as const;
  return (position) => {
    let x = position;
    do {
      let left = { value: Math.floor(x / 2 ** widths[1]), width: widths[0] };
      let right = { value: x % 2 ** widths[1], width: widths[1] };
      for (let round = 0; round < 6; round++) {
        const mixed = mix32((right.value + key[round]!) % 2 ** 32) % 2 ** left.width;
        const xor = Number(BigInt(left.value) ^ BigInt(mixed));
        [left, right] = [right, { value: xor, width: left.width }];
      }
      x = left.value * 2 ** right.width + right.value;
    } while (x >= n);
    return x;
  };
}

describe("permutation", () => {
  test("is the one of docs/format.md", () => {
    for (const n of [
      1,
      2,
      3,
      5,
      64,
      4095,
      4096,
      4097,
      8192,
      8193,
      65_536,
      65_537,
      1_048_577,
      153_076_171,
      2 ** 32 - 1,
      2 ** 32,
    ]) {
      const key = keyOf("test", n);
      const expected = byThePage(n, key);
      const { at, size } = permutation(n, key);
      assert.equal(size, n);
      for (let i = 0; i < 300; i++) {
        const position = Math.floor((i * (n - 1)) / 299);
        assert.equal(at(position), expected(position), `n ${n}, position ${position}`);
      }
    }
  });
  test("never meets a tie: the words of a key are a bijection of the index", () => {
    const key = keyOf("ties");
    assert.equal(new Set(Array.from({ length: 4096 }, (_, i) => wordAt(key, i))).size, 4096);
  });
});

describe("domainOrder", () => {
  const order = domainOrder({ seed: 7, rowTokens: 10 }, { name: "c4", tokens: 1003 });

  test("has floor(tokens / row) rows in every epoch", () => {
    assert.equal(order.rows, 100);
  });
  test("starts every epoch at its own offset and rows at fixed stride on the ring", () => {
    const epoch = order.epoch(3);
    assert.equal(epoch.offset, offsetOf(keyOf("order", 7, "c4", 3), 1003));
    assert.equal(order.startOf(epoch, 0), epoch.offset);
    assert.equal(order.startOf(epoch, 99), (epoch.offset + 990) % 1003);
    assert.notEqual(epoch.offset, order.epoch(4).offset);
  });
  test("covers every token of the ring at most once an epoch and misses fewer than a row", () => {
    for (let number = 0; number < 20; number++) {
      const epoch = order.epoch(number);
      const seen = new Set<number>();
      for (let row = 0; row < order.rows; row++)
        for (let token = 0; token < 10; token++) seen.add((order.startOf(epoch, row) + token) % 1003);
      assert.equal(seen.size, 1000);
    }
  });
  test("depends on the seed, the name and the epoch, and on nothing else", () => {
    const list = (seed: number, name: string, epoch: number) => {
      const { permutation: order } = domainOrder({ seed, rowTokens: 10 }, { name, tokens: 1003 }).epoch(
        epoch,
      );
      return Array.from({ length: 100 }, (_, i) => order.at(i)).join();
    };
    assert.equal(list(7, "c4", 0), list(7, "c4", 0));
    assert.equal(new Set([list(7, "c4", 0), list(8, "c4", 0), list(7, "book", 0), list(7, "c4", 1)]).size, 4);
  });
  test("says when a row is served", () => {
    for (const epoch of [0, 1, 5])
      for (const row of [0, 17, 99]) {
        const ordinal = order.ordinalOf(epoch, row);
        assert.equal(Math.floor(ordinal / 100), epoch);
        assert.equal(order.epoch(epoch).permutation.at(ordinal % 100), row);
      }
  });
  test("is exact past 2^32 tokens", () => {
    const tokens = 627_000_000_000;
    const large = domainOrder({ seed: 1, rowTokens: 4096 }, { name: "c4", tokens });
    assert.equal(large.rows, 153_076_171);
    const epoch = large.epoch(0);
    const row = 153_076_170;
    assert.equal(
      BigInt(large.startOf(epoch, row)),
      (BigInt(epoch.offset) + BigInt(row) * 4096n) % BigInt(tokens),
    );
  });
});

describe("batchOrder", () => {
  test("permutes the slots of a batch by seed and batch", () => {
    const list = (seed: number, batch: number) =>
      Array.from({ length: 64 }, (_, i) => batchOrder(seed, batch, 64).at(i));
    assert.deepEqual(
      [...list(0, 0)].sort((a, b) => a - b),
      Array.from({ length: 64 }, (_, i) => i),
    );
    assert.notDeepEqual(list(0, 0), list(0, 1));
    assert.notDeepEqual(list(0, 0), list(1, 0));
    const key = keyOf("batch", 0, 5);
    assert.deepEqual(
      list(0, 5),
      Array.from({ length: 64 }, (_, i) => byThePage(64, key)(i)),
    );
  });
});

test("positions and values are each other's inverse for any size and key", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 2 ** 32 })),
      fc.nat(),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (n, seed, where) => {
        const { at, positionOf } = permutation(n, keyOf("inverse", seed));
        const position = Math.floor(where * n);
        assert.equal(positionOf(at(position)), position);
        assert.equal(at(positionOf(position)), position);
      },
    ),
    { numRuns: 2000 },
  );
});
