/**
 * Opening 60,000 shards of 600 B tokens, and reaching any batch of a 200 B-token run over them: the twin of trainer/python/bench/scale.py.
 *
 *   node bench/scale.ts [--shards 60000] [--domains 7 --domains 100]
 *
 * The shards are a manifest of that size alone. Each figure comes from a process of its own: processor time, and what is added to the peak resident set of
 * a Node that has loaded the sampler. `parse` is JSON.parse of the same text, the least that reading it whole does. `seek` is a plan made from nothing and
 * asked for one batch of 1,024 rows of 4,096 tokens: median and worst of 40 batches all over the run, under one stage (static) and under 80 (dynamic).
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { domainName, domainWeights } from "../index.ts";
import { appendStage, createSchedule, openPlan, openSampler, type Schedule } from "../samplers/index.ts";
import { MANIFEST, type ShardManifest, writeManifest } from "../shards/index.ts";
import { madeUpManifest } from "./made-up.ts";
import { median } from "./statistics.ts";

const SHARD_TOKENS = 10_000_000;
const ROW = 4096;
const BATCH = 1024;
const BATCHES = Math.floor(200e9 / ROW / BATCH);
const SEEKS = 40;

const { values } = parseArgs({
  options: {
    shards: { type: "string", default: "60000" },
    domains: { type: "string", multiple: true, default: ["7", "100"] },
    /** Internal: the folder and what to measure of it. */
    measure: { type: "string" },
    folder: { type: "string", default: "" },
  },
});
const [shards, domains] = [Number(values.shards), Number(values.domains[0])];

if (values.measure !== undefined) console.log(JSON.stringify(await measure(values.measure, values.folder)));
else for (const count of values.domains) console.log(JSON.stringify(await figuresOf(count)));

/** Every figure of so many domains. */
async function figuresOf(count: string): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  try {
    await writeManifest(folder, manifestOf(Number(count)));
    const ask = (what: string): object => {
      const flags = ["--shards", String(shards), "--domains", count, "--measure", what, "--folder", folder];
      return JSON.parse(
        execFileSync(process.execPath, [import.meta.filename, ...flags], { encoding: "utf8" }),
      );
    };
    const seek = { static: ask("static"), dynamic: ask("dynamic") };
    return { shards, domains: Number(count), open: ask("open"), parse: ask("parse"), seek };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One figure, in a process that does nothing else. */
async function measure(what: string, folder: string): Promise<object> {
  const path = join(folder, MANIFEST);
  if (what === "static" || what === "dynamic")
    return seek(scheduleOf("0".repeat(64), what === "static" ? 1 : 80));
  const fingerprint =
    /"fingerprint": "([0-9a-f]{64})"/.exec(readFileSync(path).subarray(-200).toString())?.[1] ?? "";
  const schedule = scheduleOf(fingerprint, 1);
  const before = process.memoryUsage().rss;
  const cpu = process.cpuUsage();
  let stateBytes: number | undefined;
  if (what === "parse") JSON.parse(readFileSync(path, "utf8"));
  else {
    const sampler = await openSampler({ shards: folder, schedule });
    stateBytes = JSON.stringify(sampler.state()).length;
    sampler.close();
  }
  const { user, system } = process.cpuUsage(cpu);
  const addedBytes = process.resourceUsage().maxRSS * 1024 - before;
  return {
    milliseconds: Math.round((user + system) / 1000),
    peakMegabytes: Math.round(addedBytes / 1e6),
    stateBytes,
  };
}

/** Milliseconds to a batch, by a plan that knows nothing yet. */
function seek(schedule: Schedule): object {
  const times = Array.from({ length: SEEKS }, (_, i) => {
    const batch = Math.floor(((i + 0.5) * BATCHES) / SEEKS);
    const began = performance.now();
    const { rows } = openPlan(schedule).batch(batch);
    const time = performance.now() - began;
    if (rows.length !== BATCH) throw new Error(`batch ${batch} has ${rows.length} rows`);
    return time;
  });
  return { medianMilliseconds: round(median(times)), worstMilliseconds: round(Math.max(...times)) };
}

function manifestOf(count: number): ShardManifest {
  const names = namesOf(count);
  return madeUpManifest(
    names,
    names.flatMap((domain) =>
      Array.from({ length: Math.floor(shards / count) }, (_, number) => {
        const path = `train/${domain}/${String(number).padStart(5, "0")}.arrow`;
        const batches = [0, 1].map((i) => ({
          documents: 10_000,
          tokens: SHARD_TOKENS / 2,
          offsetsAt: 1024 + i * 10_080_000,
          tokensAt: 50_048 + i * 10_080_000,
        }));
        const sha256 = createHash("sha256").update(path).digest("hex");
        return {
          path,
          split: "train" as const,
          domain,
          documents: 20_000,
          tokens: SHARD_TOKENS,
          bytes: 20_200_000,
          sha256,
          batches,
        };
      }),
    ),
  );
}

/** A run of 200 B tokens in weights that lean another way in every stage. */
function scheduleOf(fingerprint: string, stages: number): Schedule {
  const names = namesOf(domains).map(domainName);
  const leaning = (turn: number) => {
    const parts = names.map((_, i) => 1 + ((i * 7 + turn * 3) % 5));
    const sum = parts.reduce((total, part) => total + part, 0);
    return domainWeights(Object.fromEntries(names.map((name, i) => [name, parts[i]! / sum])));
  };
  let schedule = createSchedule({
    format: "headrace-schedule/1",
    algorithm: 1,
    seed: 1,
    rowTokens: ROW,
    lookahead: 0,
    batchRows: BATCH,
    batches: BATCHES,
    order: "global",
    packing: "concat",
    exhaustion: { policy: "repeat", epochs: null },
    domains: names.map((name) => ({ name, tokens: Math.floor(shards / names.length) * SHARD_TOKENS })),
    shards: fingerprint,
    policy: { kind: "static", name: "custom", weights: leaning(0) },
  });
  for (let stage = 0; stage < stages; stage++)
    schedule = appendStage(schedule, {
      fromBatch: Math.floor((stage * BATCHES) / stages),
      untilBatch: stage + 1 === stages ? null : Math.floor(((stage + 1) * BATCHES) / stages),
      weights: leaning(stage),
      cause: { kind: "bench" },
    });
  return schedule;
}

function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `domain${i}`);
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
