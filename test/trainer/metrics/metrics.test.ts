import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { openPlan, readSchedule } from "../../../samplers/index.ts";
import { type MetricsLine, RunMetrics, scalarsOf, train } from "../../../trainer/index.ts";
import { maskedCrc } from "../../../trainer/metrics/events.ts";
import { prometheusText } from "../../../trainer/metrics/prometheus.ts";
import { makeHeader, makeSchedule } from "../../samplers/making.ts";
import { python, ROOT, temporaryFolder } from "../../support.ts";
import { tinyRuns } from "../runs.ts";

const dir = temporaryFolder();
const numpy = python("numpy");
const tensorboard = python("numpy", "tensorboard");

function ask(command: string, words: readonly string[], input = ""): unknown {
  const script = join(ROOT, "trainer/python/tests/metrics_answers.py");
  const { status, stdout, stderr } = spawnSync(command, ["-B", script, ...words], {
    encoding: "utf8",
    input,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

describe("the live numbers of a run", () => {
  const out = join(dir, "numbers");
  const events = join(out, "tensorboard");
  const prometheus = join(dir, "run.prom");
  let lines: readonly MetricsLine[];
  before(async () => {
    const options = await tinyRuns(dir);
    await train(options("good", { out, tensorboard: events, prometheus, metricsSeconds: 0 }));
    lines = readFileSync(join(out, "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  });

  it("has a line after every batch, and one more after each report, with the weights and losses that it led to", async () => {
    const schedule = await readSchedule(join(out, "schedule.json"));
    const batches = lines.map(({ batch }) => batch);
    const expected = Array.from({ length: 20 }, (_, k) => (k % 4 === 3 ? [k + 1, k + 1] : [k + 1])).flat();
    assert.deepEqual(batches, expected);
    for (const [i, line] of lines.entries()) {
      const domains = Object.values(line.domains);
      assert.ok(Math.abs(domains.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-12);
      assert.ok(Math.abs(domains.reduce((sum, { weight }) => sum + weight, 0) - 1) < 1e-12);
      const reported = line.batch >= 4 && (line.batch > 4 || batches[i - 1] === 4);
      assert.equal(
        domains.every(({ loss }) => loss !== null),
        reported,
        `line ${i}`,
      );
      assert.equal(line.tokens, line.batch * 12 * 16);
    }
    const last = lines.at(-1)!;
    assert.equal(last.stage, schedule.stages.length - 1);
    assert.ok(last.domains["books"]!.epochs > 1 && last.domains["books"]!.tokensLeft === 0);
  });

  it("is the same in Python", { skip: numpy.missing }, () => {
    const asked = [0, 1, 4, 9, 19, 20];
    const answers = ask(numpy.command, ["live", out, ...asked.map(String)]) as MetricsLine[];
    for (const [i, batch] of asked.entries()) {
      if (batch === 0) continue;
      const {
        time: _,
        loss: __,
        tokensPerSecond: ___,
        ...mine
      } = lines.findLast((line) => line.batch === batch)!;
      const { domains, ...rest } = answers[i]!;
      const { domains: known, ...all } = mine;
      // The schedule is decided to its end by now, and the newest losses are the last: what depends on neither must be equal.
      assert.deepEqual({ ...rest, domains: undated(domains) }, { ...all, domains: undated(known) });
    }
    const { time: _, loss: __, tokensPerSecond: ___, ...last } = lines.at(-1)!;
    assert.deepEqual(answers.at(-1), last);
    const texts = ask(
      numpy.command,
      ["text", "numbers"],
      lines.map((line) => JSON.stringify(line)).join("\n"),
    );
    assert.deepEqual(
      texts,
      lines.map((line) => [prometheusText("numbers", line), scalarsOf(line)]),
    );
  });

  it("is read by TensorBoard's own reader", { skip: tensorboard.missing }, () => {
    const read = ask(tensorboard.command, ["events", events]);
    const written = lines.flatMap((line) =>
      Object.entries(scalarsOf(line)).map(([tag, value]) => [line.batch, tag, Math.fround(value)]),
    );
    assert.equal(readdirSync(events).length, 1);
    assert.deepEqual(read, written);
  });

  it("is replaced whole in Prometheus' file, which holds the last line", () => {
    const text = readFileSync(prometheus, "utf8");
    assert.equal(text, prometheusText("numbers", lines.at(-1)!));
    assert.match(text, /^headrace_batch\{run="numbers"\} 20$/m);
    assert.match(
      text,
      /^# TYPE headrace_domain_weight gauge\nheadrace_domain_weight\{run="numbers",domain="web"\} 0\.\d+$/m,
    );
    assert.ok(!text.includes("null"));
  });
});

describe("RunMetrics", () => {
  const plan = openPlan(makeSchedule(makeHeader([400, 4000]), [null, [0.5, 0.5]]));
  const made = (name: string, options: object, now: () => number) => {
    mkdirSync(join(dir, name));
    return new RunMetrics(join(dir, name), {}, options, now);
  };
  const batchesOf = (name: string) =>
    readFileSync(join(dir, name, "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as MetricsLine);

  it("writes the first batch, then one line an interval, each report, and the end", async () => {
    let clock = 1000;
    const metrics = made("interval", { metricsSeconds: 10 }, () => clock);
    for (let k = 1; k <= 25; k++) {
      metrics.batch(plan, k, k);
      if (k === 13) metrics.report(plan, k, { d0: 1.5 });
      clock++;
    }
    await metrics.close();
    const lines = batchesOf("interval");
    assert.deepEqual(
      lines.map(({ batch, loss, tokensPerSecond }) => [batch, loss, tokensPerSecond]),
      [
        [1, 1, null],
        [11, 11, 32],
        [13, 13, 32],
        [23, 23, 32],
        [25, 25, (2 * 32) / 3],
      ],
    );
    assert.equal(lines[2]!.domains["d0"]!.loss, 1.5);
    assert.equal(lines[2]!.domains["d1"]!.loss, null);
  });

  it("answers Prometheus at its port, on this machine alone unless told otherwise", async () => {
    const metrics = made("port", { metricsListen: "0" }, () => 5);
    await metrics.listen();
    assert.match(metrics.url!, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    metrics.batch(plan, 7, null);
    const answer = await fetch(metrics.url!);
    assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert.equal(await answer.text(), prometheusText("port", batchesOf("port")[0]!));
    assert.equal((await fetch(metrics.url!.replace("/metrics", "/"))).status, 404);
    await metrics.close();
    const bad = made("bad", { metricsListen: "nowhere" }, () => 5);
    await assert.rejects(bad.listen(), /metrics cannot be offered at "nowhere": expected \[host:\]port; .*/);
  });

  it("says once that it cannot write, and lets the run go on", async () => {
    const metrics = made("gone", { prometheus: join(dir, "no/such/folder/run.prom") }, () => 5);
    metrics.batch(plan, 1, null);
    metrics.batch(plan, 2, null);
    await metrics.close();
    assert.match(metrics.problem!, /^live numbers are written no more: ENOENT/);
    assert.equal(batchesOf("gone").length, 1);
  });
});

it("the checksum is CRC-32C: the check value of its catalogue entry, masked", () => {
  const crc = 0xe3069283; // reveng.sourceforge.io, CRC-32/ISCSI, of "123456789"
  assert.equal(maskedCrc(Buffer.from("123456789")), (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
});

/** Numbers without what later stages and reports change. */
function undated(domains: MetricsLine["domains"]) {
  return Object.fromEntries(
    Object.entries(domains).map(
      ([name, { weight: _, loss: __, dryBatch: ___, dryTokens: ____, ...rest }]) => [name, rest],
    ),
  );
}
