/**
 * What a file is, by its name and by its first bytes.
 */
import { isFrameMagic } from "./frames.ts";

/** How a file of JSON lines is stored. */
export type LineFormat = "jsonl" | "jsonl.gz" | "jsonl.zst";
/** A table: parquet, or Arrow IPC as a file or a stream. */
export type TableFormat = "parquet" | "arrow";
export type InputFormat = LineFormat | TableFormat;

const NAMES: readonly (readonly [RegExp, InputFormat])[] = [
  [/\.(jsonl|ndjson)$/, "jsonl"],
  [/\.(jsonl|ndjson|json)\.gz$/, "jsonl.gz"],
  [/\.(jsonl|ndjson|json)\.zst$/, "jsonl.zst"],
  [/\.parquet$/, "parquet"],
  [/\.(arrow|arrows|feather)$/, "arrow"],
];

/** So many bytes are enough to tell. */
export const SNIFF_BYTES = 512;

/** A format that can be read, or what the file is instead, or null where the first bytes tell nothing. */
export type Sniffed = { readonly format: InputFormat } | { readonly foreign: string } | null;

const FOREIGN: readonly (readonly [start: string, what: string])[] = [
  [
    "version https://git-lfs.github.com/spec/v1",
    "a Git LFS pointer, not the file itself; run `git lfs pull`",
  ],
  ["PARE", "an encrypted parquet file; decrypt it first"],
  ["FEA1", "a Feather file of version 1; write it again as version 2 (an Arrow file)"],
  ["PK\x03\x04", "a zip file; unpack it"],
  ["BZh", "bzip2; compress it again with zstd"],
  ["\xfd7zXZ\x00", "xz; compress it again with zstd"],
];

/** Looks at the first bytes of a file: at most SNIFF_BYTES of them. */
export function sniff(start: Uint8Array): Sniffed {
  const bytes = Buffer.from(start.buffer, start.byteOffset, Math.min(start.length, SNIFF_BYTES));
  if (bytes.length >= 4 && isFrameMagic(bytes.readUInt32LE(0))) return { format: "jsonl.zst" };
  if (bytes.length >= 3 && bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8)
    return { format: "jsonl.gz" };
  const text = bytes.toString("latin1");
  if (isUtf16(text)) return { foreign: "UTF-16 text; convert it to UTF-8" };
  if (text.startsWith("PAR1")) return { format: "parquet" };
  if (text.startsWith("ARROW1") || text.startsWith("\xff\xff\xff\xff")) return { format: "arrow" };
  const foreign = FOREIGN.find(([magic]) => text.startsWith(magic));
  if (foreign) return { foreign: foreign[1] };
  if (/^(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml)/i.test(text))
    return { foreign: "a web page, as a server sends in place of a file; download it again" };
  return /^(\xef\xbb\xbf)?\s*\{/.test(text) ? { format: "jsonl" } : null;
}

/** UTF-16 with its mark, or a JSON object in it without one: no line of it could be read. */
function isUtf16(text: string): boolean {
  return /^(\xff\xfe[^\0]\0|\xfe\xff\0[^\0]|\{\0["\n]\0|\0\{\0["\n])/.test(text);
}

/** Whether a format is a table, not lines. */
export function isTable(format: InputFormat): format is TableFormat {
  return format === "parquet" || format === "arrow";
}

/** The format that a path ends in, or null. */
export function formatByName(path: string): InputFormat | null {
  return NAMES.find(([name]) => name.test(path))?.[1] ?? null;
}
