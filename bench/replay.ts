/**
 * What proving a run costs: the plan of a 200 B-token run (13,623 batches of 3,584 rows over SlimPajama's seven domains, 80 updates) as `replay --verify`
 * checks it, the comparison with an edited schedule as `replay --edit` makes it, and shards as `replay --verify` hashes them beside `sha256sum` and a bare read.
 *
 *   node bench/replay.ts [--megabytes 512]
 *
 * The files are in the page cache for all three, so the ratio is one of processor time, and the bare read is the bound.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadTokenizer } from "../pipeline/index.ts";
import {
  compareSchedules,
  corpusOf,
  openPlan,
  plannedHashes,
  sealEdited,
  simulate,
  verifyReplay,
} from "../samplers/index.ts";
import { importTokens } from "../shards/index.ts";
import { beginRun } from "../trainer/index.ts";

const { values } = parseArgs({ options: { megabytes: { type: "string", default: "512" } } });
const bytes = Number(values.megabytes) * 1_000_000;

/** Seconds of a call, and what it gave. */
async function timed<T>(act: () => T | Promise<T>): Promise<readonly [seconds: number, result: T]> {
  const began = performance.now();
  const result = await act();
  return [(performance.now() - began) / 1000, result];
}

async function plan(): Promise<void> {
  const { domains } = await corpusOf();
  const { schedule, batches } = simulate({ domains, policy: "dynamic-llama", tokens: 200e9 });
  const hashOf = plannedHashes(openPlan(schedule));
  const [verify] = await timed(() => {
    for (let k = 0; k < batches; k++) hashOf(k);
  });
  const edit = JSON.parse(JSON.stringify(schedule));
  edit.stages[40].weights.reverse();
  const [compare, report] = await timed(() => compareSchedules(schedule, sealEdited(edit)));
  console.log(
    `plan of ${batches} batches, ${schedule.stages.length} stages: verified in ${verify.toFixed(1)} s (${Math.round((batches * 3584) / verify / 1e6)} M rows/s); edited at stage 40: compared in ${compare.toFixed(2)} s, departs at batch ${report.departs?.batch}`,
  );
}

/** Megatron's token file and index of one document a million ids (megatron/core/datasets/indexed_dataset.py). */
function writeMegatron(path: string): void {
  const documents = Math.ceil(bytes / 2_000_000);
  const ids = new Uint16Array(documents * 1_000_000);
  for (let i = 0; i < ids.length; i++) ids[i] = Math.imul(i, 2_654_435_761) >>> 18;
  writeFileSync(`${path}.bin`, ids);
  const index = Buffer.alloc(34 + 12 * documents + 8 * (documents + 1));
  index.write("MMIDIDX\0\0", 0, "latin1");
  index.writeBigUInt64LE(1n, 9);
  index.writeUInt8(8, 17);
  index.writeBigUInt64LE(BigInt(documents), 18);
  index.writeBigUInt64LE(BigInt(documents + 1), 26);
  for (let i = 0; i <= documents; i++) {
    if (i < documents) index.writeInt32LE(1_000_000, 34 + 4 * i);
    if (i < documents) index.writeBigInt64LE(BigInt(i) * 2_000_000n, 34 + 4 * documents + 8 * i);
    index.writeBigInt64LE(BigInt(i), 34 + 12 * documents + 8 * i);
  }
  writeFileSync(`${path}.idx`, index);
}

async function shards(folder: string): Promise<void> {
  writeMegatron(join(folder, "tokens"));
  const out = join(folder, "shards");
  const tokenizer = await loadTokenizer("llama-2");
  await importTokens({ inputs: [`all=${join(folder, "tokens.bin")}`], out, tokenizer });
  const { run } = await beginRun({
    shards: out,
    out: join(folder, "run"),
    policy: "uniform",
    tokens: bytes / 4,
    batchRows: 8,
  });
  const files = readdirSync(join(out, "train/all")).map((name) => join(out, "train/all", name));
  const read = () => {
    const buffer = Buffer.allocUnsafe(4 << 20);
    for (const path of files) {
      const file = openSync(path, "r");
      while (readSync(file, buffer, 0, buffer.length, null) > 0);
      closeSync(file);
    }
  };
  read();
  const [bare] = await timed(read);
  const [peer] = await timed(() => spawnSync("sha256sum", files));
  const [ours, report] = await timed(() => verifyReplay(run, out));
  const rate = (seconds: number) => `${Math.round(report.bytes / seconds / 1e6)} MB/s`;
  console.log(
    `shards of ${Math.round(report.bytes / 1e6)} MB: verified at ${rate(ours)}, sha256sum ${rate(peer)} (ratio ${(peer / ours).toFixed(2)}), bare read ${rate(bare)}`,
  );
}

const folder = mkdtempSync(join(tmpdir(), "headrace-bench-replay-"));
try {
  await plan();
  await shards(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
