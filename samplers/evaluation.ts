/**
 * What losses are measured on: rows from the start of each domain's validation stream (docs/trainer-protocol.md 5).
 */
import type { TokenIds } from "../core/document.ts";
import { hashOf } from "../core/hash.ts";
import type { ShardManifest } from "../shards/manifest.ts";
import { tokenArray } from "../shards/schema.ts";
import { openStream } from "../shards/stream.ts";

/** Which rows: at most `tokensPerDomain` tokens, in rows of `rowTokens`. */
export interface Evaluation {
  readonly rowTokens: number;
  readonly tokensPerDomain: number;
}

/** The domains that can be measured, of those given: with at least two tokens of validation, since the first of a row has no loss. */
export function measurableDomains(manifest: ShardManifest, domains: readonly string[]): readonly string[] {
  return domains.filter((name) => validationTokens(manifest, name) >= 2);
}

/** The validation rows of a domain, in order, each in an array of its own. Deterministic. Throws ERR_SHARD where a file is cut. */
export function* evaluationRows(
  shards: string,
  manifest: ShardManifest,
  domain: string,
  { rowTokens, tokensPerDomain }: Evaluation,
): Generator<TokenIds> {
  const stream = openStream(shards, manifest, "validation", domain);
  try {
    const tokens = Math.min(stream.tokens, tokensPerDomain);
    const rows = Math.max(1, Math.floor(tokens / rowTokens));
    for (let row = 0; row < rows; row++) {
      const into = tokenArray(manifest.tokenType, Math.min(rowTokens, tokens));
      stream.read(row * rowTokens, into);
      yield into;
    }
  } finally {
    stream.close();
  }
}

/** What reference losses are bound to: SHA-256 over the hashes of the validation shards, in stream order (docs/format.md 4). */
export function validationHash(manifest: ShardManifest): string {
  return hashOf(manifest.shards.filter(({ split }) => split === "validation").map(({ sha256 }) => sha256));
}

function validationTokens(manifest: ShardManifest, domain: string): number {
  return manifest.shards
    .filter((shard) => shard.split === "validation" && shard.domain === domain)
    .reduce((sum, { tokens }) => sum + tokens, 0);
}
