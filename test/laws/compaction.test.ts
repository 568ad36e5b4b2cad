import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  type CompactedDomain,
  type CompactionPlan,
  collectCandidates,
  compactDomain,
  planValidation,
  type ShardSchema,
} from "../../shards/index.ts";
import {
  cuttings,
  documents,
  type PlainDocument,
  readDocuments,
  writeDocuments,
} from "../shards/documents.ts";
import { temporaryFolder } from "../support.ts";

const folder = temporaryFolder();
const targetTokens = 40;
const rowTokens = 2;
const tokenizer = "ab".repeat(32);

const schemas: fc.Arbitrary<ShardSchema> = fc.record({
  tokenType: fc.constantFrom("uint16" as const, "int32" as const),
  filters: fc.constantFrom([], ["ads", "fluency"]),
  hashes: fc.constant(true),
});

/** Documents, and two ways to cut them into segments and segment batches. */
const inputs = schemas.chain((schema) =>
  documents({ tokenType: schema.tokenType, filters: schema.filters.length, maxLength: 60 }).chain((list) =>
    fc.record({
      schema: fc.constant(schema),
      list: fc.constant(list),
      cuts: fc.array(
        cuttings(list).chain((segments) => fc.tuple(...segments.map(cuttings))),
        {
          minLength: 2,
          maxLength: 2,
        },
      ),
      shardBytes: fc.integer({ min: 60, max: 600 }),
      split: fc.constantFrom("dropped" as const, undefined, undefined, undefined),
    }),
  ),
);

async function writeSegments(
  name: string,
  schema: ShardSchema,
  segments: readonly (readonly (readonly PlainDocument[])[])[],
): Promise<string[]> {
  const paths: string[] = [];
  for (const [i, batches] of segments.entries()) {
    const path = join(folder, name, `segment-${i}.arrow`);
    await writeDocuments(path, schema, batches, i % 2 === 0 ? "first" : "last");
    paths.push(path);
  }
  return paths;
}

function planOf(list: readonly PlainDocument[]): CompactionPlan {
  const collector = collectCandidates(targetTokens);
  for (const { hash, tokens } of list) collector.add(hash, tokens.length);
  return planValidation(collector.result(), { targetTokens, rowTokens });
}

const bytesOf = (dir: string, { shards }: CompactedDomain) =>
  shards.map(({ path }) => readFileSync(join(dir, path)).toString("hex"));

test("shards are the same bytes however the documents were cut into segments and batches", async () => {
  await fc.assert(
    fc.asyncProperty(inputs, async ({ schema, list, cuts, shardBytes, split }) => {
      const plan: CompactionPlan = split ? { kind: "whole", split } : planOf(list);
      const results = [];
      for (const [i, segments] of cuts.entries()) {
        const dir = join(folder, `out-${i}`);
        const paths = await writeSegments(`in-${i}`, schema, segments);
        const compacted = await compactDomain({
          dir,
          domain: "book",
          segments: paths,
          schema,
          tokenizer,
          plan,
          shardBytes,
        });
        results.push({ compacted, bytes: bytesOf(dir, compacted) });
      }
      assert.deepEqual(results[1], results[0]);
    }),
    { numRuns: 30 },
  );
});

test("train and validation together are the kept documents in order, and shards end where the size says", async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(inputs, async ({ schema, list, cuts, shardBytes }) => {
      const plan = planOf(list);
      seen.add(plan.kind);
      const dir = join(folder, "law");
      const segments = await writeSegments("law-in", schema, cuts[0]!);
      const { shards, gap } = await compactDomain({
        dir,
        domain: "book",
        segments,
        schema,
        tokenizer,
        plan,
        shardBytes,
      });
      const streams: Record<string, PlainDocument[]> = { train: [], validation: [] };
      const width = schema.tokenType === "uint16" ? 2 : 4;
      for (const [i, shard] of shards.entries()) {
        const documents = await readDocuments(join(dir, shard.path));
        const tokens = documents.reduce((sum, document) => sum + document.tokens.length, 0);
        assert.deepEqual([shard.documents, shard.tokens], [documents.length, tokens]);
        assert.ok(
          documents.length === 1 || tokens * width <= shardBytes,
          "a shard of several documents fits",
        );
        const next = shards[i + 1];
        if (next?.split === shard.split) {
          const [first] = await readDocuments(join(dir, next.path));
          assert.ok(
            (tokens + first!.tokens.length) * width > shardBytes,
            "the next document would not have fitted",
          );
        }
        streams[shard.split]!.push(...documents);
      }
      const plain = list.map((document) => ({ ...document, hash: 0n }));
      if (plan.kind === "hashes") {
        assert.deepEqual(streams, {
          train: plain.filter((_, i) => list[i]!.hash > plan.upTo),
          validation: plain.filter((_, i) => list[i]!.hash <= plan.upTo),
        });
        assert.equal(streams["validation"]!.length, plan.documents);
      } else if (plan.kind === "tail") {
        const cut = plain[plan.document]!;
        const end = cut.tokens.length;
        const head = { ...cut, tokens: cut.tokens.slice(0, end - plan.tokens - plan.gap) };
        assert.deepEqual(gap, {
          source: cut.source,
          line: cut.line,
          domain: "book",
          tokens: cut.tokens.slice(end - plan.tokens - rowTokens, end - plan.tokens),
        });
        assert.deepEqual(streams, {
          train: plain.with(plan.document, head),
          validation: [{ ...cut, tokens: cut.tokens.slice(end - plan.tokens) }],
        });
      } else assert.deepEqual(streams, { train: plain, validation: [] });
    }),
    { numRuns: 60 },
  );
  assert.deepEqual([...seen].sort(), ["hashes", "none", "tail"]);
});
