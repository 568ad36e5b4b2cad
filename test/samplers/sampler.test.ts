import assert from "node:assert/strict";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { domainWeights } from "../../core/domain.ts";
import {
  addServed,
  appendStage,
  createSchedule,
  openPlan,
  openSampler,
  type SampleBatch,
  type Schedule,
  type ShardManifest,
  servedHash,
  servedKeys,
  writeSchedule,
} from "../../samplers/index.ts";
import { temporaryFolder } from "../support.ts";
import { TINY, tinyHeader, tinySchedule, writeTinyShards } from "./tiny.ts";

const dir = temporaryFolder();
const shards = join(dir, "shards");
let manifest: ShardManifest;
before(async () => {
  manifest = await writeTinyShards(shards);
});

/** A schedule decided for 4 batches of 20. */
function open(): Schedule {
  return tinySchedule(manifest, { policy: "dynamic-uniform" });
}

function extended(schedule: Schedule): Schedule {
  return appendStage(schedule, {
    fromBatch: 4,
    untilBatch: 20,
    weights: domainWeights({ web: 0.5, code: 0.25, books: 0.25 }),
    cause: { kind: "test" },
  });
}

describe("openSampler", () => {
  it("gives for every row the tokens that the plan names, read round the ring", async () => {
    for (const lookahead of [0, 1] as const) {
      const schedule = tinySchedule(manifest, { lookahead });
      const plan = openPlan(schedule);
      const sampler = await openSampler({ shards, schedule });
      let wrapped = 0;
      for (let k = 0; k < 20; k++) {
        const batch = await sampler.batch(k);
        const planned = plan.batch(k);
        const width = 16 + lookahead;
        assert.equal(batch.width, width);
        assert.equal(batch.tokens.length, 12 * width);
        for (let row = 0; row < batch.rows; row++) {
          const domain = planned.domains[row]!;
          const total = Object.values(TINY)[domain]!;
          const expected = Array.from(
            { length: width },
            (_, i) => 1000 * domain + (((planned.starts[row]! + i) % total) % 1000),
          );
          if (planned.starts[row]! + width > total) wrapped++;
          assert.deepEqual([...batch.tokens.subarray(row * width, (row + 1) * width)], expected);
        }
        assert.deepEqual(batch.domains, planned.domains);
        assert.equal(batch.served, servedHash(servedKeys(sampler.domains), planned));
      }
      assert.ok(wrapped > 0, "no row went round the ring, so the test says nothing about it");
      sampler.close();
    }
  });

  it("names where documents start in a row", async () => {
    const schedule = tinySchedule(manifest);
    const plan = openPlan(schedule);
    const sampler = await openSampler({ shards, schedule });
    let found = 0;
    for (let k = 0; k < 5; k++) {
      const batch = await sampler.batch(k);
      const { starts, domains } = plan.batch(k);
      for (let row = 0; row < batch.rows; row++) {
        const total = Object.values(TINY)[domains[row]!]!;
        const half = Math.floor(total / 2);
        const expected = Array.from({ length: 16 }, (_, i) => i).filter((i) => {
          const at = (starts[row]! + i) % total;
          return (at < half ? at : at - half) % 37 === 0;
        });
        found += expected.length;
        assert.deepEqual(batch.documentStarts(row), expected);
      }
    }
    assert.ok(found > 10);
    sampler.close();
  });

  it("gives ranks whose union in step order is the global batch, and whose served hashes add up", async () => {
    const schedule = tinySchedule(manifest);
    const whole = await openSampler({ shards, schedule });
    for (const [world, microBatch, accumulation] of [
      [2, 3, 2],
      [3, 4, 1],
      [12, 1, 1],
      [1, 2, 6],
    ] as const) {
      const ranks = await Promise.all(
        Array.from({ length: world }, (_, rank) =>
          openSampler({ shards, schedule, rank, world, microBatch, accumulation }),
        ),
      );
      for (const k of [0, 7, 19]) {
        const global = await whole.batch(k);
        const parts = await Promise.all(ranks.map((sampler) => sampler.batch(k)));
        const tokens: number[] = [];
        for (let step = 0; step < accumulation; step++)
          for (const part of parts)
            tokens.push(...part.tokens.subarray(step * microBatch * 16, (step + 1) * microBatch * 16));
        assert.deepEqual(tokens, [...global.tokens]);
        assert.equal(parts.map(({ served }) => served).reduce(addServed), global.served);
      }
      for (const sampler of ranks) sampler.close();
    }
    whole.close();
  });

  it("gives the same batches fresh and from a state", async () => {
    const schedule = tinySchedule(manifest);
    const fresh = await openSampler({ shards, schedule });
    const all: SampleBatch[] = [];
    let state = fresh.state();
    for await (const batch of fresh) {
      all.push(batch);
      if (batch.batch === 11) state = JSON.parse(JSON.stringify(fresh.state()));
    }
    assert.equal(all.length, 20);
    assert.equal(state.batch, 12);
    const resumed = await openSampler({ shards, schedule, from: state });
    const rest: SampleBatch[] = [];
    for await (const batch of resumed) rest.push(batch);
    assert.deepEqual(
      rest.map(({ batch, tokens, served }) => ({ batch, tokens, served })),
      all.slice(12).map(({ batch, tokens, served }) => ({ batch, tokens, served })),
    );
    assert.deepEqual(resumed.state(), fresh.state());
    fresh.close();
    resumed.close();
  });

  it("reads ahead so many decided batches and no more, and gives what it gives without", async () => {
    const schedule = tinySchedule(manifest);
    const plain = await openSampler({ shards, schedule });
    const ahead = await openSampler({ shards, schedule, prefetch: 3 });
    const expected: SampleBatch[] = [];
    for await (const batch of plain) expected.push(batch);
    const given: SampleBatch[] = [];
    for await (const batch of ahead) {
      given.push(batch);
      assert.equal(ahead.state().batch, given.length);
      if (given.length % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.deepEqual(
      given.map(({ batch, tokens, served }) => ({ batch, tokens, served })),
      expected.map(({ batch, tokens, served }) => ({ batch, tokens, served })),
    );

    // While the taker waits, three more batches are read and not a fourth: the shards may go then.
    const copy = join(dir, "ahead");
    cpSync(shards, copy, { recursive: true });
    const bounded = await openSampler({ shards: copy, schedule, prefetch: 3 });
    const iterator = bounded[Symbol.asyncIterator]();
    await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    bounded.close();
    rmSync(join(copy, "train"), { recursive: true });
    for (const k of [1, 2, 3]) assert.deepEqual((await iterator.next()).value.tokens, expected[k]!.tokens);
    await assert.rejects(iterator.next(), { code: "ERR_SHARD" });
    for (const sampler of [plain, ahead]) sampler.close();
  });

  it("drops what it read ahead when the schedule is extended, and never waits for a stage before it must", async () => {
    const schedule = open();
    const sampler = await openSampler({ shards, schedule, prefetch: 8 });
    const iterator = sampler[Symbol.asyncIterator]();
    for (let k = 0; k < 4; k++) assert.equal((await iterator.next()).value.batch, k);
    await assert.rejects(iterator.next(), { code: "ERR_UNDECIDED" });
    sampler.extend(extended(schedule));
    const rest = [];
    for await (const batch of sampler) rest.push(batch.batch);
    assert.deepEqual([rest[0], rest.length], [4, 16]);
    sampler.close();
  });

  it("refuses an undecided batch at once, and goes on when the schedule is extended", async () => {
    const schedule = open();
    const sampler = await openSampler({ shards, schedule });
    await assert.rejects(sampler.batch(4), { code: "ERR_UNDECIDED", message: /batch 4 is not decided yet/ });
    sampler.extend(extended(schedule));
    assert.equal((await sampler.batch(4)).stage, 1);
    await assert.rejects(sampler.batch(20), {
      code: "ERR_UNDECIDED",
      message: /past the end of the run, which has 20/,
    });
    sampler.close();
  });

  it("waits for the stage that decides a batch, and for no longer than it was told", async () => {
    const run = join(dir, "waits");
    const schedule = open();
    await writeSchedule(join(folder(run), "schedule.json"), schedule);
    const sampler = await openSampler({ shards, run });
    const waiting = sampler.batch(5);
    await writeSchedule(join(run, "schedule.json"), extended(schedule));
    assert.equal((await waiting).batch, 5);
    sampler.close();

    await writeSchedule(join(run, "schedule.json"), schedule);
    const impatient = await openSampler({ shards, run, waitSeconds: 0.05 });
    await assert.rejects(impatient.batch(4), {
      code: "ERR_UNDECIDED",
      message: /was not decided within 0.05 s/,
    });
    impatient.close();
  });

  it("refuses a schedule that does not extend the one in hand", async () => {
    const schedule = open();
    const sampler = await openSampler({ shards, schedule: extended(schedule) });
    assert.throws(() => sampler.extend(schedule), {
      code: "ERR_SCHEDULE",
      message: /has 1 stages and the sampler has seen 2/,
    });
    const other = tinySchedule(manifest, { policy: "dynamic-uniform", seed: 8 });
    assert.throws(() => sampler.extend(extended(other)), {
      code: "ERR_SCHEDULE",
      message: /does not extend/,
    });
    await assert.rejects(openSampler({ shards, schedule: extended(other), from: sampler.state() }), {
      code: "ERR_SCHEDULE",
    });
    sampler.close();
  });

  it("refuses shards that the schedule was not made for, and domains that they lack", async () => {
    const other = join(dir, "other");
    await writeTinyShards(other, { ...TINY, web: 4_001 });
    const schedule = tinySchedule(manifest);
    await assert.rejects(openSampler({ shards: other, schedule }), {
      code: "ERR_MANIFEST",
      message: /the schedule was made for/,
    });
    const fewer = join(dir, "fewer");
    await writeTinyShards(fewer, { web: 4_000, code: 1_500 });
    await assert.rejects(openSampler({ shards: fewer, schedule }), {
      code: "ERR_DOMAIN",
      message: /draws on domain "books", .* has web, code/,
    });
  });

  it("refuses a world that does not make the batch", async () => {
    const schedule = tinySchedule(manifest);
    await assert.rejects(openSampler({ shards, schedule, world: 5 }), {
      code: "ERR_WORLD",
      message: /divisors of 12/,
    });
    await assert.rejects(openSampler({ shards, schedule, world: 2, rank: 2 }), { code: "ERR_WORLD" });
  });

  it("ends where the schedule stops because a domain ran out", async () => {
    const schedule = tinySchedule(manifest, { exhaustion: { policy: "stop", epochs: 1 } });
    const sampler = await openSampler({ shards, schedule });
    const end = sampler.end();
    assert.ok(end.final && end.batch < 20 && end.batch > 0);
    let batches = 0;
    for await (const _ of sampler) batches++;
    assert.equal(batches, end.batch);
    sampler.close();
  });

  it("has no batches before the first stage", async () => {
    const sampler = await openSampler({ shards, schedule: createSchedule(tinyHeader(manifest)) });
    await assert.rejects(sampler.batch(0), { code: "ERR_UNDECIDED" });
    sampler.close();
  });
});

function folder(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}
