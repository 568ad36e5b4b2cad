/** What holds for the scores of every document, whatever its ids. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readModel, SCORE_LIMIT, SCORE_UNIT, scoreAll } from "../../filters/index.ts";
import type { FilterModel } from "../../filters/model.ts";

const ADS = readModel("ads");
const FLUENCY = readModel("fluency");

/** Ids as texts have them: few ids often, many seldom, with newlines (13) between. */
const ids = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 260, max: 320 }) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 31_999 }) },
    { weight: 1, arbitrary: fc.constant(13) },
  ),
  { maxLength: 400 },
);

test("a score is the integer that exact arithmetic gives, in whole numbers without a limit", () => {
  fc.assert(
    fc.property(ids, (list) => {
      for (const { model, score } of [ADS, FLUENCY])
        assert.equal(BigInt(score("", Uint16Array.from(list), list.length)), exactScore(model, list));
    }),
    { numRuns: 300 },
  );
});

test("a score fits float32 as a column value without rounding", () => {
  fc.assert(
    fc.property(ids, (list) => {
      const score = ADS.score("", Uint16Array.from(list), list.length);
      assert.ok(Number.isInteger(score) && Math.abs(score) < SCORE_LIMIT);
      assert.equal(Math.fround(score / SCORE_UNIT) * SCORE_UNIT, score);
    }),
  );
});

test("scoring together gives what scoring one by one gives, in any order of documents, from both id types, whatever lies behind the ids", () => {
  const five = [FLUENCY, ADS, ADS, FLUENCY, ADS];
  const together = scoreAll(five);
  const out = new Int32Array(5);
  fc.assert(
    fc.property(fc.array(ids, { maxLength: 5 }), fc.nat(31_999), (documents, behind) => {
      for (const list of documents) {
        together({ text: "" }, Int32Array.of(...list, behind, behind), list.length, out);
        const alone = five.map((filter) => filter.score("", Uint16Array.from(list), list.length));
        assert.deepEqual([...out], alone);
      }
    }),
  );
});

test("a filter without a model is asked for its own score", () => {
  const length = { ...ADS, model: undefined, score: (text: string) => text.length };
  const { model: _, ...plain } = length;
  const out = new Int32Array(2);
  scoreAll([plain, ADS])({ text: "four" }, Uint16Array.of(300), 1, out);
  assert.deepEqual([...out], [4, ADS.score("", Uint16Array.of(300), 1)]);
});

/** The definition, with big integers and no shared code but the tables. */
function exactScore({ bias, pieces, tokenWeights, measures }: FilterModel, list: readonly number[]): bigint {
  const times = new Map<number, number>();
  for (const id of list) times.set(id, (times.get(id) ?? 0) + 1);
  let weight = 0n;
  let squares = 0n;
  for (const [id, count] of times) {
    const level = BigInt(count.toString(2).length);
    weight += level * BigInt(tokenWeights[id]!);
    squares += level * level;
  }
  let score = BigInt(bias);
  if (squares > 0n) score += floorDivide(256n * weight, root(65_536n * squares));
  for (const { measure, edges, weights } of measures) {
    const value = exactMeasure(measure, pieces, list, times.size);
    score += BigInt(weights[edges.filter((edge) => value >= BigInt(edge)).length]!);
  }
  const limit = BigInt(SCORE_LIMIT) - 1n;
  return score > limit ? limit : score < -limit ? -limit : score;
}

function exactMeasure(
  measure: string,
  { classes, lengths }: FilterModel["pieces"],
  list: readonly number[],
  distinct: number,
): bigint {
  const kinds = list.map((id) => classes[id]!);
  const lines = list
    .map((id) => (classes[id] === 0 ? "|" : "x"))
    .join("")
    .split("|")
    .filter((line) => line !== "");
  const n = BigInt(list.length);
  const share = (...wanted: readonly number[]) =>
    divide(1024n * BigInt(kinds.filter((kind) => wanted.includes(kind)).length), n);
  const characters = BigInt(list.reduce((sum, id) => sum + lengths[id]!, 0));
  switch (measure) {
    case "tokens":
      return n;
    case "charactersPerToken":
      return divide(16n * characters, n);
    case "charactersPerLine":
      return divide(characters, BigInt(lines.length));
    case "longestLine":
      return BigInt(Math.max(0, ...lines.map((line) => line.length)));
    case "variety":
      return divide(16n * BigInt(distinct) ** 2n, n);
    case "functionWords":
      return share(1, 2, 3, 4);
    case "you":
      return share(2);
    case "marks":
      return share(5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
    case "colons":
      return share(8);
    case "rareMarks":
      return share(14);
    case "code": {
      const signs = share(10, 13, 14, 22, 23, 24);
      const newlines = 2n * share(0);
      return signs < newlines ? signs : newlines;
    }
    default:
      throw new Error(`the models use a measure that this test does not define: ${measure}`);
  }
}

function divide(part: bigint, whole: bigint): bigint {
  return whole === 0n ? 0n : part / whole;
}

function floorDivide(part: bigint, whole: bigint): bigint {
  const quotient = part / whole;
  return part < 0n && quotient * whole !== part ? quotient - 1n : quotient;
}

/** Integer square root by Newton's method. */
function root(value: bigint): bigint {
  let x = value;
  for (;;) {
    const next = (x + value / x) / 2n;
    if (next >= x) return x;
    x = next;
  }
}
