import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { sha256File } from "../../core/hash.ts";
import { openSampler, readSchedule, verifyReplay } from "../../samplers/index.ts";
import { packShards } from "../../shards/index.ts";
import { loadNewest } from "../../trainer/embedded/checkpoint.ts";
import { connectTrainer, runTrainer, type TrainReport, train } from "../../trainer/index.ts";
import { writeTinyShards } from "../samplers/tiny.ts";
import { temporaryFolder } from "../support.ts";
import { tinyRuns } from "./runs.ts";

const dir = temporaryFolder();
let options: Awaited<ReturnType<typeof tinyRuns>>;
before(async () => {
  options = await tinyRuns(dir);
});

describe("train", () => {
  let good: TrainReport;
  let goodRun: string;
  before(async () => {
    const asked = options("good");
    goodRun = asked.out;
    good = await train(asked);
  });

  it("serves every batch, and moves the weights at every interval but the last", async () => {
    assert.equal(good.finished, true);
    assert.equal(good.batches, 20);
    assert.equal(good.tokens, 3840);
    assert.deepEqual(
      good.stages.map(({ fromBatch, measuredAt }) => [fromBatch, measuredAt]),
      [
        [0, null],
        [4, 4],
        [8, 8],
        [12, 12],
        [16, 16],
      ],
    );
    assert.deepEqual(
      good.losses.map(({ measuredAt }) => measuredAt),
      [4, 8, 12, 16, 20],
    );
    const { weights } = good.stages[4]!;
    assert.ok(
      weights["books"]! > weights["code"]! && weights["code"]! > weights["web"]!,
      JSON.stringify(weights),
    );
    assert.equal(readFileSync(join(goodRun, "served.log"), "utf8").split("\n").length, 21);
    assert.ok(Math.abs(Object.values(good.shares).reduce((a, b) => a + b) - 1) < 1e-12);
  });

  it("trains on packed rows, which end in a replay like others, and learns no padding", async () => {
    const shards = join(dir, "shards");
    await packShards(shards, { rowTokens: 50 });
    const asked = options("good", { trainer: "embedded", packing: "packed", policy: "uniform" });
    const report = await train({ ...asked, rowTokens: 50, tokens: 12 * 50 * 20, everyTokens: 12 * 50 * 20 });
    assert.equal(report.batches, 20);
    const { differences } = await verifyReplay(asked.out, shards);
    assert.deepEqual(differences, []);
    const sampler = await openSampler({ shards, run: asked.out });
    let targets = 0;
    for await (const batch of sampler)
      for (let row = 0; row < batch.rows; row++) targets += batch.lossMask(row).reduce((a, b) => a + b, 0);
    sampler.close();
    assert.ok(targets < 0.8 * 20 * 12 * 50, "hardly a row was padded, so the test says nothing about it");
    const loaded = await loadNewest(join(asked.out, "checkpoints"), () => {});
    const { single } = loaded!.model.arrays();
    const met = single.reduce((sum, count) => sum + count, 0);
    assert.equal(met, targets);
  });

  it("does nothing when the run is finished, and says the same of it", async () => {
    const again = await train(options("good", { out: goodRun }));
    const { seconds: _, tokensPerSecond: rate, resumedAt, ...rest } = again;
    const { seconds: __, tokensPerSecond: ___, resumedAt: ____, ...before } = good;
    assert.deepEqual(rest, before);
    assert.equal(resumedAt, 20);
    assert.equal(rate, 0);
  });

  it("gives a run that depends on the lag only where stages begin", async () => {
    const report = await train(options("good", { lag: 2 }));
    assert.deepEqual(
      report.stages.map(({ fromBatch, measuredAt }) => [fromBatch, measuredAt]),
      [
        [0, null],
        [6, 4],
        [10, 8],
        [14, 12],
        [18, 16],
      ],
    );
  });

  it("evaluates a static policy without moving it", async () => {
    const report = await train(options("good", { policy: "uniform" }));
    assert.equal(report.stages.length, 1);
    assert.deepEqual(
      report.losses.map(({ measuredAt }) => measuredAt),
      [4, 8, 12, 16, 20],
    );
  });

  it("refuses a folder of another run, naming what differs, and leaves it as it is", async () => {
    const before = await sha256File(join(goodRun, "schedule.json"));
    await assert.rejects(train(options("good", { out: goodRun, seed: 1 })), {
      code: "ERR_OUTPUT",
      message: /is another run: header\.seed is 0 there and 1 here/,
    });
    await assert.rejects(train(options("good", { out: goodRun, lag: 1 })), {
      code: "ERR_OUTPUT",
      message: /run\.json\.lag is 0 there and 1 here/,
    });
    assert.equal(await sha256File(join(goodRun, "schedule.json")), before);
    const strange = temporaryFolder();
    writeFileSync(join(strange, "thesis.tex"), "");
    await assert.rejects(train(options("good", { out: strange })), {
      code: "ERR_OUTPUT",
      message: /is no run \(it has thesis\.tex\)/,
    });
    assert.deepEqual(readdirSync(strange), ["thesis.tex"]);
  });

  it("refuses options that cannot work before it writes anything", async () => {
    for (const [changes, expected] of [
      [{ tokens: 100 }, { code: "ERR_ARGUMENT", message: /less than a batch of 192/ }],
      [{ policy: '{"web":0.5,"code":0.6}' }, { code: "ERR_WEIGHTS", message: /sum to 1\.1/ }],
      [{ policy: '{"web":0.5,"law":0.5}' }, { code: "ERR_DOMAIN", message: /"law"/ }],
      [{ policy: "llama" }, { code: "ERR_DOMAIN", message: /no shards here/ }],
      [{ reference: join(dir, "absent.json") }, { code: "ERR_INPUT", message: /headrace reference/ }],
      [{ trainer: "  " }, { code: "ERR_ARGUMENT", message: /trainer is empty/ }],
    ] as const) {
      const asked = options("good", changes);
      await assert.rejects(train(asked), expected);
      assert.ok(!existsSync(asked.out));
    }
    const blind = join(dir, "blind");
    await writeTinyShards(blind, undefined, { books: 0 });
    const asked = options("good", { shards: blind, reference: "llama-2-7b" });
    await assert.rejects(train(asked), { code: /ERR_DOMAIN|ERR_LOSS/ as never });
  });

  it("lets one call have a run at a time", async () => {
    const asked = options("slow");
    const first = train(asked);
    while (!existsSync(join(asked.out, "served.log"))) await new Promise((done) => setTimeout(done, 5));
    await assert.rejects(train(asked), { code: "ERR_LOCKED", message: /held by process \d+/ });
    assert.equal((await first).finished, true);
  });

  it("ends early and resumably when it is asked to", async () => {
    const asked = options("slow");
    const stop = new AbortController();
    const report = await train({
      ...asked,
      signal: stop.signal,
      onProgress: ({ batch }) => {
        if (batch === 7) stop.abort();
      },
    });
    assert.equal(report.finished, false);
    assert.ok(report.batches >= 7 && report.batches < 20, String(report.batches));
    const rest = await train(asked);
    assert.equal(rest.servedHash, good.servedHash);
    assert.equal(rest.scheduleHash, good.scheduleHash);
    assert.ok(rest.resumedAt! >= 7);
  });

  it("ends where a domain runs out, or goes on with the others, as it was asked", async () => {
    const stops = await train(options("good", { exhaustion: { policy: "stop", epochs: 1 } }));
    assert.equal(stops.finished, true);
    assert.ok(stops.batches > 4 && stops.batches < 20, String(stops.batches));
    assert.equal(stops.losses.at(-1)!.measuredAt, stops.batches);
    assert.equal(stops.stages.at(-1)!.cause, "stop");
    assert.equal((await verifyReplay(stops.run, stops.shards)).identical, true);

    const others = await train(options("good", { exhaustion: { policy: "redistribute", epochs: 1 } }));
    assert.equal(others.batches, 20);
    assert.equal(others.stages.at(-1)!.weights["books"], 0);
    assert.ok(others.stages.some(({ cause }) => cause === "exhausted"));
    assert.deepEqual((await verifyReplay(others.run, others.shards)).differences, []);
  });

  it("serves a trainer that something else started, over TCP", async () => {
    const asked = options("good");
    let trainer: Promise<void> | undefined;
    const report = await train({
      ...asked,
      trainer: null,
      listen: "tcp:127.0.0.1:0",
      onAttach: (connection) => {
        const file = join(asked.out, "attach.env");
        assert.equal(statSync(file).mode & 0o777, 0o600);
        assert.equal(
          readFileSync(file, "utf8"),
          `export HEADRACE_ADDRESS=${connection.address}\nexport HEADRACE_TOKEN=${connection.token}\n`,
        );
        trainer = connectTrainer({ client: "attached/1", ...connection }).then((client) =>
          runTrainer(client, {
            load: () => null,
            train: () => ({}),
            evaluate: (rows) => ({ lossSum: 3 * [...rows].length, tokens: [...rows].length + 8 }),
            save: () => {},
          }),
        );
      },
    });
    await trainer;
    assert.equal(report.finished, true);
    assert.ok(!existsSync(join(asked.out, "attach.env")));
    assert.equal(report.trainer, "attached");
    assert.equal(report.stages.length, 5);
  });

  it("writes a schedule that reads back whole", async () => {
    assert.equal((await readSchedule(join(goodRun, "schedule.json"))).stages.length, 5);
  });
});
