import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { type Line, LineSplitter } from "../../pipeline/lines.ts";

/** Splits pieces of a stream; `null` stands for a gap. Lines come as [number, from, to, text]. */
function split(pieces: readonly (Uint8Array | string | null)[], maxLineBytes = 1000) {
  const lines: Line[] = [];
  const splitter = new LineSplitter(maxLineBytes);
  const add = (line: Line | null) => {
    if (line !== null) lines.push({ ...line, bytes: line.bytes && Buffer.from(line.bytes) });
  };
  for (const piece of pieces) {
    if (piece === null) add(splitter.gap());
    else for (const line of splitter.push(Buffer.from(piece))) add(line);
  }
  add(splitter.finish());
  return lines.map(({ line, byteFrom, byteTo, bytes, torn }) => [
    line,
    byteFrom,
    byteTo,
    bytes?.toString("latin1") ?? null,
    ...(torn ? ["torn"] : []),
  ]);
}

test("a line ends at a line feed, and the last one needs none", () => {
  assert.deepEqual(split(["a\nbc\n"]), [
    [1, 0, 1, "a"],
    [2, 2, 4, "bc"],
  ]);
  assert.deepEqual(split(["a\nbc"]), split(["a\nbc\n"]));
  assert.deepEqual(split([]), []);
  assert.deepEqual(split([""]), []);
});

test("a carriage return before the line feed is dropped, and only there", () => {
  assert.deepEqual(split(["a\r\nb\rc\r\n"]), [
    [1, 0, 1, "a"],
    [2, 3, 6, "b\rc"],
  ]);
  assert.deepEqual(split(["a\r"]), [[1, 0, 1, "a"]]);
});

test("blank lines are no records but keep their numbers", () => {
  assert.deepEqual(split(["\n \t\n\r\na\n\n"]), [[4, 6, 7, "a"]]);
  assert.deepEqual(split(["\u000b\n"]), [[1, 0, 1, "\u000b"]]);
});

test("a byte order mark is dropped at the very start, and only there", () => {
  assert.deepEqual(split([Buffer.from("\ufeffa\n\ufeffb")]), [
    [1, 3, 4, "a"],
    [2, 5, 9, "\xef\xbb\xbfb"],
  ]);
  assert.deepEqual(split([Buffer.from("\ufeff\nb")]), [[2, 4, 5, "b"]]);
});

test("a line longer than allowed comes with its length and without its bytes", () => {
  assert.deepEqual(split(["12345\n123456\n1\n"], 5), [
    [1, 0, 5, "12345"],
    [2, 6, 12, null],
    [3, 13, 14, "1"],
  ]);
  assert.deepEqual(split(["123", "456"], 5), [[1, 0, 6, null]]);
});

test("a gap ends the line before it and marks the lines on both sides", () => {
  assert.deepEqual(split(["a\nbb", null, "cc\nd\n"]), [
    [1, 0, 1, "a"],
    [2, 2, 4, "bb", "torn"],
    [3, 4, 6, "cc", "torn"],
    [4, 7, 8, "d"],
  ]);
  assert.deepEqual(split(["a\n", null, null, "cc"]), [
    [1, 0, 1, "a"],
    [2, 2, 4, "cc", "torn"],
  ]);
  assert.deepEqual(split(["a", null]), [[1, 0, 1, "a", "torn"]]);
});

test("the pieces do not show in the lines", () => {
  const bytes = fc.array(fc.constantFrom(0x0a, 0x0d, 0x20, 0x61, 0x62, 0xef, 0xbb, 0xbf), { maxLength: 40 });
  fc.assert(
    fc.property(
      bytes,
      fc.array(fc.nat(40), { maxLength: 5 }),
      fc.integer({ min: 1, max: 8 }),
      (content, at, max) => {
        const all = Buffer.from(content);
        const bounds = [0, ...at.map((a) => a % (all.length + 1)).sort((a, b) => a - b), all.length];
        const pieces = bounds.slice(1).map((to, i) => all.subarray(bounds[i], to));
        assert.deepEqual(split(pieces, max), split([all], max));
      },
    ),
    { numRuns: 1000 },
  );
});

test("a line that is too long is not held in memory", async () => {
  const splitter = new LineSplitter(1000);
  const held: WeakRef<ArrayBufferLike>[] = [];
  for (let i = 0; i < 70; i++) {
    const piece = Buffer.from(new ArrayBuffer(1 << 20));
    held.push(new WeakRef(piece.buffer));
    for (const line of splitter.push(piece)) assert.fail(`line ${line.line}`);
  }
  // What was made in this turn of the event loop is kept alive to its end, and the engine may keep the last one longer.
  await setImmediate();
  collectGarbage();
  assert.ok(held.filter((reference) => reference.deref() !== undefined).length <= 2);
  assert.deepEqual(splitter.finish(), { line: 1, byteFrom: 0, byteTo: 70 << 20, bytes: null, torn: false });
});

/** Runs the garbage collector, which is hidden unless a flag asks for it. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
