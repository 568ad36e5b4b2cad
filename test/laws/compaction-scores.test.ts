import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { compactScores, openScores, openScoreWriter, type ScoreRow } from "../../shards/index.ts";
import { cuttings } from "../shards/documents.ts";
import { temporaryFolder } from "../support.ts";

const folder = temporaryFolder();
const filters = ["ads", "fluency"];

const row: fc.Arbitrary<ScoreRow & { readonly hash: bigint }> = fc.record(
  {
    source: fc.constantFrom("a", "b/ü"),
    line: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    domain: fc.constantFrom("c4", "book", "github"),
    tokens: fc.nat(2 ** 31),
    scores: fc.tuple(fc.integer({ min: -(2 ** 23), max: 2 ** 23 }), fc.nat(9)),
    verdict: fc.constantFrom("kept", "kept", "dropped:ads", "dropped:fluency"),
    hash: fc.bigInt({ min: 0n, max: 9n }),
  },
  { noNullPrototype: true },
);

const inputs = fc.array(row, { maxLength: 60, size: "max" }).chain((rows) =>
  fc.record({
    rows: fc.constant(rows),
    cuts: fc.array(cuttings(rows), { minLength: 2, maxLength: 2 }),
    fileRows: fc.integer({ min: 5, max: 40 }),
    upTo: fc.bigInt({ min: 0n, max: 9n }),
  }),
);

async function writeSegments(rows: readonly (readonly ScoreRow[])[]): Promise<{ path: string }[]> {
  const segments = [];
  for (const [i, list] of rows.entries()) {
    const path = join(folder, `segment-${i}.arrow`);
    const writer = await openScoreWriter(path, { filters, hashes: true });
    for (const one of list) await writer.append(one);
    assert.equal((await writer.close()).documents, list.length);
    segments.push({ path });
  }
  return segments;
}

async function readRows(path: string): Promise<ScoreRow[]> {
  const reader = openScores(path);
  const rows = reader.batches.flatMap((_, i) => {
    const batch = reader.readBatch(i);
    return Array.from({ length: batch.documents }, (_, r) => ({
      source: reader.sources[batch.sources[r]!]!,
      line: batch.lines[r]!,
      domain: reader.domains[batch.domains[r]!]!,
      tokens: batch.tokens[r]!,
      scores: batch.scores.map((column) => column[r]! * 65_536),
      verdict: reader.verdicts[batch.verdicts[r]!]!,
      hash: batch.hashes![r]!,
    }));
  });
  reader.close();
  return rows;
}

test("the table is every row in order, with what the plan holds out, and its bytes do not show the segments", async () => {
  await fc.assert(
    fc.asyncProperty(inputs, async ({ rows, cuts, fileRows, upTo }) => {
      const plans = {
        c4: { kind: "hashes", upTo, documents: 0, tokens: 0 },
        book: { kind: "tail", document: 0, tokens: 1, gap: 1 },
      } as const;
      const results = [];
      for (const [i, cut] of cuts.entries()) {
        const dir = join(folder, `out-${i}`);
        const tables = await compactScores({
          dir,
          segments: await writeSegments(cut),
          filters,
          plans,
          fileRows,
        });
        const bytes = tables.map(({ path }) => readFileSync(join(dir, path)).toString("hex"));
        const read = [];
        for (const { path } of tables) read.push(await readRows(join(dir, path)));
        results.push({ tables, bytes, read });
      }
      assert.deepEqual(results[1], results[0]);
      const expected = rows.map((one) => ({
        ...one,
        verdict: one.verdict === "kept" && one.domain === "c4" && one.hash <= upTo ? "held-out" : one.verdict,
      }));
      assert.deepEqual(results[0]!.read.flat(), expected);
      const sizes = results[0]!.read.map((list) => list.length);
      assert.ok(sizes.slice(0, -1).every((size) => size === fileRows));
    }),
    { numRuns: 30 },
  );
});

test("all that a validation task kept is held out", async () => {
  const kept = { source: "a", line: 1, domain: "c4", tokens: 3, scores: [0, 0], verdict: "kept", hash: 5n };
  const segments = await writeSegments([[kept, { ...kept, line: 2, verdict: "dropped:ads" }]]);
  const dir = join(folder, "held-out");
  const [table] = await compactScores({
    dir,
    segments: segments.map((segment) => ({ ...segment, heldOut: true })),
    filters,
    plans: {},
  });
  assert.deepEqual(
    (await readRows(join(dir, table!.path))).map(({ verdict }) => verdict),
    ["held-out", "dropped:ads"],
  );
});

test("a segment with other filters, or without the hashes that the plan needs, is refused by name", async () => {
  const path = join(folder, "other.arrow");
  const writer = await openScoreWriter(path, { filters: ["ads"] });
  await writer.append({ source: "a", line: 1, domain: "c4", tokens: 3, scores: [0], verdict: "kept" });
  await writer.close();
  const segments = [{ path }];
  await assert.rejects(
    compactScores({ dir: folder, segments, filters, plans: {} }),
    /has scores \[ads\], not \[ads,fluency\]/,
  );
  const plans = { c4: { kind: "hashes", upTo: 1n, documents: 1, tokens: 1 } } as const;
  await assert.rejects(
    compactScores({ dir: folder, segments, filters: ["ads"], plans }),
    /other.arrow has no hashes/,
  );
});
