import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Candidates,
  collectCandidates,
  mergeCandidates,
  planValidation,
  segmentCandidates,
} from "../../shards/index.ts";
import { temporaryFolder } from "../support.ts";
import { writeDocuments } from "./documents.ts";

interface Plain {
  readonly hash: bigint;
  readonly tokens: number;
}

function collect(list: readonly Plain[], targetTokens: number): Candidates {
  const collector = collectCandidates(targetTokens);
  for (const { hash, tokens } of list) collector.add(hash, tokens);
  return collector.result();
}

/** Section 1.5 of docs/format.md read literally, with everything in memory. */
function literalPlan(list: readonly Plain[], targetTokens: number, rowTokens: number): unknown {
  const total = list.reduce((sum, { tokens }) => sum + tokens, 0);
  const limit = Math.min(targetTokens, Math.floor(total / 20));
  if (list.length >= 20) {
    let best: unknown = "none";
    for (const upTo of new Set(list.map(({ hash }) => hash))) {
      const taken = list.filter(({ hash }) => hash <= upTo);
      const tokens = taken.reduce((sum, one) => sum + one.tokens, 0);
      if (tokens > limit || tokens === 0) continue;
      if (best === "none" || upTo > (best as { upTo: bigint }).upTo)
        best = { kind: "hashes", upTo, documents: taken.length, tokens };
    }
    if (best !== "none") return best;
  }
  const most = Math.max(...list.map(({ tokens }) => tokens));
  for (let rows = Math.floor(limit / rowTokens); rows > 0; rows--)
    if ((rows + 1) * rowTokens < most)
      return {
        kind: "tail",
        document: list.findIndex(({ tokens }) => tokens === most),
        tokens: rows * rowTokens,
        gap: rowTokens,
      };
  return "none";
}

const lists = fc.array(
  fc.record({
    hash: fc.oneof(
      fc.nat(20).map((n) => BigInt(n) << 59n),
      { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
    ),
    tokens: fc.oneof(fc.nat(3), { weight: 3, arbitrary: fc.nat(200) }),
  }),
  { maxLength: 80, size: "max" },
);

test("the plan is what the rule says when it is read literally", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(lists, fc.nat(300), fc.integer({ min: 1, max: 9 }), (list, targetTokens, rowTokens) => {
      const plan = planValidation(collect(list, targetTokens), { targetTokens, rowTokens });
      seen.add(plan.kind);
      assert.deepEqual(plan.kind === "none" ? "none" : plan, literalPlan(list, targetTokens, rowTokens));
    }),
    { numRuns: 500 },
  );
  assert.deepEqual([...seen].sort(), ["hashes", "none", "tail"]);
});

test("documents that fill the limit to the last token are taken, and one token more is not", () => {
  const list = Array.from({ length: 40 }, (_, i) => ({ hash: BigInt(i), tokens: 10 }));
  const upTo = (targetTokens: number) => {
    const plan = planValidation(collect(list, targetTokens), { targetTokens, rowTokens: 1 });
    return plan.kind === "hashes" ? plan.upTo : plan.kind;
  };
  assert.deepEqual([9, 10, 19, 20, 21, 1000].map(upTo), ["tail", 0n, 0n, 1n, 1n, 1n]);
});

test("candidates merged over tasks are those of all documents at once", () => {
  fc.assert(
    fc.property(lists, fc.nat(300), fc.array(fc.nat(80), { maxLength: 4 }), (list, targetTokens, places) => {
      const at = [
        0,
        ...places.map((place) => Math.min(place, list.length)).sort((a, b) => a - b),
        list.length,
      ];
      const parts = at.slice(1).map((to, i) => collect(list.slice(at[i], to), targetTokens));
      assert.deepEqual(mergeCandidates(parts, targetTokens), collect(list, targetTokens));
    }),
    { numRuns: 500 },
  );
});

test("candidates are plain JSON", () => {
  const candidates = collect(
    [
      { hash: 2n ** 64n - 1n, tokens: 3 },
      { hash: 7n, tokens: 0 },
    ],
    10,
  );
  assert.deepEqual(JSON.parse(JSON.stringify(candidates)), candidates);
  assert.deepEqual(candidates.lowest, [
    { hash: "0000000000000007", documents: 1, tokens: 0 },
    { hash: "ffffffffffffffff", documents: 1, tokens: 3 },
  ]);
});

test("a hundred thousand documents leave only the candidates that the target can hold", () => {
  const collector = collectCandidates(1000);
  let hash = 1n;
  for (let i = 0; i < 100_000; i++) {
    hash = (hash * 6364136223846793005n + 1442695040888963407n) & (2n ** 64n - 1n);
    collector.add(hash, 100);
  }
  const { documents, tokens, lowest } = collector.result();
  assert.deepEqual([documents, tokens, lowest.length], [100_000, 10_000_000, 11]);
});

test("candidates of segment files are those of their documents", async () => {
  const folder = temporaryFolder();
  const list = [5n, 3n, 3n, 9n].map((hash, i) => ({
    tokens: Array<number>(i + 1).fill(1),
    source: "a",
    line: i + 1,
    scores: [],
    hash,
  }));
  const schema = { tokenType: "uint16", filters: [], hashes: true } as const;
  const paths = [join(folder, "0.arrow"), join(folder, "1.arrow")];
  await writeDocuments(paths[0]!, schema, [list.slice(0, 1), list.slice(1, 3)]);
  await writeDocuments(paths[1]!, schema, [list.slice(3)]);
  const plain = list.map(({ hash, tokens }) => ({ hash, tokens: tokens.length }));
  assert.deepEqual(await segmentCandidates(paths, 100), collect(plain, 100));
});

test("a plan that holds nothing out says why", () => {
  const plan = (list: readonly Plain[]) =>
    planValidation(collect(list, 100), { targetTokens: 100, rowTokens: 1024 });
  assert.deepEqual(plan([]), { kind: "none", reason: "the domain has no documents" });
  assert.deepEqual(plan([{ hash: 1n, tokens: 5 }]), {
    kind: "none",
    reason:
      "of 1 documents the longest has 5 tokens, and a row of 1024 within the limit of 0 cannot be cut off",
  });
  assert.deepEqual(plan(Array<Plain>(20).fill({ hash: 1n, tokens: 5 })), {
    kind: "none",
    reason:
      "of 20 documents the longest has 5 tokens, and a row of 1024 within the limit of 5 cannot be cut off",
  });
});
