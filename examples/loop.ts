/**
 * A training loop of one's own round a headrace run, in TypeScript: batches from the sampler, losses by domain back, resume from a checkpoint.
 *
 *   headrace begin shards --out run --policy dynamic-uniform --reference reference.json --row 512 --batch 64 --tokens 10M --every 1M
 *   node examples/loop.ts run shards [--until BATCH]
 *
 * The model counts tokens (a unigram with one added to every count), so that it runs anywhere; a real one takes its place at the two marked lines.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  nextReport,
  openSampler,
  readManifest,
  readSchedule,
  reweight,
  type SamplerState,
  ServedLog,
} from "../samplers/index.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { until: { type: "string" } },
});
const [run = "run", shards = "shards"] = positionals;
const until = Number(values.until ?? Number.POSITIVE_INFINITY);
const checkpoint = join(run, "checkpoints", "loop.json");

interface Checkpoint {
  readonly state: SamplerState;
  readonly counts: number[];
  readonly losses: Record<string, { lossSum: number; tokens: number }>;
}

function load(): Checkpoint | null {
  try {
    return JSON.parse(readFileSync(checkpoint, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return null;
  }
}

const { vocabularySize } = (await readManifest(shards)).tokenizer;
const saved = load();
const counts = saved?.counts ?? new Array<number>(vocabularySize).fill(1);
let total = counts.reduce((sum, count) => sum + count, 0);
let losses = saved?.losses ?? {};
const sampler = await openSampler({ run, shards, ...(saved ? { from: saved.state } : {}) });
const log = new ServedLog(join(run, "served.log"));

for await (const batch of sampler) {
  for (let row = 0; row < batch.rows; row++) {
    const tokens = batch.tokens.subarray(row * batch.width, (row + 1) * batch.width);
    const name = sampler.domains[batch.domains[row]!]!;
    losses[name] ??= { lossSum: 0, tokens: 0 };
    const loss = losses[name];
    for (const token of tokens) loss.lossSum += Math.log(total / counts[token]!); // the model's loss
    loss.tokens += tokens.length;
  }
  for (const token of batch.tokens) counts[token]!++; // the model's step
  total += batch.tokens.length;
  log.append(batch.batch, batch.served);

  const served = batch.batch + 1;
  if (served === nextReport(await readSchedule(join(run, "schedule.json")))) {
    await reweight(run, {
      format: "headrace-report/1",
      measuredAt: served,
      kind: "training",
      domains: losses,
    });
    losses = {};
  }
  const content: Checkpoint = { state: sampler.state(), counts, losses };
  writeFileSync(`${checkpoint}.tmp`, JSON.stringify(content));
  renameSync(`${checkpoint}.tmp`, checkpoint);
  if (served >= until) break;
}
log.close();
console.log(sampler.state().hash);
