/**
 * What an export is: the formats by name, and what the writer of a format is given for one domain.
 */
import { HeadraceError } from "../../core/errors.ts";
import { openListedShard } from "../listed-shard.ts";
import type { ShardManifest, Split, TokenShard } from "../manifest.ts";
import type { GrowingFile, PendingFolder, WrittenFile } from "../pending-folder.ts";
import type { DocumentIndex, ShardReader } from "../reader.ts";

/** The formats, in the order of docs/formats-in-and-out.md. */
export const EXPORT_FORMATS = ["megatron", "mds", "nanoset", "parquet", "jsonl", "arrow-stream"] as const;

/** A format that shards can be exported to. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What only some formats use. */
export interface FormatOptions {
  /** Parquet: 2 (default) has the format version that readers of today write; 1 is for readers that know no other. */
  readonly parquetVersion?: 1 | 2;
  /** JSON lines: the text of a document's ids, added as field `text`. */
  readonly decode?: (ids: Iterable<number>) => string;
  /** MDS: bytes of a shard at most; default 67,108,864, below 2^32. A longer document has a shard of its own. */
  readonly mdsShardBytes?: number;
}

/** One domain to be written. */
export interface DomainExport {
  /** The folder of shards. */
  readonly dir: string;
  readonly manifest: ShardManifest;
  readonly split: Split;
  readonly domain: string;
  /** The domain's shards of the split, in stream order; at least one. */
  readonly shards: readonly TokenShard[];
  readonly options: FormatOptions;
  /** Opens a file of the export; `path` is under its folder. */
  readonly folder: Pick<PendingFolder, "create">;
  /** Says that so many tokens more are done. */
  readonly advance: (tokens: number) => void;
}

/** What was written of a domain, counted from what went into the files. */
export interface DomainWritten {
  readonly documents: number;
  readonly tokens: number;
  readonly files: readonly WrittenFile[];
}

/** Writes one domain. Throws ERR_SHARD on a broken shard, ERR_OUTPUT. */
export type DomainWriter = (of: DomainExport) => Promise<DomainWritten>;

/** `NNNNN`, as files are numbered. */
export function numbered(number: number): string {
  return String(number).padStart(5, "0");
}

/**
 * Calls `visit` with every record batch of a shard in order and its columns but the tokens. Throws ERR_SHARD where the shard is not the
 * one that the manifest describes.
 */
export async function eachBatch(
  { dir, manifest, domain, split }: DomainExport,
  shard: TokenShard,
  visit: (reader: ShardReader, batch: number, index: DocumentIndex) => Promise<void>,
): Promise<void> {
  const reader = openListedShard(dir, manifest, shard);
  try {
    const same =
      reader.metadata["headrace.domain"] === domain &&
      reader.metadata["headrace.split"] === split &&
      reader.schema.tokenType === manifest.tokenType &&
      JSON.stringify(reader.batches) === JSON.stringify(shard.batches);
    if (!same)
      throw new HeadraceError(
        "ERR_SHARD",
        `${shard.path} has another domain, split, token type or batches than the manifest says; restore it or build again`,
      );
    for (const i of reader.batches.keys()) await visit(reader, i, reader.readIndex(i));
  } finally {
    reader.close();
  }
}

/** Opens a file, fills it with `write` and closes it; deletes it where `write` throws. */
export async function writeFileOf(
  folder: Pick<PendingFolder, "create">,
  path: string,
  write: (file: GrowingFile) => Promise<void>,
): Promise<WrittenFile> {
  const file = await folder.create(path);
  try {
    await write(file);
    return await file.close();
  } finally {
    await file.abort();
  }
}
