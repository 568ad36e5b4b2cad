/**
 * What the footer of a parquet file says: its columns, its row groups and where their bytes lie. Decoded by hyparquet; whatever is
 * used of it is checked here, so that a damaged footer is an error with a reason and never a wrong read.
 */
import { parquetMetadata, parquetSchema, type SchemaTree } from "hyparquet";
import type { FieldPath } from "./cells.ts";
import { CODECS, type Codec } from "./codecs.ts";
import { integerType, type NumberType } from "./numbers.ts";
import type { TableFile } from "./table-file.ts";

const MAGIC = "PAR1";
const TAIL_BYTES = 64 * 1024;

/** A column that holds no lists: one value or null a row. */
export interface ParquetColumn {
  /** Position among the leaves of the schema. */
  readonly index: number;
  readonly name: string;
  /** Definition level of a value; 0 where every row has one. */
  readonly level: number;
  /** Whether the last name of the path itself may be null, which takes one level. */
  readonly optional: boolean;
  /** What it holds instead of strings, such as `a number`; null for strings. */
  readonly holds: string | null;
  /** How its numbers are stored; null where it holds something else, or numbers that are not read (decimals, dates). */
  readonly number: NumberType | null;
}

/** A field path in the schema: a column, or something that cannot be one value a row. */
export type ParquetField = ParquetColumn | { readonly holds: string };

/** Where the pages of a column lie in a row group. */
export interface ParquetChunk {
  readonly from: number;
  readonly to: number;
  readonly codec: Codec;
}

/** A row group. It owns the stored bytes [from, to): up to the next group, the first from 0, the last up to the footer. */
export interface ParquetGroup {
  readonly from: number;
  readonly to: number;
  /** 1-based number of its first row in the file. */
  readonly line: number;
  readonly rows: number;
  /** The pages of a column. Throws an Error that says what is wrong. */
  chunk(column: ParquetColumn): ParquetChunk;
}

/** A footer. */
export interface ParquetFooter {
  readonly groups: readonly ParquetGroup[];
  /** Position of the footer. */
  readonly from: number;
  /** Names of the outermost columns. */
  readonly columns: readonly string[];
  /** What rows hold at a field path; undefined for nothing. */
  field(path: FieldPath): ParquetField | undefined;
  /** Whether the file starts with the four bytes that it should. */
  readonly starts: boolean;
  /** What contradicts itself without making the file unreadable; null for nothing. */
  readonly doubt: string | null;
}

/** Reads the footer of a file: two or three reads. Throws an Error that says what is wrong. */
export async function readParquetFooter(file: TableFile): Promise<ParquetFooter> {
  if (file.bytes < 12) throw new Error(`has ${file.bytes} bytes, fewer than any parquet file`);
  let tail = await file.read(Math.max(4, file.bytes - TAIL_BYTES), file.bytes);
  const magic = tail.toString("latin1", tail.length - 4);
  if (magic === "PARE") throw new Error("is encrypted; decrypt it first");
  if (magic !== MAGIC) throw new Error("does not end with PAR1, so it is cut; download it again");
  const bytes = tail.readUInt32LE(tail.length - 8);
  const from = file.bytes - 8 - bytes;
  if (from < 4) throw new Error(`has a footer of ${bytes} bytes, more than the file; download it again`);
  if (bytes + 8 > tail.length) tail = await file.read(from, file.bytes);
  const starts = (await file.read(0, 4)).toString("latin1") === MAGIC;
  try {
    return { ...footerOf(tail.subarray(tail.length - 8 - bytes), from), starts };
  } catch (error) {
    throw new Error(`has a corrupt footer (${(error as Error).message}); download it again`, {
      cause: error,
    });
  }
}

function footerOf(tail: Uint8Array, from: number): Omit<ParquetFooter, "starts"> {
  const metadata = parquetMetadata(tail, { geoparquet: false });
  if (metadata.schema.some(({ name }) => typeof name !== "string")) throw new Error("a column has no name");
  const root = parquetSchema(metadata);
  const leaves = leavesOf(root);
  let rows = 0;
  const starts: number[] = [];
  for (const group of metadata.row_groups) {
    if (group.columns.length !== leaves.length)
      throw new Error(`a row group has ${group.columns.length} of ${leaves.length} columns`);
    const positions = group.columns.flatMap(({ meta_data: data }) => (data ? [chunkStart(data)] : []));
    starts.push(group.num_rows === 0n ? Number.NaN : Math.min(...positions));
    rows += count(group.num_rows);
  }
  // A group without rows need not have pages anywhere: it begins, and ends, where the next one does.
  for (let i = starts.length - 1; i >= 0; i--)
    if (metadata.row_groups[i]!.num_rows === 0n) starts[i] = starts[i + 1] ?? from;
  for (const [i, start] of starts.entries())
    if (!(start >= 4) || start > from || (i > 0 && start < starts[i - 1]!))
      throw new Error(`row group ${i} starts at byte ${start}`);

  let line = 1;
  const groups = metadata.row_groups.map((group, i): ParquetGroup => {
    const groupRows = count(group.num_rows);
    const here = {
      from: i === 0 ? 0 : starts[i]!,
      to: i + 1 < starts.length ? starts[i + 1]! : from,
      line,
      rows: groupRows,
    };
    line += groupRows;
    return {
      ...here,
      chunk({ index, name }) {
        const { meta_data: data, file_path: elsewhere } = group.columns[index]!;
        if (!data) throw new Error(`column \`${name}\` is encrypted; decrypt it first`);
        if (elsewhere) throw new Error(`column \`${name}\` lies in another file, ${elsewhere}`);
        const start = chunkStart(data);
        const to = start + count(data.total_compressed_size);
        const codec = data.codec as Codec;
        if (data.path_in_schema.join(".") !== leaves[index]!.join("."))
          throw new Error(`the footer puts column \`${data.path_in_schema.join(".")}\` where \`${name}\` is`);
        if (start < 4 || start < here.from || to > here.to)
          throw new Error(`column \`${name}\` lies at bytes ${start} to ${to}, outside its row group`);
        if (count(data.num_values) !== groupRows)
          throw new Error(`column \`${name}\` has ${data.num_values} values in ${groupRows} rows`);
        if (!CODECS.includes(codec))
          throw new Error(`column \`${name}\` is compressed with ${data.codec}; use zstd`);
        return { from: start, to, codec };
      },
    };
  });
  const stated = count(metadata.num_rows);
  return {
    groups,
    from,
    columns: root.children.map(({ element }) => element.name),
    field: (path) => fieldOf(root, leaves, path),
    doubt:
      stated === rows
        ? null
        : `says ${stated} rows, and its row groups ${rows}; what is read may not be all of it`,
  };
}

/** The paths of the leaves, in the order of columns in a row group. */
function leavesOf(tree: SchemaTree): readonly (readonly string[])[] {
  return tree.children.flatMap((child) => (child.element.num_children ? leavesOf(child) : [child.path]));
}

function fieldOf(
  root: SchemaTree,
  leaves: readonly (readonly string[])[],
  { name, keys }: FieldPath,
): ParquetField | undefined {
  const path = root.children.some(({ element }) => element.name === name) ? [name] : keys;
  let tree = root;
  let level = 0;
  for (const [depth, key] of path.entries()) {
    const child = tree.children.find(({ element }) => element.name === key);
    if (child === undefined) return undefined;
    const { repetition_type: repetition, logical_type: logical, converted_type: converted } = child.element;
    const kind = logical?.type ?? converted ?? "";
    // What lies inside a list or a map is no field of an object.
    if (repetition === "REPEATED" || kind === "LIST" || kind.startsWith("MAP"))
      return depth < path.length - 1 ? undefined : { holds: kind.startsWith("MAP") ? "an object" : "a list" };
    if (repetition === "OPTIONAL") level++;
    tree = child;
  }
  if (tree.element.num_children) return { holds: "an object" };
  return {
    index: leaves.findIndex((leaf) => leaf.join("\0") === path.join("\0")),
    name,
    level,
    optional: tree.element.repetition_type === "OPTIONAL",
    holds: holdsOf(tree),
    number: numberOf(tree),
  };
}

/** Strings, and bytes of no stated meaning, which older writers use for strings, are null. */
function holdsOf({ element }: SchemaTree): string | null {
  const { type, logical_type: logical, converted_type: converted } = element;
  if (type === "BOOLEAN") return "a boolean";
  const kind = logical?.type ?? converted;
  if (type === "BYTE_ARRAY")
    return kind === undefined || ["STRING", "UTF8", "ENUM", "JSON"].includes(kind)
      ? null
      : kind === "DECIMAL"
        ? "a number"
        : "binary data";
  if (type === "FIXED_LEN_BYTE_ARRAY")
    return kind === "DECIMAL" || kind === "FLOAT16" ? "a number" : "binary data";
  return "a number";
}

function numberOf({ element }: SchemaTree): NumberType | null {
  const { type, logical_type: logical, converted_type: converted } = element;
  if (type === "FLOAT") return "float";
  if (type === "DOUBLE") return "double";
  if (type === "FIXED_LEN_BYTE_ARRAY") return logical?.type === "FLOAT16" ? "half" : null;
  if (type !== "INT32" && type !== "INT64") return null;
  const kind = logical?.type ?? converted ?? "INTEGER";
  if (!/^(INTEGER|U?INT_\d+)$/.test(kind)) return null;
  const isSigned = logical?.type === "INTEGER" ? logical.isSigned : !kind.startsWith("U");
  return integerType(type === "INT32" ? 32 : 64, isSigned);
}

interface Positions {
  readonly data_page_offset: bigint;
  readonly dictionary_page_offset?: bigint;
}

/** Some writers give 0 for a dictionary page that is not there. */
function chunkStart({ data_page_offset: data, dictionary_page_offset: dictionary }: Positions): number {
  const from = count(data);
  return dictionary ? Math.min(from, count(dictionary)) : from;
}

/** A 64-bit count or position as a number. */
function count(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`a count of ${value}`);
  return number;
}
