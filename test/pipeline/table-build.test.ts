import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { build } from "../../pipeline/index.ts";
import { openStream, readManifest } from "../../shards/index.ts";
import { python, shared, temporaryFolder } from "../support.ts";
import { writeFile } from "./corpus.ts";
import { readFile } from "./sources.ts";
import { CORPUS, TABLES } from "./tables.ts";

const arrow = python("pyarrow");
const missing = arrow.missing || shared.missing;

test("a build from parquet or Arrow has the tokens and the account of the build from JSON lines", async () => {
  const folder = temporaryFolder();
  const built = async (name: string, content: Uint8Array) => {
    const input = join(folder, name.replaceAll(".", "-"));
    const out = `${input}-out`;
    writeFile(join(input, name), content);
    const report = await build({
      inputs: [input],
      out,
      workers: 1,
      drop: "ads=0.3:documents",
      validationTokens: 0,
    });
    assert.equal(report.read, CORPUS.length);
    const manifest = await readManifest(out);
    const { read, kept, heldOut, quarantined, dropped, domains } = manifest.account;
    const streams = manifest.domains.flatMap((domain) =>
      (["train", "validation", "dropped"] as const).map((split) => {
        const stream = openStream(out, manifest, split, domain);
        const ids = new Uint16Array(stream.tokens);
        if (ids.length > 0) stream.read(0, ids);
        stream.close();
        return [domain, split, [...ids]];
      }),
    );
    return { account: { read, kept, heldOut, quarantined, dropped, domains }, streams };
  };
  const table = (name: string) => readFileSync(join(TABLES, name));
  const lines = await built("corpus.jsonl.zst", zstdCompressSync(table("corpus.jsonl")));
  assert.ok(lines.account.kept > 20 && lines.streams.length === 21);
  for (const name of ["datasets.parquet", "datasets.arrow"])
    assert.deepEqual(await built(name, table(name)), lines, name);
});

test("a value of 9 MB is read, and quarantined with its length where that is too long", {
  skip: arrow.missing,
}, async () => {
  const folder = temporaryFolder();
  execFileSync(arrow.command, [
    "-c",
    `
import sys, pyarrow as pa, pyarrow.parquet as pq
t = pa.table({"text": ["first", "0123456789" * 900000, "last"]})
pq.write_table(t, sys.argv[1] + "/c4.parquet", compression="snappy")
with pa.ipc.new_file(sys.argv[1] + "/c4.arrow", t.schema) as w: w.write_table(t)
with pa.ipc.new_stream(sys.argv[1] + "/c4.arrows", t.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as w: w.write_table(t)
`,
    folder,
  ]);
  for (const name of ["c4.parquet", "c4.arrow", "c4.arrows"]) {
    const path = join(folder, name);
    const format = name.endsWith("parquet") ? ("parquet" as const) : ("arrow" as const);
    const file = { path, source: name, bytes: statSync(path).size, modified: 0, format };
    const back = await readFile(file);
    assert.deepEqual(
      back.documents.map(({ text }) => text.length),
      [5, 9_000_000, 4],
      name,
    );
    const short = await readFile(file, { maxDocumentBytes: 8_000_000 });
    assert.deepEqual(
      short.documents.map(({ line, text }) => [line, text]),
      [
        [1, "first"],
        [3, "last"],
      ],
    );
    assert.deepEqual(
      short.quarantined.map(({ line, reason }) => [line, reason]),
      [[2, "too-long: the text has 9000000 bytes, more than the 8000000 allowed"]],
    );
  }
});

test("the shared sample, written as parquet and Arrow by pyarrow, is the same documents", {
  skip: missing,
  timeout: 120_000,
}, async () => {
  const folder = temporaryFolder();
  const lines = join(shared.sample, "train/chunk1/example_train_0.jsonl.zst");
  const hashes = async (path: string, format: "jsonl.zst" | "parquet" | "arrow") => {
    const file = { path, source: basename(path), bytes: statSync(path).size, modified: 0, format };
    const back = await readFile(file);
    assert.deepEqual([back.quarantined, back.incidents], [[], []], path);
    return back.documents.map(
      ({ line, domain, text }) => `${line} ${domain} ${createHash("sha256").update(text).digest("hex")}`,
    );
  };
  execFileSync(arrow.command, [
    "-c",
    `
import sys, json, pyarrow as pa, pyarrow.parquet as pq
folder, lines = sys.argv[1:3]
with pa.CompressedInputStream(pa.OSFile(lines), "zstd") as f:
    rows = [json.loads(line) for line in f.read().decode().split("\\n") if line.strip()]
meta = [{"redpajama_set_name": r["meta"]["redpajama_set_name"]} for r in rows]
t = pa.table({"text": [r["text"] for r in rows], "meta": meta, "__index_level_0__": list(range(len(rows)))})
pq.write_table(t, folder + "/snappy.parquet")
pq.write_table(t, folder + "/zstd.parquet", compression="zstd", data_page_version="2.0", row_group_size=100)
pq.write_table(t, folder + "/gzip.parquet", compression="gzip", use_dictionary=False)
with pa.ipc.new_stream(folder + "/stream.arrow", t.schema) as w: w.write_table(t, max_chunksize=100)
`,
    folder,
    lines,
  ]);
  const expected = await hashes(lines, "jsonl.zst");
  assert.ok(expected.length > 500);
  for (const file of ["snappy.parquet", "zstd.parquet", "gzip.parquet"])
    assert.deepEqual(await hashes(join(folder, file), "parquet"), expected, file);
  assert.deepEqual(await hashes(join(folder, "stream.arrow"), "arrow"), expected);
});
