/**
 * Which parquet reader opens what pyarrow writes, and returns the texts unchanged: ours, hyparquet by itself and parquetjs-lite where it is
 * installed. Prints a table: `all` where every text is the one that was written, else how many are, or what the reader said.
 *
 *   node bench/parquet-readers.ts [--python COMMAND]      COMMAND has pyarrow
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { planInputs, readSource } from "../pipeline/index.ts";

const { values } = parseArgs({
  options: { python: { type: "string", default: process.env["HEADRACE_PYTHON"] ?? "python3" } },
});

const WRITE = `
import sys, json, pyarrow as pa, pyarrow.parquet as pq
texts = ["\\ufeffwith a byte order mark"] + [f"text {i} " * (i % 50) + "\\u00e9" for i in range(1, 2000)]
t = pa.table({"text": texts, "meta": [{"redpajama_set_name": "RedPajamaC4"}] * 2000, "__index_level_0__": list(range(2000))})
names = []
for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    for version, page in [("1.0", "1.0"), ("2.6", "1.0"), ("2.6", "2.0")]:
        for dictionary in ([True, False] if codec == "snappy" else [True]):
            name = f"{codec}, format {version}, page v{page[0]}, {'dictionary' if dictionary else 'plain'}"
            pq.write_table(t, f"{sys.argv[1]}/{name}.parquet", compression=codec, version=version, data_page_version=page, use_dictionary=dictionary, row_group_size=700)
            names.append(name)
json.dump({"pyarrow": pa.__version__, "texts": texts, "names": names}, open(sys.argv[1] + "/written.json", "w"))
`;

const compressors = {
  GZIP: (bytes: Uint8Array) => gunzipSync(bytes),
  ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes),
};

async function ours(path: string): Promise<readonly unknown[]> {
  const texts: string[] = [];
  for (const file of (await planInputs([path])).files)
    for await (const { documents } of readSource(file)) texts.push(...documents.map(({ text }) => text));
  return texts;
}

async function hyparquet(path: string): Promise<readonly unknown[]> {
  const file = await asyncBufferFromFile(path);
  return (await parquetReadObjects({ file, columns: ["text"], compressors })).map(({ text }) => text);
}

async function parquetjs(path: string): Promise<readonly unknown[]> {
  const { ParquetReader } = createRequire(import.meta.url)("parquetjs-lite");
  const reader = await ParquetReader.openFile(path);
  const cursor = reader.getCursor([["text"]]);
  const texts: unknown[] = [];
  for (let row = await cursor.next(); row; row = await cursor.next()) texts.push(row.text);
  return texts;
}

async function outcome(
  read: (path: string) => Promise<readonly unknown[]>,
  path: string,
  texts: readonly string[],
): Promise<string> {
  try {
    const seen = await read(path);
    const equal = texts.filter((text, i) => seen[i] === text).length;
    return equal === texts.length && seen.length === equal ? "all" : `${equal} of ${texts.length}`;
  } catch (error) {
    const message = String((error as Error).message ?? error).split("\n")[0]!;
    return message.startsWith("Cannot find module") ? "not installed" : message;
  }
}

const folder = mkdtempSync(join(tmpdir(), "headrace-readers-"));
try {
  const { status, stderr } = spawnSync(values.python, ["-c", WRITE, folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${values.python} failed: ${stderr.trim().split("\n").at(-1)}`);
  const written = JSON.parse(readFileSync(join(folder, "written.json"), "utf8"));
  console.log(`| pyarrow ${written.pyarrow} wrote | headrace | hyparquet + node:zlib | parquetjs-lite |`);
  console.log("| --- | --- | --- | --- |");
  for (const name of written.names) {
    const path = join(folder, `${name}.parquet`);
    const cells = [];
    for (const read of [ours, hyparquet, parquetjs]) cells.push(await outcome(read, path, written.texts));
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
