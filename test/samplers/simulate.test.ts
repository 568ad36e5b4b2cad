import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SLIMPAJAMA_DOMAINS } from "../../core/domain.ts";
import {
  corpusOf,
  LLAMA_2_7B_REFERENCE,
  type LossReport,
  parseSchedule,
  readLossLog,
  type SimulationOptions,
  SLIMPAJAMA_TOKENS,
  simulate,
  simulationChart,
  softmaxRule,
  uniformWeights,
} from "../../samplers/index.ts";
import { temporaryFolder } from "../support.ts";

const domains = SLIMPAJAMA_DOMAINS.map((name) => ({ name, tokens: SLIMPAJAMA_TOKENS[name]! }));
const published = (options: Partial<SimulationOptions>) =>
  simulate({ domains, policy: "sheared", tokens: 200e9, ...options });
/** Billions of tokens to one place, by domain. */
const billions = (tokens: number) => Math.round(tokens / 1e8) / 10;

function withTokens(changes: Readonly<Record<string, number>>) {
  return domains.map(({ name, tokens }) => ({ name, tokens: changes[name] ?? tokens }));
}

describe("200 B tokens of SlimPajama's 627 B", () => {
  test("are 13,623 batches of 3,584 rows of 4,096 tokens", () => {
    const report = published({});
    assert.equal(report.batches, 13_623);
    assert.equal(report.tokens, 13_623 * 14_680_064);
    assert.equal(
      report.domains.reduce((rows, domain) => rows + domain.rows, 0),
      13_623 * 3584,
    );
  });
  test("need of each domain what the published weights say", () => {
    const need = (policy: string) => published({ policy }).domains.map(({ tokens }) => billions(tokens));
    assert.deepEqual(need("sheared"), [72.2, 98.4, 1.6, 6.2, 18.2, 1.4, 2]);
    assert.deepEqual(need("llama"), [134, 30, 9, 9, 9, 5, 4]);
    assert.deepEqual(need("uniform"), [28.6, 28.6, 28.6, 28.6, 28.6, 28.6, 28.6]);
  });
  test("run no domain dry with the published static weights", () => {
    for (const policy of ["sheared", "llama"])
      assert.deepEqual(
        published({ policy }).domains.map(({ dry }) => dry),
        domains.map(() => null),
      );
  });
  test("run StackExchange, Wikipedia and books dry at about 145, 167 and 184 B when uniform", () => {
    const dry = published({ policy: "uniform" }).domains.map(
      ({ dry }) => dry && Math.round(dry.tokens / 1e9),
    );
    assert.deepEqual(dry, [null, null, null, 167, 184, null, 145]);
  });
  test("fit a C4 that lost 15 %, and not one that lost half: it runs out at about 170 B", () => {
    const c4 = (tokens: number) =>
      published({ domains: withTokens({ c4: tokens }), exhaustion: { policy: "stop", epochs: null } });
    assert.equal(c4(142e9).batches, 13_623);
    const half = c4(83.7e9);
    assert.equal(half.batches, 11_588);
    assert.equal(billions(half.tokens), 170.1);
    assert.deepEqual(half.schedule.stages.at(-1)!.cause, { kind: "stop", domains: ["c4"] });
    assert.deepEqual(half.domains[1]!.dry, { batch: 11_587, tokens: 11_588 * 14_680_064 });
  });
  test("stay within 1 - 1/7 rows of the exact share after every batch", () => {
    for (const policy of ["sheared", "llama", "uniform", "dynamic-llama", "dynamic-uniform"]) {
      const { deviation } = published({ policy });
      assert.ok(deviation.rows > 0.5 && deviation.rows <= 6 / 7, `${policy}: ${deviation.rows}`);
    }
  });
  test("move the weights 80 times under a dynamic policy, each 170 batches", () => {
    const { schedule } = published({ policy: "dynamic-llama" });
    assert.equal(schedule.stages.length, 81);
    assert.deepEqual(
      schedule.stages.map(({ fromBatch }) => fromBatch),
      Array.from({ length: 81 }, (_, stage) => 170 * stage),
    );
    assert.deepEqual(
      schedule.stages.map(({ measuredAt }) => measuredAt),
      [undefined, ...Array.from({ length: 80 }, (_, stage) => 170 * (stage + 1))],
    );
  });
});

describe("simulate", () => {
  test("gives a schedule that parses, and the same one for the same options", () => {
    const once = published({ policy: "dynamic-llama", exhaustion: { policy: "redistribute", epochs: null } });
    const again = published({
      policy: "dynamic-llama",
      exhaustion: { policy: "redistribute", epochs: null },
    });
    assert.equal(once.hash, again.hash);
    assert.equal(once.hash, once.schedule.stages.at(-1)!.hash);
    assert.deepEqual(parseSchedule(JSON.parse(JSON.stringify(once.schedule))), once.schedule);
    assert.ok(once.domains.every(({ epochs }) => epochs <= 1));
  });
  test("says what its losses are made of", () => {
    assert.equal(published({}).losses, null);
    assert.match(
      published({ policy: "dynamic-uniform" }).losses!,
      /^a made-up model: reference \(LLaMA-2-7B on/,
    );
  });
  test("follows a log of losses", () => {
    const two = SLIMPAJAMA_DOMAINS.slice(0, 2);
    const report = (measuredAt: number, lossSum: number): LossReport => ({
      format: "headrace-report/1",
      measuredAt,
      kind: "validation",
      domains: Object.fromEntries(two.map((name, i) => [name, { lossSum: lossSum + i, tokens: 4 }])),
    });
    const small = {
      domains: two.map((name) => ({ name, tokens: 10_000 })),
      policy: "dynamic-uniform",
      tokens: 1000,
      rowTokens: 10,
      batchRows: 4,
      policyOptions: { everyTokens: 400, asPublished: true },
    };
    const { schedule, losses } = simulate({ ...small, reports: [report(10, 10), report(20, 9)] });
    assert.equal(losses, "2 loss reports");
    const first = softmaxRule(
      uniformWeights(two),
      Object.fromEntries(two.map((name, i) => [name, (10 + i) / 4])),
      LLAMA_2_7B_REFERENCE.losses,
    );
    assert.deepEqual(schedule.stages[1]!.cause["weights"], first);
    assert.throws(() => simulate({ ...small, reports: [report(10, 10)] }), {
      code: "ERR_LOSS",
      message:
        "the loss log has no report measured at batch 20; it has 10: simulate fewer tokens, or set the interval of the run that it comes from",
    });
  });
  test("refuses a run shorter than a batch", () => {
    assert.throws(() => published({ tokens: 1e6 }), {
      code: "ERR_ARGUMENT",
      message: /^a run of 1000000 tokens is less than a batch of 14680064/,
    });
  });
});

describe("corpusOf", () => {
  test("is SlimPajama without a folder, with lengths replaced by name", async () => {
    const { domains: found, shards } = await corpusOf(undefined, ["c4=83.7e9"]);
    assert.deepEqual(found, withTokens({ c4: 83.7e9 }));
    assert.equal(shards, "0".repeat(64));
  });
  test("refuses a replacement that is no number or names nothing", async () => {
    await assert.rejects(corpusOf(undefined, ["c4"]), {
      code: "ERR_ARGUMENT",
      message: 'a supply is "c4"; write DOMAIN=TOKENS, such as c4=83.7e9',
    });
    await assert.rejects(corpusOf(undefined, ["c4=1.5"]), { code: "ERR_ARGUMENT" });
    await assert.rejects(corpusOf(undefined, ["cc=5"]), {
      code: "ERR_DOMAIN",
      message: /^a supply names "cc"/,
    });
  });
  test("refuses a folder without shards", async () => {
    await assert.rejects(corpusOf(temporaryFolder()), { name: "HeadraceError" });
  });
});

describe("readLossLog", () => {
  test("reads a list of reports, and names what is wrong", async () => {
    const path = join(temporaryFolder(), "losses.json");
    const report = {
      format: "headrace-report/1",
      measuredAt: 3,
      kind: "training",
      domains: { c4: { lossSum: 2, tokens: 1 } },
    };
    writeFileSync(path, JSON.stringify([report]));
    assert.deepEqual(await readLossLog(path), [report]);
    writeFileSync(path, JSON.stringify([report, { ...report, measuredAt: -1 }]));
    await assert.rejects(readLossLog(path), {
      code: "ERR_PARSE",
      message: /losses\.json\[1\]\.measuredAt is -1/,
    });
    await assert.rejects(readLossLog(`${path}.absent`), { code: "ERR_INPUT", message: /cannot be read/ });
  });
});

describe("the picture of a simulation", () => {
  const report = published({ policy: "uniform" });
  const picture = simulationChart(report);

  test("has an area and a line for each domain, and a mark for each that runs dry", () => {
    assert.equal(picture.match(/<polygon /g)?.length, 7);
    assert.equal(picture.match(/<polyline /g)?.length, 7);
    const dry = report.domains.filter((domain) => domain.dry !== null);
    assert.deepEqual(
      dry.map(({ name }) => name),
      ["wikipedia", "book", "stackexchange"],
    );
    assert.equal(picture.match(/<circle /g)?.length, dry.length);
    for (const { name } of report.domains) assert.ok(picture.includes(`>${name}</text>`), name);
    assert.match(picture, /14\.3 %, 1\.38 epochs, dry at 145</);
  });

  test("puts weights and epochs where they are: uniform areas of a seventh, a mark at one epoch", () => {
    const [first] = [...picture.matchAll(/<polygon [^>]*points="([^"]*)"/g)].map(([, points]) => points!);
    const seventh = 248 - 200 / 7;
    assert.equal(first, `56,${seventh.toFixed(1)} 670,${seventh.toFixed(1)} 670,248 56,248`);
    const [, x, y] = /<circle cx="([\d.]+)" cy="([\d.]+)"/.exec(picture)!;
    const dry = report.domains.find((domain) => domain.dry !== null)!.dry!;
    assert.ok(Math.abs(Number(x) - (56 + (dry.tokens / report.tokens) * 614)) < 0.1, `${x}`);
    assert.ok(Math.abs(Number(y) - (496 - 200 / 2)) < 0.2, `${y}`);
  });

  test("is the same text for the same run, and needs nothing from elsewhere", () => {
    assert.equal(simulationChart(report), picture);
    assert.ok(!/<script|href|url\(|@import/.test(picture));
  });

  test("shows a run that stops, and weights by stage", () => {
    const stopped = published({
      policy:
        '{"steps":{"0":{"commoncrawl":1,"c4":0,"github":0,"wikipedia":0,"book":0,"arxiv":0,"stackexchange":0},"100e9":{"commoncrawl":0,"c4":0,"github":0,"wikipedia":0,"book":0,"arxiv":0,"stackexchange":1}}}',
      exhaustion: { policy: "stop", epochs: null },
    });
    const drawn = simulationChart(stopped);
    const [first] = [...drawn.matchAll(/<polygon [^>]*points="([^"]*)"/g)].map(([, points]) => points!);
    assert.equal(first!.split(" ").length, 8);
    assert.match(drawn, /120\.7 billion tokens/);
  });
});
