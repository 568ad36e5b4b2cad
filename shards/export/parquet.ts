/**
 * Parquet: `<domain>/NNNNN.parquet`, one file a shard, columns `tokens` (list of int32), `source`, `line` and the filters' scores, snappy.
 * Version 2 is written by hyparquet-writer, version 1 by parquetjs-lite (docs/decisions has the figures). Both take JavaScript arrays,
 * so this is the slow way out; a row group ends at ROW_GROUP_TOKENS tokens, so that memory is bounded by it or the longest document.
 */
import type { DocumentBatch } from "../schema.ts";
import type { DomainExport, DomainWritten } from "./format.ts";
import { eachBatch, numbered, writeFileOf } from "./format.ts";

/** A row group ends before the document that would bring it over so many tokens, */
const ROW_GROUP_TOKENS = 1 << 18;
/** or after so many documents. */
const ROW_GROUP_DOCUMENTS = 8192;

/** Writes the files of a domain. */
export async function exportParquet(of: DomainExport): Promise<DomainWritten> {
  const { domain, split, manifest, folder, advance, options } = of;
  const open =
    options.parquetVersion === 1
      ? (await import("./parquet-1.ts")).openParquet1
      : (await import("./parquet-2.ts")).openParquet2;
  const metadata = {
    "headrace.domain": domain,
    "headrace.split": split,
    "headrace.tokenizer": manifest.tokenizer.sha256,
    "headrace.shards": manifest.fingerprint,
  };
  const filters = manifest.filters.map(({ name }) => name);
  const files = [];
  let documents = 0;
  let tokens = 0;
  for (const [number, shard] of of.shards.entries())
    files.push(
      await writeFileOf(folder, `${domain}/${numbered(number)}.parquet`, async (file) => {
        const parquet = await open(file, filters, metadata);
        await eachBatch(of, shard, async (reader, i) => {
          const batch = reader.readBatch(i);
          for (let from = 0; from < batch.documents; ) {
            const to = groupEnd(batch, from);
            await parquet.write({ batch, from, to, sources: reader.sources });
            documents += to - from;
            const written = batch.offsets[to]! - batch.offsets[from]!;
            tokens += written;
            advance(written);
            from = to;
          }
        });
        await parquet.end();
      }),
    );
  return { documents, tokens, files };
}

function groupEnd({ documents, offsets }: DocumentBatch, from: number): number {
  let to = from + 1;
  while (
    to < documents &&
    to - from < ROW_GROUP_DOCUMENTS &&
    offsets[to + 1]! - offsets[from]! <= ROW_GROUP_TOKENS
  )
    to++;
  return to;
}
