/**
 * Nothing is lost in silence: files that are whole read back equal however they are stored, cut files give every record that is
 * complete before the cut, and a flipped bit that a check sum covers is always noticed.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { decompress } from "../../pipeline/decompress.ts";
import type { Piece } from "../../pipeline/pieces.ts";
import type { LineFormat } from "../../pipeline/sniff.ts";
import {
  gzipMember,
  inChunks,
  line,
  readBytes,
  skippableFrame,
  storedFrame,
  textsOf,
  zstdFrame,
} from "../pipeline/sources.ts";

const TEXTS = [
  "one",
  "zwei – 2",
  "three \u{1f30d}",
  "four\nlines\n\n!",
  "five five five five five five five",
];
const LINES = TEXTS.map((text) => line(text));
const NAME = { jsonl: "c4.jsonl", "jsonl.gz": "c4.jsonl.gz", "jsonl.zst": "c4.jsonl.zst" } as const;

/** What a file decodes to, with neighbouring damage as one stretch. */
async function decode(chunks: AsyncIterable<Buffer>, format: LineFormat) {
  const out: Buffer[] = [];
  const damages: string[] = [];
  let stored = 0;
  for await (const piece of decompress(chunks, format) as AsyncIterable<Piece>) {
    if (piece.kind === "bytes") {
      out.push(piece.bytes);
      stored += piece.stored;
    } else {
      damages.push(`${piece.byteFrom}-${piece.byteTo} after ${Buffer.concat(out).length}: ${piece.reason}`);
      stored += piece.byteTo - piece.byteFrom;
    }
  }
  return { bytes: Buffer.concat(out), damages, stored };
}

describe("a whole file reads back equal", () => {
  const texts = fc.array(fc.string({ unit: "binary", minLength: 1, maxLength: 60 }), { maxLength: 12 });
  const cuts = fc.array(fc.nat(400), { maxLength: 6 });
  const chunks = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 });
  const ends = fc.constantFrom("\n", "\r\n");

  /** Cuts bytes at positions taken modulo their length; cuts at one place make empty parts. */
  const cutUp = (bytes: Buffer, at: readonly number[]) => {
    const bounds = [0, ...at.map((a) => a % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
    return bounds.slice(1).map((to, i) => bytes.subarray(bounds[i], to));
  };
  const store: Record<LineFormat, (parts: readonly Buffer[], seed: number) => Buffer> = {
    jsonl: (parts) => Buffer.concat(parts),
    "jsonl.gz": (parts) => Buffer.concat(parts.map((part) => gzipSync(part))),
    "jsonl.zst": (parts, seed) =>
      Buffer.concat(
        parts.flatMap((part, i) => {
          const kind = (seed >> (2 * i)) & 3;
          const frame = kind === 2 ? storedFrame([part]) : zstdFrame(part, kind === 1);
          return kind === 3 ? [skippableFrame(part.subarray(0, 9), i), frame] : [frame];
        }),
      ),
  };
  for (const format of ["jsonl", "jsonl.gz", "jsonl.zst"] as const) {
    test(`${format}, whatever the frames and chunks`, async () => {
      await fc.assert(
        fc.asyncProperty(
          texts,
          cuts,
          chunks,
          fc.nat(),
          ends,
          fc.boolean(),
          async (texts, at, lengths, seed, end, last) => {
            const content =
              texts.map((text) => JSON.stringify({ text })).join(end) + (last && texts.length > 0 ? end : "");
            const stored = store[format](cutUp(Buffer.from(content), at), seed);
            const decoded = await decode(inChunks(stored, lengths), format);
            assert.deepEqual(decoded.damages, []);
            assert.equal(decoded.bytes.toString(), content);
            assert.equal(decoded.stored, stored.length);
            const back = await readBytes(stored, NAME[format]);
            assert.deepEqual(textsOf(back), texts);
            assert.deepEqual(
              back.documents.map((document) => document.line),
              texts.map((_, i) => i + 1),
            );
            assert.equal(back.quarantined.length + back.incidents.length, 0);
          },
        ),
        { numRuns: 150 },
      );
    });
  }
});

describe("a file cut at any byte keeps every record that is complete before the cut", () => {
  /** Positions from which on each record is complete, and those at which a cut leaves a whole file. */
  interface Layout {
    readonly bytes: Buffer;
    readonly complete: readonly number[];
    readonly whole: readonly number[];
  }
  /** `exact`: `complete` says to the byte when a record without its line feed can be had. */
  type Case = readonly [what: string, format: LineFormat, layout: Layout, exact: boolean];
  const starts = (parts: readonly Buffer[]) => parts.map((_, i) => Buffer.concat(parts.slice(0, i)).length);

  const plain: Layout = {
    bytes: Buffer.concat(LINES),
    complete: starts(LINES).map((from, i) => from + LINES[i]!.length - 1),
    whole: [0, ...starts(LINES)],
  };
  const members = [LINES.slice(0, 3), LINES.slice(3)].map((lines) => gzipMember(lines));
  const second = members[0]!.bytes.length;
  const gz: Layout = {
    bytes: Buffer.concat(members.map((member) => member.bytes)),
    complete: [...members[0]!.ends, ...members[1]!.ends.map((end) => end + second)],
    whole: [second],
  };
  const frames = LINES.map((text, i) => zstdFrame(text, i % 2 === 1));
  const zst: Layout = {
    bytes: Buffer.concat(frames),
    complete: starts(frames).map((from, i) => from + frames[i]!.length - (i % 2 === 1 ? 4 : 0)),
    whole: starts(frames).slice(1),
  };
  const blocks: Layout = {
    bytes: storedFrame(LINES),
    // A block's record is there without its line feed: the stored bytes are the text.
    complete: starts(LINES).map((from, i) => 6 + 3 * (i + 1) + from + LINES[i]!.length - 1),
    whole: [],
  };
  const cases: readonly Case[] = [
    ["plain", "jsonl", plain, true],
    ["gzip with two members", "jsonl.gz", gz, false],
    ["zstd, a frame a record, some with checksums", "jsonl.zst", zst, false],
    ["zstd, one frame of stored blocks", "jsonl.zst", blocks, true],
  ];
  for (const [what, format, { bytes, complete, whole }, exact] of cases) {
    test(what, async () => {
      for (let cut = 0; cut <= bytes.length; cut++) {
        const back = await readBytes(bytes.subarray(0, cut), NAME[format]);
        // Of a line whose line feed alone is cut off the record is complete.
        const sure = complete.filter((end) => end <= cut).length;
        const texts = textsOf(back);
        assert.deepEqual(texts, TEXTS.slice(0, texts.length), `cut at ${cut}`);
        assert.ok(
          texts.length === sure || texts.length === sure + 1,
          `cut at ${cut}: ${texts.length} of ${sure}`,
        );
        if (exact) assert.equal(texts.length, sure);
        const noticed = back.incidents.length + back.quarantined.length > 0;
        const unharmed =
          cut === bytes.length || whole.includes(cut) || (format === "jsonl" && complete.includes(cut));
        assert.equal(noticed, !unharmed, `cut at ${cut}`);
        if (format === "jsonl" || unharmed) continue;
        assert.equal(back.incidents.length, 1, `cut at ${cut}`);
        const [incident] = back.incidents;
        assert.equal(incident!.byteTo, cut);
        assert.match(
          incident!.reason,
          cut === 0 ? /^is empty/ : /^is cut inside the (zstd frame|gzip member) that starts at byte \d+/,
        );
      }
    });
  }
});

describe("a flipped bit that a check sum covers is never silent", () => {
  const zst = Buffer.concat([
    zstdFrame(Buffer.concat(LINES.slice(0, 2)), true),
    skippableFrame(Buffer.from("seek")),
    zstdFrame(Buffer.concat(LINES.slice(2)), true),
  ]);
  const gz = Buffer.concat([
    gzipSync(Buffer.concat(LINES.slice(0, 2))),
    gzipSync(Buffer.concat(LINES.slice(2))),
  ]);
  for (const [format, bytes] of [
    ["jsonl.zst", zst],
    ["jsonl.gz", gz, false],
  ] as const)
    test(format, async () => {
      for (let bit = 0; bit < 8 * bytes.length; bit += 3) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const back = await readBytes(flipped, NAME[format]);
        const equal =
          textsOf(back).length === TEXTS.length && textsOf(back).every((text, i) => text === TEXTS[i]);
        assert.ok(
          equal || back.incidents.length > 0,
          `bit ${bit} changed ${JSON.stringify(textsOf(back))} in silence`,
        );
      }
    });

  test("a frame whose magic, content or checksum is damaged costs no other frame its records", async () => {
    const frames = LINES.map((text) => zstdFrame(text, true));
    const headerBytes = 9;
    for (const [i, frame] of frames.entries())
      for (const byte of [...frame.keys()].filter((byte) => byte < 4 || byte >= headerBytes)) {
        const broken = Buffer.from(frame);
        broken[byte]! ^= 0xff;
        const stored = Buffer.concat([...frames.slice(0, i), broken, ...frames.slice(i + 1)]);
        const back = await readBytes(stored, NAME["jsonl.zst"]);
        const others = TEXTS.filter((_, other) => other !== i);
        assert.deepEqual(
          textsOf(back).filter((text) => others.includes(text)),
          others,
          `frame ${i} byte ${byte}`,
        );
        assert.equal(back.incidents.length, 1);
      }
  });
});

test("where damage is found does not depend on the chunks", async () => {
  const frames = [
    zstdFrame(Buffer.concat(LINES), true),
    skippableFrame(Buffer.from("x")),
    storedFrame(LINES),
  ];
  const files = { "jsonl.zst": Buffer.concat(frames), "jsonl.gz": gzipSync(Buffer.concat(LINES)) };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("jsonl.zst" as const, "jsonl.gz" as const),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 3 }),
      async (format, edits, lengths) => {
        const bytes = Buffer.from(files[format]);
        for (const [at, value] of edits) bytes[at % bytes.length] = value;
        const whole = await decode(inChunks(bytes, [bytes.length]), format);
        assert.deepEqual(await decode(inChunks(bytes, lengths), format), whole);
        assert.equal(whole.stored, bytes.length);
      },
    ),
    { numRuns: 400 },
  );
});
