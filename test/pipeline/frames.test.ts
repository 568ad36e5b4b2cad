import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type FramePart, FrameWalker } from "../../pipeline/frames.ts";
import { blockHeader, skippableFrame, storedFrame, zstdFrame } from "./sources.ts";

const LETTERS = Buffer.from("abcabcabcabcabcabcabcabc");

/** Walks bytes in chunks of one length; checks that the parts are the bytes. */
function walk(bytes: Buffer, chunk = bytes.length) {
  const walker = new FrameWalker();
  const parts: FramePart[] = [];
  for (let at = 0; at < bytes.length; at += Math.max(1, chunk))
    parts.push(...walker.push(bytes.subarray(at, at + Math.max(1, chunk))));
  const end = walker.finish();
  let at = 0;
  for (const part of parts) {
    assert.equal(part.from, at);
    assert.equal(part.to - part.from, part.bytes.length);
    at = part.to;
  }
  assert.equal(end.from, at);
  assert.equal(end.to, bytes.length);
  assert.ok(Buffer.concat([...parts.map((part) => part.bytes), bytes.subarray(end.from)]).equals(bytes));
  return { parts, end, starts: parts.filter((part) => part.first).map((part) => part.from) };
}

test("each frame's start is found, whatever the chunks", () => {
  const frames = [
    zstdFrame(LETTERS),
    skippableFrame(Buffer.from("index")),
    zstdFrame(Buffer.alloc(0)),
    skippableFrame(Buffer.alloc(0), 15),
    zstdFrame(LETTERS, true),
    storedFrame([LETTERS, Buffer.alloc(0), LETTERS]),
  ];
  const bytes = Buffer.concat(frames);
  const starts = frames.map((_, i) => Buffer.concat(frames.slice(0, i)).length);
  for (let chunk = 1; chunk <= bytes.length; chunk++) {
    const walked = walk(bytes, chunk);
    assert.deepEqual(walked.starts, starts);
    assert.equal(walked.parts.filter((part) => part.last).length, frames.length);
    assert.equal(walked.end.reason, null);
  }
});

test("headers of every shape are measured", () => {
  for (const singleSegment of [false, true])
    for (const [dictionaryFlag, dictionaryBytes] of [0, 1, 2, 4].entries())
      for (const [sizeFlag, sizeBytes] of [singleSegment ? 1 : 0, 2, 4, 8].entries()) {
        const descriptor = dictionaryFlag + (singleSegment ? 0x20 : 0) + (sizeFlag << 6);
        const fields = Buffer.alloc((singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes);
        const header = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor]), fields]);
        const { parts, end } = walk(Buffer.concat([header, blockHeader(1, 0, true), Buffer.from("x")]));
        assert.deepEqual(
          parts.map((part) => part.bytes.length),
          [header.length, 4],
        );
        assert.equal(end.reason, null);
      }
});

test("a repeated byte takes one byte of a block, however long it becomes", () => {
  const bytes = Buffer.concat([storedFrame([]), blockHeader(100_000, 1, true), Buffer.from("a"), LETTERS]);
  const { parts } = walk(bytes);
  assert.deepEqual(
    parts.map(({ kind, bytes }) => [kind, bytes.length]),
    [
      ["frame", 6],
      ["frame", 4],
      ["astray", LETTERS.length - 3],
    ],
  );
});

test("a cut at every byte but a frame's end is noticed and names the frame", () => {
  const frames = [zstdFrame(LETTERS, true), skippableFrame(LETTERS), zstdFrame(LETTERS)];
  const bytes = Buffer.concat(frames);
  const starts = [0, frames[0]!.length, frames[0]!.length + frames[1]!.length];
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { end } = walk(bytes.subarray(0, cut));
    if (cut === bytes.length || starts.includes(cut)) assert.equal(end.reason, null);
    else {
      const frameFrom = starts.findLast((start) => start <= cut)!;
      assert.equal(
        end.reason,
        `is cut inside the zstd frame that starts at byte ${frameFrom}; download it again`,
      );
    }
  }
});

test("the start of a stored block that is cut is given as it is", () => {
  const bytes = storedFrame([LETTERS]);
  assert.equal(walk(bytes.subarray(0, 6 + 3 + 5)).end.stored.toString(), "abcab");
  assert.equal(walk(bytes.subarray(0, 6 + 3)).end.stored.length, 0);
});

test("bytes that belong to no frame are named, and the next frame is found", () => {
  const frame = zstdFrame(LETTERS);
  for (const stray of ["x", "xyz", "no zstd at all", "(\xb5/"].map((text) => Buffer.from(text, "latin1"))) {
    const bytes = Buffer.concat([frame, stray, frame]);
    for (let chunk = 1; chunk <= bytes.length; chunk++) {
      const { starts, parts } = walk(bytes, chunk);
      assert.deepEqual(starts, [0, frame.length + stray.length]);
      const astray = parts.filter((part) => part.kind === "astray");
      assert.ok(Buffer.concat(astray.map((part) => part.bytes)).equals(stray));
      assert.match(astray[0]!.reason, /^no zstd frame starts at these bytes \(/);
    }
  }
});

test("one to three stray bytes at the end are stray, unless they may begin a frame", () => {
  const frame = zstdFrame(LETTERS);
  const endOf = (...bytes: number[]) => walk(Buffer.concat([frame, Buffer.from(bytes)])).end.reason;
  assert.match(endOf(0x0a)!, /^no zstd frame starts at these bytes \(0a\)/);
  assert.match(endOf(0x28, 0xb5, 0x30)!, /^no zstd frame starts at these bytes \(28b530\)/);
  assert.match(endOf(0x28, 0xb5)!, /^is cut inside the zstd frame that starts at byte /);
  assert.match(endOf(0x5f, 0x2a, 0x4d)!, /^is cut inside the zstd frame that starts at byte /);
});

test("a frame that breaks off where another begins is told from one that ends", () => {
  const broken = storedFrame([LETTERS]);
  broken[6]! -= 1; // no longer the last block, so the next frame stands where a block header should
  const { parts, starts } = walk(Buffer.concat([broken, zstdFrame(LETTERS)]));
  assert.deepEqual(starts, [0, broken.length]);
  assert.deepEqual(
    parts.slice(0, 3).map(({ kind, bytes, last }) => [kind, bytes.length, last]),
    [
      ["frame", 6, false],
      ["frame", 3 + LETTERS.length, false],
      ["astray", 0, false],
    ],
  );
});

test("a block longer than 128 KiB, or of the reserved type, is astray", () => {
  for (const header of [blockHeader(128 * 1024 + 1, 0, false), blockHeader(5, 3, false)]) {
    const { parts } = walk(Buffer.concat([storedFrame([]), header, LETTERS]));
    assert.equal(parts[1]!.kind, "astray");
    assert.match(parts[1]!.reason, /^no zstd block has this header \(/);
  }
});

test("whatever the bytes, every one of them is in one part or after the last", () => {
  const pieces = fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    fc.constantFrom(zstdFrame(LETTERS), skippableFrame(LETTERS), Buffer.from([0x28, 0xb5, 0x2f, 0xfd])),
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 6 }), fc.integer({ min: 1, max: 40 }), (parts, chunk) => {
      const bytes = Buffer.concat(parts);
      const whole = walk(bytes);
      const cut = walk(bytes, chunk);
      assert.deepEqual(cut.starts, whole.starts);
      assert.equal(cut.end.reason, whole.end.reason);
    }),
    { numRuns: 500 },
  );
});
