/**
 * A pack plan of ten million documents: time, memory, what is padding, and what is cut, beside concatenation.
 *
 *   node bench/pack.ts [--documents 10000000] [--row 4096] [--group N]
 *
 * The shards are list offsets alone, which is all that packing reads. Lengths are made up: even in the logarithm from 64 to 8,192 tokens, so one document in
 * seven is longer than a row. Memory is what packing adds to the peak resident set of a Node that has loaded it.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packShards, type TokenShard, writeManifest } from "../shards/index.ts";
import { madeUpManifest } from "./made-up.ts";

const BATCH_DOCUMENTS = 2 ** 16;

const { values } = parseArgs({
  options: {
    documents: { type: "string", default: "10000000" },
    row: { type: "string", default: "4096" },
    group: { type: "string" },
  },
});

const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
try {
  await writeShards(folder, Number(values.documents));
  const before = process.memoryUsage().rss;
  const cpu = process.cpuUsage();
  const began = performance.now();
  const { domains, plan, hash } = await packShards(folder, {
    rowTokens: Number(values.row),
    ...(values.group !== undefined && { groupPieces: Number(values.group) }),
  });
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const domain = domains[0]!;
  const planFolder = join(folder, "packs", hash.slice(0, 16));
  const bytes = ["pieces", "rows"].reduce(
    (sum, name) => sum + statSync(join(planFolder, `a.${name}`)).size,
    0,
  );
  console.log(
    JSON.stringify({
      documents: domain.documents,
      row: plan.rowTokens,
      group: plan.groupPieces,
      seconds: Math.round(10 * seconds) / 10,
      cpuSeconds: Math.round((user + system) / 1e5) / 10,
      addedMegabytes: Math.round((process.resourceUsage().maxRSS * 1024 - before) / 1e6),
      rows: domain.rows,
      planBytesADocument: Math.round((10 * bytes) / domain.documents) / 10,
      padding: percent(domain.paddingTokens / (domain.paddingTokens + domain.tokens)),
      cut: percent(domain.cut / domain.documents),
      cutIfConcatenated: percent(domain.concatCut / domain.documents),
    }),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** One shard of offsets, and its manifest. */
async function writeShards(dir: string, documents: number): Promise<void> {
  const path = "train/a/00000.arrow";
  const batches: TokenShard["batches"][number][] = [];
  const parts: Uint8Array[] = [];
  let at = 0;
  let random = 1;
  for (let first = 0; first < documents; first += BATCH_DOCUMENTS) {
    const count = Math.min(BATCH_DOCUMENTS, documents - first);
    const offsets = new Int32Array(count + 1 + ((count + 1) % 2));
    for (let i = 0; i < count; i++) {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
      offsets[i + 1] = offsets[i]! + Math.floor(64 * 2 ** ((7 * random) / 2 ** 32));
    }
    batches.push({ documents: count, tokens: offsets[count]!, offsetsAt: at, tokensAt: 0 });
    parts.push(new Uint8Array(offsets.buffer));
    at += offsets.byteLength;
  }
  mkdirSync(join(dir, "train/a"), { recursive: true });
  writeFileSync(join(dir, path), Buffer.concat(parts));
  const tokens = batches.reduce((sum, batch) => sum + batch.tokens, 0);
  const shard = {
    path,
    split: "train" as const,
    domain: "a",
    documents,
    tokens,
    bytes: at,
    sha256: "00".repeat(32),
    batches,
  };
  await writeManifest(dir, madeUpManifest(["a"], [shard]));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
