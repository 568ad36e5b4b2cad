/**
 * A small whole folder of shards, as a build leaves it: two domains with train, validation and dropped shards, a score table, an account.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { mix32 } from "../../core/random.ts";
import {
  compactDomain,
  compactScores,
  type Gap,
  manifestFingerprint,
  type Origin,
  openScoreWriter,
  originKey,
  planValidation,
  type ScoreTable,
  type ShardManifest,
  type ShardSchema,
  segmentCandidates,
  type TokenShard,
  type TokenType,
  type ValidationPlan,
  writeGaps,
  writeManifest,
  writeOrigin,
} from "../../shards/index.ts";
import { type PlainDocument, writeDocuments } from "./documents.ts";

const TOKENIZER = {
  name: "made up",
  sha256: "cd".repeat(32),
  vocabularySize: 100_000,
  bos: 1,
  eos: null,
  addBos: true,
  addEos: false,
};

const ORIGIN: Origin = {
  format: "headrace-origin/1",
  version: 1,
  inputs: [{ role: "train", source: "a.jsonl", bytes: 1000, sha256: null }],
  documents: { train: 67, validation: 0 },
  loneSurrogates: 0,
  options: {},
  calibration: null,
};

/** What the folder holds, for comparison. */
export interface WholeFolder {
  readonly manifest: ShardManifest;
  /** By `split/domain`, documents in stream order. */
  readonly streams: Readonly<Record<string, readonly PlainDocument[]>>;
}

/** Writes the folder: `github` has 60 documents of 0 to 59 tokens, 4 more dropped; `book` has 3, of which the longest is cut. */
export async function writeWholeFolder(dir: string, tokenType: TokenType = "uint16"): Promise<WholeFolder> {
  const largest = tokenType === "uint16" ? 65_536 : 2 ** 31;
  const documentsOf = (seed: number, lengths: readonly number[]): PlainDocument[] =>
    lengths.map((length, i) => ({
      tokens: Array.from({ length }, (_, t) => mix32(seed + 1000 * i + t) % largest),
      source: i % 3 === 0 ? "a.jsonl" : "b/ü.jsonl.zst",
      line: i + 1,
      scores: [mix32(seed + i) / 65_536, i / 4],
      hash: BigInt(mix32(seed ^ i)),
    }));
  const kept = {
    github: documentsOf(
      1,
      Array.from({ length: 60 }, (_, i) => (i * 17) % 60),
    ),
    book: documentsOf(2, [50, 90, 20]),
  };
  const dropped = { github: documentsOf(3, [5, 6, 7, 8]), book: [] };

  const schema: ShardSchema = { tokenType, filters: ["ads", "fluency"], hashes: true };
  const validation = { targetTokens: 60, rowTokens: 4 };
  const shards: TokenShard[] = [];
  const domains: Record<string, ShardManifest["account"]["domains"][string]> = {};
  const plans: Record<string, ValidationPlan> = {};
  const streams: Record<string, readonly PlainDocument[]> = {};
  const gaps: Gap[] = [];
  const build = join(dir, ".build");
  for (const domain of ["github", "book"] as const) {
    const path = join(build, `${domain}.arrow`);
    await writeDocuments(path, schema, [kept[domain].slice(0, 7), kept[domain].slice(7)]);
    const plan = planValidation(await segmentCandidates([path], validation.targetTokens), validation);
    plans[domain] = plan;
    const common = {
      dir,
      domain,
      schema,
      tokenizer: TOKENIZER.sha256,
      shardBytes: tokenType === "uint16" ? 1200 : 2400,
    };
    const main = await compactDomain({ ...common, segments: [path], plan });
    const droppedPath = join(build, `${domain}-dropped.arrow`);
    await writeDocuments(droppedPath, schema, [dropped[domain]]);
    const rest = await compactDomain({
      ...common,
      segments: [droppedPath],
      plan: { kind: "whole", split: "dropped" },
    });
    shards.push(...main.shards, ...rest.shards);
    if (main.gap) gaps.push(main.gap);
    const gapTokens = main.gap?.tokens.length ?? 0;
    const all = tokensOf(kept[domain]);
    const held = plan.kind === "none" ? 0 : plan.tokens;
    const heldOut = plan.kind === "hashes" ? plan.documents : 0;
    domains[domain] = {
      read: kept[domain].length + dropped[domain].length,
      kept: kept[domain].length - heldOut,
      heldOut,
      dropped: { ads: dropped[domain].length, fluency: 0 },
      quarantined: 0,
      tokens: {
        kept: all - held - gapTokens,
        heldOut: held,
        dropped: { ads: tokensOf(dropped[domain]), fluency: 0 },
        gap: gapTokens,
      },
    };
    Object.assign(streams, streamsOf(domain, kept[domain], plan), { [`dropped/${domain}`]: dropped[domain] });
  }

  const tables = await writeScores(dir, { kept, dropped }, plans);
  const [github, book] = [domains["github"]!, domains["book"]!];
  const draft: Omit<ShardManifest, "fingerprint"> = {
    format: "headrace-shards/1",
    key: originKey(ORIGIN),
    tokenizer: TOKENIZER,
    tokenType,
    filters: [
      { name: "ads", sha256: "01".repeat(32), dropWhen: "high" },
      { name: "fluency", sha256: "02".repeat(32), dropWhen: "low" },
    ],
    domains: ["github", "book"],
    shards: ["train", "validation", "dropped"].flatMap((split) =>
      shards.filter((shard) => shard.split === split),
    ),
    tables,
    account: {
      read: github.read + book.read + 2,
      kept: github.kept + book.kept,
      heldOut: github.heldOut + book.heldOut,
      quarantined: 2,
      incidents: 1,
      dropped: { ads: 4, fluency: 0 },
      bytes: { read: 900, unreadable: 100, total: 1000 },
      domains,
    },
  };
  writeFileSync(join(dir, "quarantine.jsonl"), "{}\n{}\n");
  writeFileSync(join(dir, "incidents.jsonl"), "{}\n");
  await writeGaps(dir, gaps);
  await writeOrigin(dir, ORIGIN);
  const manifest = { ...draft, fingerprint: manifestFingerprint(draft) };
  await writeManifest(dir, manifest);
  return { manifest, streams };
}

async function writeScores(
  dir: string,
  of: Readonly<Record<"kept" | "dropped", Readonly<Record<string, readonly PlainDocument[]>>>>,
  plans: Readonly<Record<string, ValidationPlan>>,
): Promise<readonly ScoreTable[]> {
  const path = join(dir, ".build/scores.arrow");
  const filters = ["ads", "fluency"];
  const writer = await openScoreWriter(path, { filters, hashes: true });
  for (const [verdict, byDomain] of Object.entries(of))
    for (const [domain, list] of Object.entries(byDomain))
      for (const { source, line, tokens, hash } of list)
        await writer.append({
          source,
          line,
          domain,
          tokens: tokens.length,
          scores: [line, -line],
          verdict: verdict === "kept" ? "kept" : "dropped:ads",
          hash,
        });
  await writer.close();
  return compactScores({ dir, segments: [{ path }], filters, plans });
}

function streamsOf(
  domain: string,
  list: readonly PlainDocument[],
  plan: ValidationPlan,
): Record<string, readonly PlainDocument[]> {
  const [train, validation] = [`train/${domain}`, `validation/${domain}`];
  switch (plan.kind) {
    case "none":
      return { [train]: list, [validation]: [] };
    case "hashes":
      return {
        [train]: list.filter(({ hash }) => hash > plan.upTo),
        [validation]: list.filter(({ hash }) => hash <= plan.upTo),
      };
    case "tail": {
      const cut = list[plan.document]!;
      const end = cut.tokens.length;
      return {
        [train]: list.with(plan.document, {
          ...cut,
          tokens: cut.tokens.slice(0, end - plan.tokens - plan.gap),
        }),
        [validation]: [{ ...cut, tokens: cut.tokens.slice(end - plan.tokens) }],
      };
    }
    default:
      return plan satisfies never;
  }
}

function tokensOf(list: readonly PlainDocument[]): number {
  return list.reduce((sum, { tokens }) => sum + tokens.length, 0);
}
