import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CLASS, pieceTable } from "../../filters/classes.ts";
import { type Counts, type Excerpt, MEASURES, plainCounter, tokenCounter } from "../../filters/features.ts";
import { kernelCounter } from "../../filters/kernel-counter.ts";

const PIECES = [" the", " house", "\n", ".", "!", " you", "(", "s", " BUY", "/"];
const [THE, HOUSE, NEWLINE, PERIOD, BANG, YOU, BRACKET, S, BUY, SLASH] = PIECES.keys();
const WHOLE: Excerpt = { head: Number.POSITIVE_INFINITY, tail: 0, level: "logarithm" };
const count = tokenCounter(pieceTable(PIECES), WHOLE);

function counted(...ids: readonly (number | undefined)[]) {
  return count(
    Uint16Array.from(ids, (id) => id!),
    ids.length,
  );
}

test("ids are told apart in order of first use, each with the binary length of its count as level", () => {
  const { ids, levels, distinct, squares } = counted(HOUSE, THE, HOUSE, THE, HOUSE, THE, THE, S);
  assert.deepEqual([...ids.subarray(0, distinct)], [HOUSE, THE, S]);
  assert.deepEqual([...levels.subarray(0, distinct)], [2, 3, 1]);
  assert.equal(squares, 4 + 9 + 1);
});

test("tables of weights are added up by level, each for itself", () => {
  const weights = [1, -100].map((weight) => Int32Array.from(PIECES, (_, id) => weight * (id + 1)));
  const { sums } = tokenCounter(
    pieceTable(PIECES),
    WHOLE,
    weights,
  )(Int32Array.of(THE!, HOUSE!, HOUSE!, NEWLINE!), 4);
  assert.deepEqual(sums, [1 + 2 * 2 + 3, -100 * (1 + 2 * 2 + 3), 0]);
});

test("nothing of a document is left for the next", () => {
  counted(THE, THE, NEWLINE, NEWLINE, NEWLINE);
  const { distinct, levels, lines, classes } = counted(THE, NEWLINE);
  assert.deepEqual([distinct, levels[0], levels[1], lines, classes[0]], [2, 1, 1, 1, 1]);
});

test("lines are what stands between newlines, empty ones apart, the last one too", () => {
  const { lines, longestLine } = counted(THE, HOUSE, NEWLINE, NEWLINE, HOUSE, S, PERIOD, NEWLINE, THE);
  assert.deepEqual([lines, longestLine], [3, 3]);
  assert.deepEqual([counted().lines, counted(NEWLINE).lines, counted(THE).lines], [0, 0, 1]);
  assert.equal(counted(NEWLINE, THE, S).longestLine, 2);
});

test("only the first `count` ids are read", () => {
  assert.equal(count(Uint16Array.of(THE!, HOUSE!, HOUSE!), 1).distinct, 1);
});

test("measures are whole numbers: shares in parts of 1,024, rounded down", () => {
  const counts = counted(THE, HOUSE, S, PERIOD, YOU, BUY, BANG);
  assert.equal(MEASURES.tokens(counts), 7);
  assert.equal(MEASURES.functionWords(counts), Math.floor(1024 / 7));
  assert.equal(MEASURES.marks(counts), Math.floor((2 * 1024) / 7));
  assert.equal(MEASURES.charactersPerToken(counts), Math.floor((16 * (4 + 6 + 1 + 1 + 4 + 4 + 1)) / 7));
  assert.equal(MEASURES.upperCase(counts), Math.floor(1024 / 7));
  assert.equal(MEASURES.variety(counts), 16 * 7);
});

test("a document without ids has all measures 0", () => {
  for (const [name, measure] of Object.entries(MEASURES)) assert.equal(measure(counted()), 0, name);
});

test("code needs both its marks and its newlines", () => {
  assert.equal(MEASURES.code(counted(BRACKET, SLASH, BRACKET, SLASH)), 0);
  assert.equal(MEASURES.code(counted(THE, NEWLINE, THE, NEWLINE)), 0);
  assert.equal(MEASURES.code(counted(BRACKET, SLASH, NEWLINE, THE)), 512);
});

test("of a long document the head and the tail are read as if nothing stood between; a short one is read whole, once", () => {
  const part = tokenCounter(pieceTable(PIECES), { head: 2, tail: 3, level: "logarithm" });
  const shape = (...ids: readonly (number | undefined)[]) => {
    const counts = part(
      Uint16Array.from(ids, (id) => id!),
      ids.length,
    );
    const { tokens, distinct, lines, longestLine, classes } = counts;
    return {
      tokens,
      ids: [...counts.ids.subarray(0, distinct)],
      lines,
      longestLine,
      the: classes[CLASS.the],
    };
  };
  assert.deepEqual(
    shape(HOUSE, THE, S, S, BUY, NEWLINE, PERIOD, THE),
    shape(HOUSE, THE, NEWLINE, PERIOD, THE),
  );
  assert.deepEqual(shape(HOUSE, THE, NEWLINE, PERIOD, THE), {
    tokens: 5,
    ids: [HOUSE, THE, NEWLINE, PERIOD],
    lines: 2,
    longestLine: 2,
    the: 2,
  });
});

test("by presence every id counts once, in the sums too", () => {
  const weights = [Int32Array.from(PIECES, (_, id) => 10 ** id)];
  const counter = tokenCounter(pieceTable(PIECES), { ...WHOLE, level: "presence" }, weights);
  const { sums, squares, once } = counter(Int32Array.of(THE!, HOUSE!, HOUSE!, S!), 4);
  assert.deepEqual([sums[0], squares, once], [1 + 10 + 10 ** S!, 3, 2]);
});

test("lines are told apart by how many ids they have and by how they begin, sentences by their longest", () => {
  const counts = counted(S, HOUSE, PERIOD, BUY, BUY, BUY, NEWLINE, THE, HOUSE, NEWLINE, NEWLINE, HOUSE);
  assert.equal(MEASURES.lowLines(counts), Math.floor((2 * 1024) / 3));
  assert.equal(MEASURES.lineLength(counts), Math.floor((36 + 4 + 1) / 12));
  assert.equal(MEASURES.longestSentence(counts), 3);
  assert.equal(MEASURES.shortLines(counts), Math.floor((9 * 1024) / 12));
  const long = counted(...Array.from({ length: 20 }, () => HOUSE), NEWLINE, THE, THE, THE);
  assert.deepEqual(
    [MEASURES.shortLines(long), MEASURES.middlingLines(long)],
    [3, 23].map((ids) => Math.floor((1024 * ids) / 24)),
  );
});

test("content words are what is repeated, by the square of how often", () => {
  const counts = counted(HOUSE, HOUSE, HOUSE, BUY, THE, THE, PERIOD);
  assert.equal(MEASURES.repetition(counts), Math.floor((16 * (9 + 1)) / 6));
  assert.equal(MEASURES.once(counts), Math.floor((2 * 1024) / 4));
  assert.equal(MEASURES.the(counts), Math.floor((2 * 1024) / 7));
});

const ENDS: Readonly<Record<number, string>> = { 3: "\n", 5: ".", 8: "!" };

test("the counter in WebAssembly has the counts of the plain one, for ids of 16 and 32 bits and more than it takes at a time", () => {
  const pieces = pieceTable(
    Array.from(
      { length: 3_000 },
      (_, id) => ENDS[id % 17] ?? (id % 5 < 2 ? ` piece${"x".repeat(id % 9)}` : `${id}`),
    ),
  );
  const weights = [1, -1, 7].map((sign) =>
    Int32Array.from({ length: 3_000 }, (_, id) => sign * ((id * 7_919) % 2 ** 24)),
  );
  assert.notEqual(kernelCounter(new Int32Array(1), new Int32Array(4), WHOLE), null, "WebAssembly runs here");
  const pairs = [WHOLE, { head: 40, tail: 25, level: "presence" } as const].map(
    (excerpt) => [plainCounter(pieces, excerpt, weights), tokenCounter(pieces, excerpt, weights)] as const,
  );
  const seen = ({ ids, levels, distinct, classes, ...rest }: Counts) => ({
    ...rest,
    distinct,
    ids: [...ids.subarray(0, distinct)],
    levels: [...levels.subarray(0, distinct)],
    classes: [...classes],
  });
  const id = fc.oneof(fc.nat(2_999), fc.constantFrom(3, 10, 17, 5));
  fc.assert(
    fc.property(fc.array(id, { maxLength: 400 }), fc.nat(400), fc.boolean(), (list, end, wide) => {
      const tokens = wide ? Int32Array.from(list) : Uint16Array.from(list);
      const count = Math.min(end, list.length);
      for (const [plain, kernel] of pairs)
        assert.deepEqual(seen(kernel(tokens, count)), seen(plain(tokens, count)));
    }),
  );
  for (const Ids of [Uint16Array, Int32Array]) {
    const long = new Ids(200_000).map((_, i) => (i * i + (i >> 9)) % 3_000);
    for (const [plain, kernel] of pairs)
      assert.deepEqual(seen(kernel(long, long.length)), seen(plain(long, long.length)));
  }
});

test("an id of another vocabulary writes over nothing", () => {
  const pieces = pieceTable(PIECES);
  const weights = [Int32Array.from(PIECES, (_, id) => id)];
  const [counter, fresh] = [tokenCounter(pieces, WHOLE, weights), tokenCounter(pieces, WHOLE, weights)];
  counter(Uint16Array.of(65_535, 40_000, 10), 3);
  counter(Int32Array.of(2 ** 31 - 1, 100_000), 2);
  const tokens = Uint16Array.of(THE!, HOUSE!, NEWLINE!, HOUSE!);
  assert.deepEqual(counter(tokens, 4).sums, fresh(tokens, 4).sums);
});
