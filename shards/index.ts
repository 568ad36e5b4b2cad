/**
 * The shards on disk: the contract between the build and the samplers.
 */
export { openPending, type PendingFile, syncFolder, writeFileWhole } from "../core/commit.ts";
export {
  type CompactedDomain,
  type Compaction,
  compactDomain,
} from "./compact.ts";
export type { CompactionPlan } from "./compact-plan.ts";
export { compactScores, type ScoreSegment } from "./compact-scores.ts";
export { type ExportOptions, type ExportReport, exportShards } from "./export/export.ts";
export { EXPORT_FORMATS, type ExportFormat, type FormatOptions } from "./export/format.ts";
export { EXPORT_RECORD, type ExportRecord, readExportRecord } from "./export/record.ts";
export { type FilePool, openFilePool } from "./files.ts";
export { type DocumentPlace, findDocument } from "./find.ts";
export { GAP, type Gap, readGaps, writeGaps } from "./gap.ts";
export { type ImportOptions, type ImportReport, importTokens } from "./import/import.ts";
export { openListedShard } from "./listed-shard.ts";
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
export { manifestProblems, type Problem } from "./manifest-check.ts";
export { ORIGIN, type Origin, type OriginInput, originKey, readOrigin, writeOrigin } from "./origin.ts";
export {
  type PackedDomain,
  type PackOptions,
  type PackProgress,
  type PackReport,
  packShards,
} from "./pack/make.ts";
export { openPieces, type Piece, type PieceReader } from "./pack/pieces.ts";
export {
  listPacks,
  type PackDomain,
  type PackPlan,
  packFolder,
  packHash,
  packProblems,
  readPack,
} from "./pack/plan.ts";
export { type DocumentIndex, openShard, type ShardReader } from "./reader.ts";
export {
  type BatchPosition,
  type DocumentBatch,
  type ShardSchema,
  type TokenType,
  tokenArray,
  tokenBytes,
} from "./schema.ts";
export {
  openScores,
  openScoreWriter,
  type ScoreBatch,
  type ScoreFile,
  type ScoreReader,
  type ScoreRow,
  type ScoreWriter,
} from "./scores.ts";
export { openSegment, type Segment, type SegmentBatch, type SegmentReader } from "./segment.ts";
export { openStream, type TokenStream } from "./stream.ts";
export {
  type CandidateCollector,
  type Candidates,
  collectCandidates,
  type HashGroup,
  mergeCandidates,
  planValidation,
  segmentCandidates,
  VALIDATION_PARTS,
  type ValidationPlan,
} from "./validation.ts";
export { type VerifyProgress, type VerifyReport, verifyShards } from "./verify.ts";
export { openShardWriter, type ShardFile, type ShardWriter, shardMetadata } from "./writer.ts";
