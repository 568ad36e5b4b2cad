/**
 * Reading parquet, one thread: ours (`readSource`: every text decoded to a string, its domain found, the file hashed) against pyarrow
 * (one thread; to Arrow columns, and to Python strings) and parquetjs-lite where it is installed, in one run, with the ratios.
 *
 *   node bench/parquet.ts [FILE] [--megabytes 200] [--python COMMAND] [--repeats 3] [--json]
 *
 * FILE is .jsonl.zst in SlimPajama's form, by default the shared sample's first (../shared or $HEADRACE_SHARED); its documents are repeated up to
 * the size and written by pyarrow with snappy and with zstd, as one row group and as groups of 1,000 rows. COMMAND has pyarrow.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { planInputs, readSource } from "../pipeline/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    megabytes: { type: "string", default: "200" },
    python: { type: "string", default: process.env["HEADRACE_PYTHON"] ?? "python3" },
    repeats: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
    child: { type: "string" },
  },
});

const WRITE = `
import sys, json, pyarrow as pa, pyarrow.parquet as pq
source, folder, megabytes = sys.argv[1], sys.argv[2], float(sys.argv[3])
with pa.CompressedInputStream(pa.OSFile(source), "zstd") as f:
    rows = [json.loads(line) for line in f.read().decode().split("\\n") if line.strip()]
size = sum(len(r["text"].encode()) for r in rows)
rows = [{**r, "text": f"{n} {r['text']}"} for n in range(max(1, round(megabytes * 1e6 / size))) for r in rows]
t = pa.table({"text": [r["text"] for r in rows], "meta": [{"redpajama_set_name": r["meta"]["redpajama_set_name"]} for r in rows], "__index_level_0__": list(range(len(rows)))})
for codec in ["snappy", "zstd"]:
    pq.write_table(t, f"{folder}/{codec}-one-group.parquet", compression=codec, row_group_size=len(rows))
    pq.write_table(t, f"{folder}/{codec}-1000-rows.parquet", compression=codec, row_group_size=1000)
with pa.ipc.new_stream(f"{folder}/stream.arrow", t.schema) as w: w.write_table(t, max_chunksize=1000)
print(json.dumps({"pyarrow": pa.__version__}))
`;

const READ = `
import sys, json, time, resource, pyarrow as pa, pyarrow.parquet as pq
pa.set_cpu_count(1)
path, how = sys.argv[1], sys.argv[2]
start, cpu, texts, size = time.perf_counter(), time.process_time(), 0, 0
f = pq.ParquetFile(path) if path.endswith("parquet") else pa.ipc.open_stream(pa.OSFile(path))
batches = f.iter_batches(columns=["text", "meta"], use_threads=False) if path.endswith("parquet") else f
for batch in batches:
    column = batch.column(batch.schema.get_field_index("text"))
    texts += len(column)
    if how == "strings":
        size += sum(len(s) for s in column.to_pylist())
        batch.column(batch.schema.get_field_index("meta")).to_pylist()
print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "documents": texts, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
`;

interface Read {
  readonly seconds: number;
  readonly cpu: number;
  readonly documents: number;
  /** Peak resident memory in MiB. */
  readonly peak: number;
  /** Bytes of text, where they were counted. */
  readonly bytes?: number;
}

if (values.child !== undefined) {
  const started = performance.now();
  let documents = 0;
  let bytes = 0;
  for (const file of (await planInputs([values.child])).files)
    for await (const chunk of readSource(file)) {
      documents += chunk.documents.length;
      bytes += chunk.textBytes;
    }
  const usage = process.resourceUsage();
  const cpu = (usage.userCPUTime + usage.systemCPUTime) / 1e6;
  const seconds = (performance.now() - started) / 1000;
  console.log(JSON.stringify({ seconds, cpu, documents, bytes, peak: usage.maxRSS / 1024 } satisfies Read));
} else compare();

function compare(): void {
  const shared = process.env["HEADRACE_SHARED"] ?? resolve(import.meta.dirname, "../../shared");
  const source =
    positionals[0] ?? join(shared, "data/redpajama-sample/train/chunk1/example_train_0.jsonl.zst");
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  try {
    const { pyarrow } = output(values.python, ["-c", WRITE, source, folder, values.megabytes]) as {
      pyarrow: string;
    };
    const rows = [];
    for (const name of [
      "snappy-one-group.parquet",
      "snappy-1000-rows.parquet",
      "zstd-one-group.parquet",
      "zstd-1000-rows.parquet",
      "stream.arrow",
    ]) {
      const path = join(folder, name);
      const ours = best(() => output(process.execPath, [import.meta.filename, "--child", path]) as Read);
      const columns = best(() => output(values.python, ["-c", READ, path, "columns"]) as Read);
      const strings = best(() => output(values.python, ["-c", READ, path, "strings"]) as Read);
      if (ours.documents !== strings.documents) throw new Error(`${name}: ${ours.documents} documents`);
      const megabytes = ours.bytes! / 1e6;
      rows.push({
        file: name,
        headrace: megabytes / ours.seconds,
        "pyarrow columns": megabytes / columns.seconds,
        "pyarrow strings": megabytes / strings.seconds,
        "ratio to columns": columns.seconds / ours.seconds,
        "ratio to strings": strings.seconds / ours.seconds,
        "by CPU time": strings.cpu / ours.cpu,
        "peak MiB": ours.peak,
        "pyarrow peak MiB": strings.peak,
        "parquetjs-lite": name.endsWith("parquet") ? parquetjs(path) : "",
      });
    }
    if (values.json) console.log(JSON.stringify({ node: process.version, pyarrow, rows }, null, 2));
    else {
      console.log(
        `MB of text a second, one thread, best of ${values.repeats}; Node ${process.version}, pyarrow ${pyarrow}`,
      );
      console.table(
        rows.map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([key, value]) => [
              key,
              typeof value === "number" ? Number(value.toFixed(value < 10 ? 2 : 0)) : value,
            ]),
          ),
        ),
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What parquetjs-lite says when it opens the file. */
function parquetjs(path: string): string {
  const require = createRequire(import.meta.url);
  try {
    require.resolve("parquetjs-lite");
  } catch {
    return "not installed";
  }
  const script = `require("parquetjs-lite").ParquetReader.openFile(process.argv[1]).then(() => console.log("opens"), (error) => console.log(String(error.message ?? error)));`;
  const { stdout } = spawnSync(process.execPath, ["-e", script, path], {
    encoding: "utf8",
    cwd: import.meta.dirname,
  });
  return stdout.trim();
}

function best(run: () => Read): Read {
  const runs = Array.from({ length: Number(values.repeats) }, run);
  return runs.reduce((fastest, next) => (next.seconds < fastest.seconds ? next : fastest));
}

function output(command: string, parameters: readonly string[]): unknown {
  const { status, stdout, stderr } = spawnSync(command, parameters, {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`${command} failed: ${stderr.trim().split("\n").at(-1)}`);
  return JSON.parse(stdout);
}
