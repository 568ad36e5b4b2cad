/**
 * The trainer's side of a run in one function, for trainers written in TypeScript: batches in, losses out, a checkpoint at each boundary.
 * The model is four functions of the caller; the order of things is the protocol's (docs/trainer-protocol.md 3 and 4).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { HeadraceError, messageOf } from "../core/errors.ts";
import {
  evaluationRows,
  type LossReport,
  type LossSum,
  measurableDomains,
  openSampler,
  readManifest,
  readSchedule,
  requireExtends,
  runPaths,
  type SampleBatch,
  type Sampler,
  type ShardManifest,
  type TokenIds,
} from "../samplers/index.ts";
import type { TrainerClient } from "./client.ts";
import type { TrainerState } from "./protocol.ts";

type Awaitable<T> = T | Promise<T>;

/** A model, as the loop sees it. */
export interface TrainerHooks {
  /** Loads the newest whole checkpoint of a folder into the model and says where it stands; null for a model as it starts. */
  load(checkpoints: string | null): Awaitable<TrainerState | null>;
  /** Trains on a batch. `loss` is its mean in nats a token, `tokens` how many those are. */
  train(batch: SampleBatch): Awaitable<{ readonly loss?: number; readonly tokens?: number }>;
  /** Loss sum and token count of the rows of one domain, without changing the model. */
  evaluate(rows: Iterable<TokenIds>, domain: string): Awaitable<LossSum>;
  /** Saves a checkpoint, whole or not at all. */
  save(state: TrainerState, checkpoints: string): Awaitable<void>;
}

/** Runs a trainer to the end of its run or its evaluation. Tells the host what went wrong before it throws. */
export async function runTrainer(client: TrainerClient, hooks: TrainerHooks): Promise<void> {
  try {
    if (client.welcome.mode === "evaluate") await evaluateOnce(client, hooks);
    else await trainToEnd(client, hooks);
  } catch (error) {
    await client.fail(messageOf(error));
    throw error;
  }
}

async function evaluateOnce(client: TrainerClient, hooks: TrainerHooks): Promise<void> {
  const { shards, checkpoints } = client.welcome;
  await hooks.load(checkpoints);
  const manifest = await readManifest(shards);
  await client.ready({ batch: 0, stages: 0, hash: "" });
  await client.report(await measure(client, hooks, manifest, manifest.domains, 0));
  await client.done(0);
}

async function trainToEnd(client: TrainerClient, hooks: TrainerHooks): Promise<void> {
  const { run, shards, everyBatches, checkpoints } = client.welcome;
  const folder = runPaths(run!);
  const loaded = await hooks.load(checkpoints);
  const sampler = await openSampler({ shards, run: folder.folder, from: loaded ?? 0 });
  try {
    const start = loaded?.batch ?? 0;
    await client.ready(sampler.state());
    for (let k = start; ; k++) {
      const atEnd = isEnd(sampler, k);
      if (k > 0 && (atEnd || (everyBatches !== null && k % everyBatches === 0))) {
        if (!existsSync(join(folder.reports, `${String(k).padStart(8, "0")}.json`)))
          await reportLosses(client, hooks, sampler, folder.schedule, k);
        if (k !== start) await save(client, hooks, sampler, k);
      }
      if (isEnd(sampler, k)) return await client.done(k);
      if (client.stopped !== null) {
        await save(client, hooks, sampler, k);
        return await client.done(k);
      }
      const batch = await sampler.batch(k);
      const began = performance.now();
      const measured = await hooks.train(batch);
      await client.acknowledge(k, batch.served, { ...measured, seconds: (performance.now() - began) / 1000 });
    }
  } finally {
    sampler.close();
  }
}

async function reportLosses(
  client: TrainerClient,
  hooks: TrainerHooks,
  sampler: Sampler,
  schedulePath: string,
  k: number,
): Promise<void> {
  const stage = await client.report(await measure(client, hooks, sampler.manifest, sampler.domains, k));
  const schedule = await readSchedule(schedulePath);
  requireExtends(schedule, stage);
  sampler.extend(schedule);
}

async function measure(
  client: TrainerClient,
  hooks: TrainerHooks,
  manifest: ShardManifest,
  names: readonly string[],
  measuredAt: number,
): Promise<LossReport> {
  const { shards, evaluation } = client.welcome;
  const domains: [string, LossSum][] = [];
  for (const name of measurableDomains(manifest, names)) {
    const { lossSum, tokens } = await hooks.evaluate(
      evaluationRows(shards, manifest, name, evaluation),
      name,
    );
    domains.push([name, { lossSum, tokens }]);
    await nextTurn();
  }
  return {
    format: "headrace-report/1",
    measuredAt,
    kind: "validation",
    domains: Object.fromEntries(domains),
  };
}

async function save(client: TrainerClient, hooks: TrainerHooks, sampler: Sampler, k: number): Promise<void> {
  const { checkpoints } = client.welcome;
  if (checkpoints === null)
    throw new HeadraceError("ERR_TRAINER", "headrace named no folder for checkpoints");
  await hooks.save({ ...sampler.state(), batch: k }, checkpoints);
  await client.checkpoint(k);
}

function isEnd(sampler: Sampler, k: number): boolean {
  const end = sampler.end();
  return end.final && k >= end.batch;
}
