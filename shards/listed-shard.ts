/**
 * A shard that a manifest lists, opened for its documents: an Arrow file of ours, or another tool's token values with offsets beside them.
 * A reader of documents need not know which it has.
 */
import { closeSync } from "node:fs";
import { join } from "node:path";
import { openForReading, readExactly } from "./files.ts";
import type { ForeignShard, ShardManifest, TokenShard } from "./manifest.ts";
import { checkIndex, openShard, type ShardReader } from "./reader.ts";
import { tokenArray, tokenBytes } from "./schema.ts";
import { shardMetadata } from "./writer.ts";

/** Opens a shard of a folder. Throws ERR_SHARD. */
export function openListedShard(dir: string, manifest: ShardManifest, shard: TokenShard): ShardReader {
  return shard.foreign
    ? openForeignShard(dir, manifest, shard as ForeignShard)
    : openShard(join(dir, shard.path));
}

/** What an Arrow file says of itself follows here from the manifest: one source, and documents numbered from line 1. */
function openForeignShard(dir: string, manifest: ShardManifest, shard: ForeignShard): ShardReader {
  const { tokenType } = manifest;
  const { batches, split, domain, foreign } = shard;
  const [tokensPath, offsetsPath] = [join(dir, shard.path), join(dir, foreign.offsets.path)];
  const tokensFile = openForReading(tokensPath);
  const offsetsFile = openForReading(offsetsPath);
  const before = [0];
  for (const [i, { documents }] of batches.entries()) before.push(before[i]! + documents);

  const readIndex: ShardReader["readIndex"] = (i) => {
    const { documents, tokens, offsetsAt } = batches[i]!;
    const offsets = new Int32Array(documents + 1);
    readExactly(offsetsFile, new Uint8Array(offsets.buffer), offsetsAt, offsetsPath);
    const index = {
      documents,
      offsets,
      sources: new Int32Array(documents),
      lines: Uint32Array.from({ length: documents }, (_, d) => before[i]! + d + 1),
      scores: [],
    };
    checkIndex(index, tokens, 1, `batch ${i} of ${offsetsPath}`);
    return index;
  };
  const readTokens: ShardReader["readTokens"] = (i, from, into) => {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    readExactly(tokensFile, bytes, batches[i]!.tokensAt + from * tokenBytes(tokenType), tokensPath);
  };
  return {
    schema: { tokenType, filters: [] },
    metadata: shardMetadata({ split, domain, tokenizer: manifest.tokenizer.sha256 }),
    sources: [foreign.source],
    batches,
    readIndex,
    readTokens,
    readBatch(i) {
      const tokens = tokenArray(tokenType, batches[i]!.tokens);
      readTokens(i, 0, tokens);
      return { ...readIndex(i), tokens };
    },
    close() {
      closeSync(tokensFile);
      closeSync(offsetsFile);
    },
  };
}
