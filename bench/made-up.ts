/** A manifest of shards that hold nothing else, for what reads no more of them. */
import { manifestFingerprint, type ShardManifest, type TokenShard } from "../shards/index.ts";

/** The manifest of shards in stream order, 16-bit ids of a vocabulary of 32,000. */
export function madeUpManifest(domains: readonly string[], shards: readonly TokenShard[]): ShardManifest {
  const draft = {
    format: "headrace-shards/1" as const,
    key: "made up",
    tokenizer: {
      name: "made up",
      sha256: "00".repeat(32),
      vocabularySize: 32_000,
      bos: 1,
      eos: 2,
      addBos: true,
      addEos: false,
    },
    tokenType: "uint16" as const,
    filters: [],
    domains,
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
  return { ...draft, fingerprint: manifestFingerprint(draft) };
}
