/**
 * A parquet file of format version 2 by hyparquet-writer: dictionary-coded tokens, snappy. Memory is one row group.
 */
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import type { GrowingFile } from "../pending-folder.ts";
import { idsOf, type ParquetFile } from "./row-group.ts";

type Schema = ConstructorParameters<typeof ParquetWriter>[0]["schema"];

/** Begins a file. Bytes depend on the arguments of the calls, and on the version of hyparquet-writer. */
export async function openParquet2(
  file: GrowingFile,
  filters: readonly string[],
  metadata: Readonly<Record<string, string>>,
): Promise<ParquetFile> {
  const writer = new ByteWriter(1 << 20) as ByteWriter & { flush?: () => Promise<void> };
  writer.flush = async () => {
    await file.write(new Uint8Array(writer.buffer, 0, writer.index));
    writer.index = 0;
  };
  writer.finish = () => {};
  const parquet = new ParquetWriter({
    writer,
    schema: schemaOf(filters),
    kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
  return {
    async write({ batch, from, to, sources }) {
      await parquet.write({
        columnData: [
          { name: "tokens", data: Array.from({ length: to - from }, (_, i) => idsOf(batch, from + i)) },
          { name: "source", data: Array.from(batch.sources.subarray(from, to), (s) => sources[s]) },
          { name: "line", data: Array.from(batch.lines.subarray(from, to)) },
          ...filters.map((name, f) => ({ name, data: batch.scores[f]!.slice(from, to) })),
        ],
        rowGroupSize: to - from,
      });
    },
    async end() {
      await parquet.finish();
      await writer.flush?.();
    },
  };
}

function schemaOf(filters: readonly string[]): Schema {
  const required = { repetition_type: "REQUIRED" } as const;
  return [
    { name: "root", num_children: 3 + filters.length },
    { name: "tokens", ...required, num_children: 1, converted_type: "LIST", logical_type: { type: "LIST" } },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", ...required, type: "INT32" },
    {
      name: "source",
      ...required,
      type: "BYTE_ARRAY",
      converted_type: "UTF8",
      logical_type: { type: "STRING" },
    },
    { name: "line", ...required, type: "INT32", converted_type: "UINT_32" },
    ...filters.map((name): Schema[number] => ({ name, ...required, type: "FLOAT" })),
  ];
}
