/**
 * What the tests of runs share: tiny shards, reference losses of 3 nats, and the options of a run of 20 batches with a report each 4.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { validationHash } from "../../samplers/index.ts";
import type { TrainOptions } from "../../trainer/index.ts";
import { writeTinyShards } from "../samplers/tiny.ts";

const FAKE = join(import.meta.dirname, "fake.ts");

/** The command line of the fake trainer in one of its modes. */
export function fakeTrainer(mode: string): string {
  return `"${process.execPath}" "${FAKE}" ${mode}`;
}

/** Makes `dir/shards` and `dir/reference.json`; returns what makes options of runs in `dir`, each with a folder of its own. */
export async function tinyRuns(
  dir: string,
): Promise<(mode: string, changes?: Partial<TrainOptions>) => TrainOptions> {
  const shards = join(dir, "shards");
  const reference = join(dir, "reference.json");
  const manifest = await writeTinyShards(shards);
  writeFileSync(
    reference,
    JSON.stringify({
      format: "headrace-reference/1",
      model: "a test",
      tokenizer: manifest.tokenizer.sha256,
      validation: validationHash(manifest),
      domains: Object.fromEntries(manifest.domains.map((name) => [name, { lossSum: 300, tokens: 100 }])),
    }),
  );
  let runs = 0;
  return (mode, changes = {}) => ({
    shards,
    out: join(dir, `run-${runs++}`),
    trainer: fakeTrainer(mode),
    policy: "dynamic-uniform",
    tokens: 12 * 16 * 20,
    everyTokens: 12 * 16 * 4,
    rowTokens: 16,
    batchRows: 12,
    reference,
    heartbeatSeconds: 0.2,
    timeoutSeconds: 30,
    ...changes,
  });
}
