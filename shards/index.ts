/**
 * The shards on disk: the contract between the build and the samplers.
 */
export { openPending, type PendingFile, syncFolder, writeFileWhole } from "../core/commit.ts";
export { type FilePool, openFilePool } from "./files.ts";
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
export { type DocumentIndex, openShard, type ShardReader } from "./reader.ts";
export {
  type BatchPosition,
  type DocumentBatch,
  type ShardSchema,
  type TokenType,
  tokenArray,
  tokenBytes,
} from "./schema.ts";
export { openStream, type TokenStream } from "./stream.ts";
export { openShardWriter, type ShardFile, type ShardWriter, shardMetadata } from "./writer.ts";
