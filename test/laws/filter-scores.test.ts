/** What holds for the scores of every document, whatever its ids. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EARLIER_MODELS, readModel, SCORE_LIMIT, SCORE_UNIT, scoreAll } from "../../filters/index.ts";
import type { FilterModel, MeasureTable } from "../../filters/model.ts";

const ADS = readModel("ads");
const FLUENCY = readModel("fluency");
const EARLIER = EARLIER_MODELS.map((name) => readModel(name));

/** Ids as texts have them: few ids often, many seldom, with newlines (13) between. */
const ids = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 260, max: 320 }) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 31_999 }) },
    { weight: 1, arbitrary: fc.constant(13) },
  ),
  { maxLength: 900, size: "max" },
);

test("a score is the integer that exact arithmetic gives, in whole numbers without a limit", () => {
  fc.assert(
    fc.property(ids, (list) => {
      for (const { model, score } of [ADS, FLUENCY, ...EARLIER])
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
  const five = [FLUENCY, ADS, EARLIER[0]!, FLUENCY, ADS];
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
function exactScore(
  { bias, pieces, excerpt, tokenWeights, measures, products }: FilterModel,
  whole: readonly number[],
): bigint {
  const { head, tail, level } = excerpt;
  const list = whole.filter((_, i) => i < head || i >= whole.length - tail);
  const times = new Map<number, number>();
  for (const id of list) times.set(id, (times.get(id) ?? 0) + 1);
  let weight = 0n;
  let squares = 0n;
  for (const [id, count] of times) {
    const binaryLength = level === "presence" ? 1n : BigInt(count.toString(2).length);
    weight += binaryLength * BigInt(tokenWeights[id]!);
    squares += binaryLength * binaryLength;
  }
  let score = BigInt(bias);
  if (squares > 0n) score += floorDivide(256n * weight, root(65_536n * squares));
  const valueIn = ({ measure, edges }: MeasureTable, entries: readonly number[]) => {
    const value = exactMeasure(measure, pieces, list, times);
    return BigInt(entries[edges.filter((edge) => value >= BigInt(edge)).length]!);
  };
  for (const table of [...measures, ...products.tables]) score += valueIn(table, table.weights);
  const values = products.tables.map((table) => valueIn(table, table.values));
  const pairs = values.flatMap((one, i) => values.slice(0, i).map((other) => one * other));
  score += floorDivide(
    pairs.reduce((sum, pair, k) => sum + pair * BigInt(products.weights[k]!), 0n),
    65_536n,
  );
  const limit = BigInt(SCORE_LIMIT) - 1n;
  return score > limit ? limit : score < -limit ? -limit : score;
}

function exactMeasure(
  measure: string,
  { classes, lengths }: FilterModel["pieces"],
  list: readonly number[],
  times: ReadonlyMap<number, number>,
): bigint {
  const kinds = list.map((id) => classes[id]!);
  const n = BigInt(list.length);
  const between = (...ends: readonly number[]) => {
    const runs: number[][] = [[]];
    for (const kind of kinds)
      if (ends.includes(kind)) runs.push([]);
      else runs.at(-1)!.push(kind);
    return runs.filter((run) => run.length > 0);
  };
  const lines = between(0);
  const share = (...wanted: readonly number[]) =>
    divide(1024n * BigInt(kinds.filter((kind) => wanted.includes(kind)).length), n);
  const inLines = (wanted: (length: number) => boolean) =>
    divide(1024n * BigInt(lines.filter(({ length }) => wanted(length)).flat().length), n);
  const characters = BigInt(list.reduce((sum, id) => sum + lengths[id]!, 0));
  const content = [18, 19, 20, 31, 32, 35, 36];
  switch (measure) {
    case "tokens":
      return n;
    case "charactersPerToken":
      return divide(16n * characters, n);
    case "charactersPerLine":
      return divide(characters, BigInt(lines.length));
    case "longestLine":
      return BigInt(Math.max(0, ...lines.map((line) => line.length)));
    case "lineLength":
      return divide(BigInt(lines.reduce((sum, { length }) => sum + length ** 2, 0)), n);
    case "shortLines":
      return inLines((length) => length < 16);
    case "middlingLines":
      return inLines((length) => length < 32);
    case "lowLines":
      return divide(
        1024n * BigInt(lines.filter(([first]) => [18, 21, 35, 36].includes(first!)).length),
        BigInt(lines.length),
      );
    case "longestSentence":
      return BigInt(Math.max(0, ...between(0, 5, 6, 7).map(({ length }) => length)));
    case "variety":
      return divide(16n * BigInt(times.size) ** 2n, n);
    case "once":
      return divide(
        1024n * BigInt([...times.values()].filter((count) => count === 1).length),
        BigInt(times.size),
      );
    case "repetition": {
      const squares = [...times].reduce(
        (sum, [id, count]) => sum + (content.includes(classes[id]!) ? count ** 2 : 0),
        0,
      );
      const words = [...content, 1, 2, 3, 4, 25, 26, 27, 28, 29, 30];
      return divide(16n * BigInt(squares), BigInt(kinds.filter((kind) => words.includes(kind)).length));
    }
    case "functionWords":
      return share(1, 2, 3, 4);
    case "promotion":
      return share(2, 4, 31, 32);
    case "marks":
      return share(5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 33, 34);
    case "signs":
      return share(10, 13, 14, 22, 23, 24);
    case "code": {
      const signs = share(10, 13, 14, 22, 23, 24);
      const newlines = 2n * share(0);
      return signs < newlines ? signs : newlines;
    }
    default: {
      const kind = ONE_CLASS[measure];
      if (kind === undefined)
        throw new Error(`the models use a measure that this test does not define: ${measure}`);
      return share(kind);
    }
  }
}

/** Measures that are the share of one class. */
const ONE_CLASS: Readonly<Record<string, number>> = {
  you: 2,
  colons: 8,
  commas: 11,
  rareMarks: 14,
  currency: 15,
  links: 16,
  words: 18,
  capitalWords: 19,
  otherLetters: 22,
  spaces: 23,
  the: 25,
  prepositions: 28,
  third: 29,
  invitations: 31,
  selling: 32,
  semicolons: 33,
  ing: 35,
};

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
