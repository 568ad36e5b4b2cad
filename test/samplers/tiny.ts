/**
 * Tiny shards and schedules for the tests of samplers and trainers: token ids say where they are from (1000 x domain + position mod 1000).
 */
import { join } from "node:path";
import { domainName } from "../../core/domain.ts";
import {
  beginSchedule,
  createRun,
  resolvePolicy,
  type Schedule,
  type ScheduleHeader,
} from "../../samplers/index.ts";
import {
  manifestFingerprint,
  openShardWriter,
  type ShardManifest,
  type Split,
  shardMetadata,
  type TokenShard,
  writeManifest,
} from "../../shards/index.ts";

export const TINY = { web: 4_000, code: 1_500, books: 700 } as const;

/** Writes shards of documents of 37 tokens: `train` and 128 `validation` tokens a domain, two shards for each train stream. */
export async function writeTinyShards(
  dir: string,
  domains: Readonly<Record<string, number>> = TINY,
  validation: Readonly<Record<string, number>> = {},
): Promise<ShardManifest> {
  const names = Object.keys(domains);
  const tokenizer = {
    name: "tiny",
    sha256: "00".repeat(32),
    vocabularySize: 32_000,
    bos: null,
    eos: null,
    addBos: false,
    addEos: false,
  };
  const shards: TokenShard[] = [];
  for (const split of ["train", "validation"] as const)
    for (const [index, domain] of names.entries()) {
      const total = split === "train" ? domains[domain]! : (validation[domain] ?? 128);
      const half = Math.floor(total / 2);
      const parts = split === "train" ? [half, total - half] : total > 0 ? [total] : [];
      let from = 0;
      for (const [number, tokens] of parts.entries()) {
        shards.push(await writeShard(dir, { split, domain, index, number, from, tokens }, tokenizer.sha256));
        from += tokens;
      }
    }
  const draft = {
    format: "headrace-shards/1" as const,
    key: "tiny",
    tokenizer,
    tokenType: "uint16" as const,
    filters: [],
    domains: names,
    shards,
    tables: [],
    account: {
      read: 0,
      kept: 0,
      heldOut: 0,
      quarantined: 0,
      incidents: 0,
      dropped: {},
      bytes: { read: 0, unreadable: 0, total: 0 },
      domains: {},
    },
  };
  const manifest = { ...draft, fingerprint: manifestFingerprint(draft) };
  await writeManifest(dir, manifest);
  return manifest;
}

/** A schedule header over tiny shards; `policy` as resolvePolicy takes it. */
export function tinyHeader(
  manifest: ShardManifest,
  options: {
    readonly policy?: string;
    readonly batches?: number | null;
    readonly batchRows?: number;
    readonly rowTokens?: number;
    readonly everyBatches?: number;
    readonly lookahead?: 0 | 1;
    readonly seed?: number;
    readonly exhaustion?: ScheduleHeader["exhaustion"];
    readonly reference?: Readonly<Record<string, number>>;
  } = {},
): ScheduleHeader {
  const { batchRows = 12, rowTokens = 16, everyBatches = 4 } = options;
  const batchTokens = batchRows * rowTokens;
  return {
    format: "headrace-schedule/1",
    algorithm: 1,
    seed: options.seed ?? 7,
    rowTokens,
    lookahead: options.lookahead ?? 0,
    batchRows,
    batches: options.batches === undefined ? 20 : options.batches,
    order: "global",
    packing: "concat",
    exhaustion: options.exhaustion ?? { policy: "repeat", epochs: null },
    domains: manifest.domains.map((name) => ({
      name: domainName(name),
      tokens: manifest.shards
        .filter((shard) => shard.split === "train" && shard.domain === name)
        .reduce((sum, { tokens }) => sum + tokens, 0),
    })),
    shards: manifest.fingerprint,
    policy: resolvePolicy(options.policy ?? "uniform", manifest.domains, {
      batchTokens,
      everyTokens: everyBatches * batchTokens,
      reference: {
        source: "a test",
        losses: options.reference ?? Object.fromEntries(manifest.domains.map((name) => [name, 2])),
      },
    }),
  };
}

/** The schedule of a header with its first stage. */
export function tinySchedule(
  manifest: ShardManifest,
  options: Parameters<typeof tinyHeader>[1] = {},
): Schedule {
  return beginSchedule(tinyHeader(manifest, options));
}

/** A loss report with the given means over 100 tokens a domain. */
export function lossReport(measuredAt: number, means: Readonly<Record<string, number>>) {
  return {
    format: "headrace-report/1" as const,
    measuredAt,
    kind: "validation" as const,
    domains: Object.fromEntries(
      Object.entries(means).map(([name, mean]) => [name, { lossSum: 100 * mean, tokens: 100 }]),
    ),
  };
}

async function writeShard(
  dir: string,
  of: {
    readonly split: Split;
    readonly domain: string;
    readonly index: number;
    readonly number: number;
    readonly from: number;
    readonly tokens: number;
  },
  tokenizer: string,
): Promise<TokenShard> {
  const { split, domain } = of;
  const path = `${split}/${domain}/${String(of.number).padStart(5, "0")}.arrow`;
  const documents = Math.ceil(of.tokens / 37);
  const offsets = Int32Array.from({ length: documents + 1 }, (_, i) => Math.min(37 * i, of.tokens));
  const writer = await openShardWriter(join(dir, path), {
    schema: { tokenType: "uint16", filters: [] },
    metadata: shardMetadata({ split, domain, tokenizer }),
    sources: ["made-up"],
  });
  await writer.write({
    documents,
    offsets,
    tokens: Uint16Array.from({ length: of.tokens }, (_, i) => 1000 * of.index + ((of.from + i) % 1000)),
    sources: new Int32Array(documents),
    lines: Uint32Array.from({ length: documents }, (_, i) => i + 1),
    scores: [],
  });
  return { ...(await writer.close()), path, split, domain };
}

/** Makes the run folder of a schedule over tiny shards, as a trainer that headrace does not start would find it. */
export async function createTinyRun(run: string, shards: string, schedule: Schedule): Promise<void> {
  const { rowTokens, batchRows, batches, seed } = schedule.header;
  await createRun(
    run,
    {
      format: "headrace-run/1",
      shards,
      trainer: "external",
      rowTokens,
      batchRows,
      seed,
      batches: batches!,
      everyBatches: null,
      lag: 0,
      evaluation: { rowTokens, tokensPerDomain: 128 },
    },
    schedule,
  );
}
