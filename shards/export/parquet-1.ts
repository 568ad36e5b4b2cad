/**
 * A parquet file of format version 1 by parquetjs-lite: plain values, data pages of version 1, snappy: for readers that know no other.
 * Its writer is given the places where row groups end through `setRowGroupSize`, for it counts rows alone.
 */
import parquet from "parquetjs-lite";
import type { GrowingFile } from "../pending-folder.ts";
import { idsOf, type ParquetFile } from "./row-group.ts";

/** Begins a file. Bytes depend on the arguments of the calls, and on the version of parquetjs-lite. */
export async function openParquet1(
  file: GrowingFile,
  filters: readonly string[],
  metadata: Readonly<Record<string, string>>,
): Promise<ParquetFile> {
  const leaf = { compression: "SNAPPY", statistics: false } as const;
  const schema = new parquet.ParquetSchema({
    tokens: {
      type: "LIST",
      fields: { list: { repeated: true, fields: { element: { type: "INT32", ...leaf } } } },
    },
    source: { type: "UTF8", ...leaf },
    line: { type: "UINT_32", ...leaf },
    ...Object.fromEntries(filters.map((name) => [name, { type: "FLOAT", ...leaf }])),
  });
  const sink = {
    write: (data: Uint8Array, done: (error?: unknown) => void) => {
      file.write(data).then(() => done(), done);
    },
    end: (done: (error?: unknown) => void) => done(),
  };
  const writer = await parquet.ParquetWriter.openStream(schema, sink, {
    useDataPageV2: false,
    pageSize: Number.MAX_SAFE_INTEGER,
    pageIndex: false,
  });
  for (const [key, value] of Object.entries(metadata)) writer.setMetadata(key, value);
  return {
    async write({ batch, from, to, sources }) {
      writer.setRowGroupSize(to - from);
      for (let d = from; d < to; d++)
        await writer.appendRow({
          tokens: { list: idsOf(batch, d).map((element) => ({ element })) },
          source: sources[batch.sources[d]!],
          line: batch.lines[d],
          ...Object.fromEntries(filters.map((name, f) => [name, batch.scores[f]![d]])),
        });
    },
    end: () => writer.close(),
  };
}
