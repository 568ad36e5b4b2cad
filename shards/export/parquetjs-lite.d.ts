/** The part of parquetjs-lite 0.8.7 that the export of parquet version 1 uses; the package has no types of its own. */
declare module "parquetjs-lite" {
  interface Field {
    readonly type?: "LIST" | "INT32" | "UTF8" | "UINT_32" | "FLOAT";
    readonly compression?: "SNAPPY";
    readonly statistics?: boolean;
    readonly repeated?: boolean;
    readonly fields?: Readonly<Record<string, Field>>;
  }
  type Done = (error?: unknown) => void;
  interface Schema {
    readonly fields: object;
  }
  interface Writer {
    setMetadata(key: string, value: string): void;
    setRowGroupSize(rows: number): void;
    appendRow(row: Readonly<Record<string, unknown>>): Promise<void>;
    close(): Promise<void>;
  }
  const parquet: {
    readonly ParquetSchema: new (fields: Readonly<Record<string, Field>>) => Schema;
    readonly ParquetWriter: {
      openStream(
        schema: Schema,
        sink: {
          readonly write: (data: Uint8Array, done: Done) => void;
          readonly end: (done: Done) => void;
        },
        options: { readonly useDataPageV2: boolean; readonly pageSize: number; readonly pageIndex: boolean },
      ): Promise<Writer>;
    };
  };
  // A CommonJS module: Node offers it as a whole.
  export = parquet;
}
