import assert from "node:assert/strict";
import { test } from "node:test";
import { pieceTable } from "../../filters/classes.ts";
import { MEASURES, tokenCounter } from "../../filters/features.ts";

const PIECES = [" the", " house", "\n", ".", "!", " you", "(", "s", " BUY", "/"];
const [THE, HOUSE, NEWLINE, PERIOD, BANG, YOU, BRACKET, S, BUY, SLASH] = PIECES.keys();
const count = tokenCounter(pieceTable(PIECES));

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
  const { sums } = tokenCounter(pieceTable(PIECES), weights)(
    Int32Array.of(THE!, HOUSE!, HOUSE!, NEWLINE!),
    4,
  );
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
  assert.equal(MEASURES.functionWords(counts), Math.floor((2 * 1024) / 7));
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
