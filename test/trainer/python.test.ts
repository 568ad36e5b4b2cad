/**
 * The Python twin: its own tests, and both implementations asked the same questions. The answers are equal, not close.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import fc from "fast-check";
import { type DomainName, domainWeights } from "../../core/domain.ts";
import {
  appendStage,
  createSchedule,
  decidedEnd,
  evaluationRows,
  integerWeights,
  type LossDrivenPolicy,
  measurableDomains,
  openPlan,
  openSampler,
  RULES,
  readSchedule,
  reweight,
  type Schedule,
  type ShardManifest,
  scheduleState,
  servedHash,
  servedKeys,
  updateWeights,
  writeSchedule,
} from "../../samplers/index.ts";
import { exportShards, importTokens, packShards, readManifest } from "../../shards/index.ts";
import { beginRun } from "../../trainer/index.ts";
import { makeHeader } from "../samplers/making.ts";
import { lossReport, tinyHeader, tinySchedule, writeTinyShards } from "../samplers/tiny.ts";
import { pytestDone, python, ROOT, temporaryFolder } from "../support.ts";

const PACKAGE = join(ROOT, "trainer/python");
const numpy = python("numpy");
const pytest = python("numpy", "pytest");
const dir = temporaryFolder();

function ask(questions: readonly object[]): readonly unknown[] {
  const { status, stdout, stderr } = spawnSync(numpy.command, ["-B", join(PACKAGE, "tests/answers.py")], {
    input: JSON.stringify(questions),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

it("its own tests pass", { skip: pytest.missing || pytestDone }, () => {
  const flags = [
    "-q",
    "-p",
    "no:cacheprovider",
    "--ignore",
    "tests/test_train.py",
    "--ignore",
    "tests/test_moe.py",
    "--ignore",
    "tests/test_hf.py",
    "--ignore",
    "tests/test_lightning.py",
    "--ignore",
    "tests/test_ranks.py",
    "--ignore",
    "tests/test_loaders.py",
  ];
  const { status, stdout } = spawnSync(pytest.command, ["-B", "-m", "pytest", ...flags], {
    cwd: PACKAGE,
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /\d{3,} passed/);
});

describe("the plan", { skip: numpy.missing }, () => {
  /** A schedule over domains of any size with up to four stages, some weights zero and some under one row a batch. */
  const schedules = fc
    .record({
      seed: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      tokens: fc.array(fc.integer({ min: 40, max: 60_000 }), { minLength: 1, maxLength: 8 }),
      rowTokens: fc.integer({ min: 1, max: 40 }),
      batchRows: fc.integer({ min: 1, max: 60 }),
      weights: fc.array(fc.array(fc.nat({ max: 1000 }), { minLength: 8, maxLength: 8 }), {
        minLength: 1,
        maxLength: 4,
      }),
      exhaustion: fc.constantFrom(
        { policy: "repeat" as const, epochs: null },
        { policy: "repeat" as const, epochs: 2 },
        { policy: "redistribute" as const, epochs: null },
        { policy: "stop" as const, epochs: 3 },
      ),
      order: fc.option(
        fc.record({ blockRows: fc.integer({ min: 1, max: 99 }), blocks: fc.integer({ min: 1, max: 9 }) }),
      ),
      packed: fc.boolean(),
    })
    .map(({ seed, tokens, rowTokens, batchRows, weights, exhaustion, order, packed }): Schedule => {
      const plain = makeHeader(tokens, { seed, rowTokens, batchRows, exhaustion });
      let schedule = createSchedule({
        ...plain,
        ...(order && { order: "local", window: order }),
        ...(packed && {
          packing: "packed",
          pack: "ab".repeat(32),
          domains: plain.domains.map((domain) => ({ ...domain, rows: 1 + (domain.tokens % 999) })),
        }),
      });
      for (const raw of weights) {
        const { batch, final } = decidedEnd(schedule);
        if (final) break;
        const mine = raw.slice(0, tokens.length).map((weight, i) => (i === 0 ? weight + 1 : weight ** 2));
        const sum = mine.reduce((total, weight) => total + weight, 0);
        const named = mine.map((weight, i) => [`d${i}`, weight / sum]);
        schedule = appendStage(schedule, {
          fromBatch: batch,
          untilBatch: batch + 1 + (seed % 40),
          weights: domainWeights(Object.fromEntries(named)),
          cause: { kind: "test" },
        });
      }
      return schedule;
    });

  it("is the same row by row for any schedule", () => {
    const samples = fc.sample(schedules, { numRuns: 60, seed: 1 });
    const questions = samples.map((schedule) => {
      const end = decidedEnd(schedule).batch;
      const batches = [0, Math.floor(end / 2), end - 1].filter((k) => k >= 0 && k < end);
      return { ask: "batches", schedule, batches };
    });
    const expected = questions.map(({ schedule, batches }) => {
      const plan = openPlan(schedule);
      const keys = servedKeys(schedule.header.domains.map(({ name }) => name));
      return batches.map((k) => {
        const planned = plan.batch(k);
        return {
          stage: planned.stage,
          domains: [...planned.domains],
          epochs: [...planned.epochs],
          rows: [...planned.rows],
          starts: [...planned.starts],
          served: servedHash(keys, planned),
        };
      });
    });
    assert.ok(samples.some(({ stages }) => stages.some(({ cause }) => cause.kind === "exhausted")));
    assert.deepEqual(ask(questions), expected);
  });
});

describe("re-weighting", { skip: numpy.missing }, () => {
  const NAMES = ["a", "b", "c", "d", "e"] as DomainName[];
  const losses = fc.array(fc.double({ min: 0.1, max: 9, noNaN: true }), { minLength: 5, maxLength: 5 });
  const raw = fc.array(fc.double({ min: 1e-5, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 });
  const named = (values: readonly number[]) => Object.fromEntries(NAMES.map((name, i) => [name, values[i]!]));
  const shared = (values: readonly number[]) => {
    const sum = values.reduce((total, value) => total + value, 0);
    return domainWeights(named(values.map((value) => value / sum)));
  };
  const updates = fc.record({
    rule: fc.constantFrom(...RULES),
    before: fc.array(fc.record({ weights: raw.map(shared), losses: losses.map(named) }), { maxLength: 4 }),
    eta: fc.constantFrom(1, 0.5, 4),
    initial: raw.map(shared),
    current: raw.map(shared),
    reference: losses.map(named),
    losses: losses.map(named),
    rails: fc.constantFrom(
      null,
      { floorRows: 1, ceiling: 0.9, step: 2 },
      { floorRows: 3, ceiling: 0.4, step: 1.1 },
    ),
    batchRows: fc.constantFrom(8, 64, 3584),
    exhausted: fc.constantFrom([], ["b"], ["a", "e"]),
  });

  it("gives the same weights in parts of 2^24, and the same acts of the rails", () => {
    const samples = fc.sample(updates, { numRuns: 400, seed: 2 });
    const questions = samples.map(({ rule, eta, initial, current, reference, losses, rails, ...rest }) => {
      const policy: LossDrivenPolicy = {
        kind: "loss-driven",
        name: "custom",
        rule,
        eta,
        smoothing: rule === "clamp" ? 0 : 1e-4,
        initial,
        reference: { source: "a test", losses: reference },
        everyTokens: 1,
        everyBatches: 1,
        rails,
      };
      return { ask: "update", policy, domains: NAMES, current, losses, ...rest };
    });
    const answers = ask(questions) as { parts: number[]; weights: Record<string, number>; rails: object[] }[];
    for (const [i, { policy, current, losses, batchRows, exhausted, before }] of questions.entries()) {
      const { weights, rails } = updateWeights(policy, current, losses, { batchRows, exhausted, before });
      assert.deepEqual(answers[i]!.parts, integerWeights(Object.values(weights)));
      for (const name of NAMES) assert.ok(Math.abs(answers[i]!.weights[name]! - weights[name]!) < 1e-9);
      const acts = (list: readonly object[]) => list.map((act) => ({ ...act, from: 0, to: 0 }));
      assert.deepEqual(acts(answers[i]!.rails), acts(rails));
    }
  });

  it("takes turns in one run folder, each reading what the other wrote", async () => {
    const manifest = await writeTinyShards(join(dir, "turns-shards"));
    const schedule = tinySchedule(manifest, { policy: "dynamic-uniform" });
    const alone = join(dir, "alone");
    const turns = join(dir, "turns");
    mkdirSync(alone);
    await writeSchedule(join(alone, "schedule.json"), schedule);
    cpSync(alone, turns, { recursive: true });

    const means = (k: number) => ({ web: 2.5, code: 1.5 + k / 40, books: 2 });
    for (const k of [4, 8, 12, 16, 20]) {
      const report = lossReport(k, means(k));
      await reweight(alone, report);
      if (k % 8 === 4) {
        const [answer] = ask([{ ask: "act", run: turns, report }]) as [{ hash: string }];
        assert.equal(answer.hash, scheduleState(await readSchedule(join(turns, "schedule.json"))).hash);
      } else await reweight(turns, report);
    }
    const mine = await readSchedule(join(alone, "schedule.json"));
    const theirs = await readSchedule(join(turns, "schedule.json"));
    assert.equal(mine.stages.length, 5);
    for (const field of [
      "fromBatch",
      "untilBatch",
      "weights",
      "served",
      "carry",
      "measuredAt",
      "lag",
    ] as const)
      assert.deepEqual(
        theirs.stages.map((stage) => stage[field]),
        mine.stages.map((stage) => stage[field]),
      );
    const [read] = ask([{ ask: "read", run: alone }]);
    assert.deepEqual(read, { ...scheduleState(mine), end: 20, final: true });
  });
});

for (const { kind, make } of [
  { kind: "of a build", make: writeTinyShards },
  { kind: "that refer to other tools' files", make: writeReferences },
])
  describe(`the shards ${kind}`, { skip: numpy.missing }, () => sameShards(kind, make));

/** Megatron's and datatrove's files of the tiny shards, and a folder that refers to them. */
async function writeReferences(out: string): Promise<ShardManifest> {
  const manifest = await writeTinyShards(`${out}-copied`);
  const inputs: string[] = [];
  for (const [to, split] of [
    ["megatron", "train"],
    ["nanoset", "validation"],
  ] as const) {
    inputs.push(`${out}-${to}`);
    await exportShards(`${out}-copied`, { to, split, out: `${out}-${to}` });
  }
  await importTokens({ inputs, out, reference: true, tokenizer: manifest.tokenizer });
  return await readManifest(out);
}

const RANGES = {
  web: [
    [0, 3],
    [30, 77],
    [77, 78],
    [1990, 4000],
  ],
  books: [[5, 600]],
} as const;

function sameShards(kind: string, make: (dir: string) => Promise<ShardManifest>): void {
  const shards = join(dir, kind, "shards");
  const run = join(dir, kind, "run");
  let manifest: ShardManifest;
  before(async () => {
    manifest = await make(shards);
    mkdirSync(run, { recursive: true });
    const header = tinyHeader(manifest, { lookahead: 1 });
    const schedule = appendStage(createSchedule(header), {
      fromBatch: 0,
      untilBatch: 20,
      weights: domainWeights({ web: 0.5, code: 0.3, books: 0.2 }),
      cause: { kind: "initial" },
    });
    await writeSchedule(join(run, "schedule.json"), schedule);
  });

  it("give the same tokens, documents and served hashes to every rank", () => sameRows(run));

  it("give the same packed rows", async () => {
    const packed = join(dir, kind, "packed");
    for (const lookahead of [0, 1] as const) {
      await packShards(shards, { rowTokens: 50, lookahead, padding: 7 });
      const out = `${packed}-${lookahead}`;
      const shape = { rowTokens: 50, batchRows: 12, packing: "packed", lookahead, seed: 5 };
      await beginRun({ shards, out, policy: "uniform", tokens: 50 * 12 * 20, ...shape });
      await sameRows(out);
    }
  });

  async function sameRows(run: string): Promise<void> {
    const batches = [0, 7, 19];
    const shares = [
      { rank: 0, world: 1, microBatch: 12, mask: {} },
      { rank: 2, world: 3, microBatch: 2, mask: { withinDocuments: true, bos: false } },
      { rank: 0, world: 1, microBatch: 12, mask: { withinDocuments: false, ranges: RANGES } },
    ];
    const answers = ask(shares.map((share) => ({ ask: "sample", run, shards, batches, ...share })));
    for (const [i, share] of shares.entries()) {
      const sampler = await openSampler({ run, shards, ...share });
      const expected = [];
      for (const k of batches) {
        const batch = await sampler.batch(k);
        expected.push({
          tokens: [...batch.tokens],
          domains: [...batch.domains],
          served: batch.served,
          documentStarts: Array.from({ length: batch.rows }, (_, row) => [...batch.documentStarts(row)]),
          boundaries: Array.from({ length: batch.rows }, (_, row) => [...batch.boundaries(row)]),
          masks: Array.from({ length: batch.rows }, (_, row) => [...batch.lossMask(row)]),
          positions: Array.from({ length: batch.rows }, (_, row) => [...batch.positionIds(row)]),
        });
      }
      sampler.close();
      assert.deepEqual(answers[i], expected);
    }
  }

  it("are measured on the same validation rows", () => {
    for (const evaluation of [
      { rowTokens: 16, tokensPerDomain: 100 },
      { rowTokens: 500, tokensPerDomain: 90 },
    ]) {
      const [answer] = ask([{ ask: "evaluation", shards, ...evaluation }]);
      const expected = measurableDomains(manifest, manifest.domains).map((name) => [
        name,
        [...evaluationRows(shards, manifest, name, evaluation)].map((row) => [...row]),
      ]);
      assert.deepEqual(answer, Object.fromEntries(expected));
    }
  });
}
