/**
 * The shards on disk: the contract between the build and the samplers.
 */
export { openPending, type PendingFile, syncFolder, writeFileWhole } from "./commit.ts";
export {
  type Account,
  type DomainAccount,
  MANIFEST,
  type ManifestFilter,
  type ManifestTokenizer,
  manifestFingerprint,
  parseAccount,
  parseManifest,
  readManifest,
  type ScoreTable,
  type ShardManifest,
  SPLITS,
  type Split,
  type TokenShard,
  writeManifest,
} from "./manifest.ts";
export {
  type BatchPosition,
  type DocumentBatch,
  type ShardSchema,
  type TokenType,
  tokenArray,
  tokenBytes,
} from "./schema.ts";
export { openShardWriter, type ShardFile, type ShardWriter, shardMetadata } from "./writer.ts";
