import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { splitsOf } from "../../../pipeline/tokenizer/splits.ts";

test("the splits are all cuts of a piece, between UTF-16 units, whose two sides are pieces, from left to right", () => {
  const pieces = fc.uniqueArray(
    fc.string({ unit: fc.constantFrom("a", "b", "\u2581", "\u{1f600}"), minLength: 1, maxLength: 4 }),
    { minLength: 20, maxLength: 60 },
  );
  let found = 0;
  fc.assert(
    fc.property(pieces, (list) => {
      const ids = new Map(list.map((piece, i) => [piece, i + 3]));
      const expected = list.flatMap((piece) =>
        Array.from({ length: piece.length - 1 }, (_, i) => [
          ids.get(piece.slice(0, i + 1)),
          ids.get(piece.slice(i + 1)),
          ids.get(piece),
        ])
          .filter((split) => !split.includes(undefined))
          .flat(),
      );
      found += expected.length;
      assert.deepEqual([...splitsOf(ids)], expected);
    }),
    { numRuns: 300 },
  );
  assert.ok(found > 300, `only ${found / 3} splits`);
});
