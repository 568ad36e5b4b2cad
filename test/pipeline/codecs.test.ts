import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { decode } from "../../pipeline/codecs.ts";
import { unlz4Block } from "../../pipeline/lz4.ts";
import { decodeHybrid } from "../../pipeline/parquet-levels.ts";
import { unsnappy } from "../../pipeline/snappy.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

test("snappy: literals, copies that overlap themselves, and all three kinds of offsets", () => {
  // 4 literal bytes, then a copy of 8 from 2 before (kind 1), one of 4 from 12 before (kind 2), one of 2 from 1 before (kind 3).
  const block = hex("12 0c 61626364 11 02 0e 0c00 07 01000000");
  assert.equal(unsnappy(block, 18).toString(), "abcdcdcdcdcdabcddd");
  assert.equal(unsnappy(hex("00"), 0).length, 0);
});

test("snappy: a length with its top bit set, on which other decoders run for ever, is an error", () => {
  assert.throws(() => unsnappy(hex("05 fc f8ffffff 61"), 5), RangeError);
});

test("snappy and lz4 end on any bytes, with an error or with the length asked for", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(200), (bytes, size) => {
      for (const decoder of [unsnappy, unlz4Block])
        try {
          assert.equal(decoder(bytes, size).length, size);
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
        }
    }),
  );
});

test("lz4: literals, long lengths and overlapping copies", () => {
  // 1 literal, a copy of 4 + 15 + 5 from 1 before, then 2 literals.
  assert.equal(unlz4Block(hex("1f 61 0100 05 20 6263"), 27).toString(), `${"a".repeat(25)}bc`);
  assert.throws(() => unlz4Block(hex("1f 61 0200 05 20 6263"), 27), /lz4: a copy/);
});

test("several zstd frames in one page are all decoded, and a page of another length is an error", () => {
  const page = Buffer.concat([zstdCompressSync(Buffer.from("one ")), zstdCompressSync(Buffer.from("two"))]);
  assert.equal(decode("ZSTD", page, 7).toString(), "one two");
  assert.throws(() => decode("ZSTD", page, 8));
  assert.throws(() => decode("ZSTD", page, 3));
  assert.throws(() => decode("UNCOMPRESSED", Buffer.from("abc"), 4), /3 bytes instead of 4/);
  assert.equal(decode("SNAPPY", Buffer.alloc(0), 0).length, 0);
});

test("levels and indices: runs and packed groups give back what was packed, for every width", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 32 }),
      fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
        minLength: 1,
        maxLength: 40,
      }),
      fc.nat(20),
      (width, fractions, run) => {
        const values = fractions.map((fraction) => Math.floor(fraction * 2 ** width));
        const repeated = new Array<number>(run).fill(values[0]!);
        const bytes = Buffer.concat([
          packedGroup(values, width),
          ...(run > 0 ? [runOf(values[0]!, run, width)] : []),
        ]);
        const count = Math.ceil(values.length / 8) * 8 + run;
        const filled = [
          ...values,
          ...new Array<number>(Math.ceil(values.length / 8) * 8 - values.length).fill(0),
        ];
        assert.deepEqual([...decodeHybrid(bytes, width, count)], [...filled, ...repeated]);
        // The last group may be cut behind its last value, and no further.
        assert.deepEqual([...decodeHybrid(bytes, width, values.length)], values);
        assert.throws(() => decodeHybrid(bytes, width, count + 9), RangeError);
      },
    ),
  );
});

test("levels: a run that goes past the values, or none, is an error", () => {
  assert.deepEqual([...decodeHybrid(hex("06 01"), 1, 3)], [1, 1, 1]);
  assert.throws(() => decodeHybrid(hex("08 01"), 1, 3), /a run of 4 values after 0 of 3/);
  assert.throws(() => decodeHybrid(hex("00 01"), 1, 3), /a run of 0 values/);
  assert.throws(() => decodeHybrid(hex("06 02"), 1, 3), /a value of 2 in 1 bits/);
  assert.throws(() => decodeHybrid(hex(""), 1, 3), /end after 0 of 3/);
  assert.deepEqual([...decodeHybrid(hex(""), 0, 3)], [0, 0, 0]);
});

function packedGroup(values: readonly number[], width: number): Buffer {
  const groups = Math.ceil(values.length / 8);
  let bits = 0n;
  for (const [i, value] of values.entries()) bits |= BigInt(value) << BigInt(i * width);
  const bytes = Buffer.alloc(1 + groups * width);
  bytes[0] = groups * 2 + 1;
  for (let i = 1; i < bytes.length; i++) {
    bytes[i] = Number(bits & 0xffn);
    bits >>= 8n;
  }
  return bytes;
}

function runOf(value: number, length: number, width: number): Buffer {
  const bytes = Buffer.alloc(1 + Math.ceil(width / 8));
  bytes[0] = length * 2;
  bytes.writeUIntLE(value, 1, Math.ceil(width / 8));
  return bytes;
}
