import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "../../core/hash.ts";
import {
  EXPORT_FORMATS,
  type ExportOptions,
  exportShards,
  importTokens,
  readExportRecord,
  verifyShards,
} from "../../shards/index.ts";
import { python, temporaryFolder } from "../support.ts";
import { writeWholeFolder } from "./folder.ts";
import { documentsIn, oracle, readFiles, unpacked, writeFiles } from "./foreign.ts";

const folder = temporaryFolder();
const pyarrow = python("pyarrow");

/** Every format, parquet in both versions. */
const FORMS: Readonly<Record<string, Pick<ExportOptions, "to" | "parquetVersion">>> = {
  ...Object.fromEntries(EXPORT_FORMATS.map((to) => [to, { to }])),
  "parquet 1": { to: "parquet", parquetVersion: 1 },
};

for (const { tokenType, vocabularySize, files } of oracle.sets) {
  const tokenizer = { name: "made up", sha256: "cd".repeat(32), vocabularySize, bos: null, eos: null };

  test(`${tokenType}: megatron, nanoset and mds have the bytes that Megatron, datatrove and MosaicML's writers give the same documents`, async () => {
    const dir = join(folder, `oracle-${tokenType}`);
    writeFiles(join(dir, "in"), unpacked(files["megatron"]!));
    await importTokens({ inputs: [`book=${dir}/in/book`], out: join(dir, "shards"), tokenizer });
    assert.deepEqual((await verifyShards(join(dir, "shards"))).problems, []);
    for (const to of ["megatron", "nanoset", "mds"] as const) {
      const out = join(dir, to);
      await exportShards(join(dir, "shards"), { to, out, mdsShardBytes: oracle.mdsShardBytes });
      const { ".headrace.json": _, ...written } = readFiles(out);
      const expected = unpacked(files[to]!);
      assert.deepEqual(Object.keys(written), Object.keys(expected));
      for (const [path, bytes] of Object.entries(expected)) assert.ok(bytes.equals(written[path]!), path);
    }
  });

  test(`${tokenType}: documents of several sequences come in as the same documents`, async () => {
    const dir = join(folder, `sequences-${tokenType}`);
    writeFiles(join(dir, "one"), unpacked(files["megatron"]!));
    writeFiles(join(dir, "more"), unpacked(files["megatron of several sequences a document"]!));
    assert.ok(!readFileSync(join(dir, "one/book.idx")).equals(readFileSync(join(dir, "more/book.idx"))));
    for (const name of ["one", "more"])
      await importTokens({
        inputs: [join(dir, name, "book.idx")],
        out: join(dir, `${name}-shards`),
        tokenizer,
      });
    assert.deepEqual(await documentsIn(join(dir, "more-shards")), await documentsIn(join(dir, "one-shards")));
  });
}

for (const [form, options] of Object.entries(FORMS))
  test(`${form}: the same shards give the same bytes, and the record names every file with its size and hash`, async () => {
    const dir = join(folder, `same-${form}`);
    await writeWholeFolder(join(dir, "shards"));
    const reports = [];
    for (const name of ["a", "b"])
      reports.push(
        await exportShards(join(dir, "shards"), { ...options, out: join(dir, name), mdsShardBytes: 700 }),
      );
    const [a, b] = [readFiles(join(dir, "a")), readFiles(join(dir, "b"))];
    assert.deepEqual(a, b);
    const record = (await readExportRecord(join(dir, "a")))!;
    const listed = record.domains.flatMap((domain) => domain.files);
    assert.deepEqual(
      listed.map(({ path }) => path).sort(),
      Object.keys(a).filter((path) => path !== ".headrace.json"),
    );
    for (const { path, bytes, sha256: hash } of listed) {
      assert.equal(a[path]!.length, bytes, path);
      assert.equal(sha256(a[path]!), hash, path);
    }
    assert.deepEqual(
      record.domains.map(({ name }) => name),
      ["github", "book"],
    );
    assert.equal(
      reports[0]!.tokens,
      record.domains.reduce((sum, { tokens }) => sum + tokens, 0),
    );
  });

test("jsonl has one line a document with source, line, domain, scores and ids, and the text where a decoder is given", async () => {
  const dir = join(folder, "jsonl");
  const { streams } = await writeWholeFolder(join(dir, "shards"));
  const decode = (ids: Iterable<number>) => `${[...ids].length} ids`;
  for (const [name, with_] of [
    ["plain", {}],
    ["text", { decode }],
  ] as const) {
    await exportShards(join(dir, "shards"), { to: "jsonl", out: join(dir, name), ...with_ });
    const { ".headrace.json": _, ...files } = readFiles(join(dir, name));
    for (const domain of ["github", "book"]) {
      const lines = Object.entries(files)
        .filter(([path]) => path.startsWith(`${domain}/`))
        .flatMap(([, bytes]) => bytes.toString().trimEnd().split("\n"));
      assert.deepEqual(
        lines.map((line) => JSON.parse(line)),
        streams[`train/${domain}`]!.map(({ source, line, scores, tokens }) => ({
          source,
          line,
          domain,
          scores: { ads: Math.fround(scores[0]!), fluency: scores[1] },
          tokens,
          ...(name === "text" && { text: `${tokens.length} ids` }),
        })),
      );
    }
  }
});

for (const tokenType of ["uint16", "int32"] as const)
  test(`${tokenType}: pyarrow reads every document, empty ones too, from parquet of both versions and from Arrow streams`, {
    skip: pyarrow.missing,
  }, async () => {
    const dir = join(folder, `pyarrow-${tokenType}`);
    const { streams } = await writeWholeFolder(join(dir, "shards"), tokenType);
    assert.ok(streams["train/github"]!.some(({ tokens }) => tokens.length === 0));
    const versions: string[] = [];
    for (const form of ["parquet", "parquet 1", "arrow-stream"]) {
      const out = join(dir, form);
      await exportShards(join(dir, "shards"), { ...FORMS[form]!, out });
      for (const domain of ["github", "book"]) {
        const { rows, version } = readTables(join(out, domain));
        versions.push(version);
        assert.deepEqual(
          rows,
          streams[`train/${domain}`]!.map(({ tokens, source, line, scores }) => ({
            tokens,
            source,
            line,
            ads: Math.fround(scores[0]!),
            fluency: scores[1],
          })),
        );
      }
    }
    const list = tokenType === "uint16" ? "list<item: uint16>" : "list<item: int32>";
    const parquet = "list<element: int32 not null>";
    assert.deepEqual([...new Set(versions)], [`2.6 ${parquet}`, `1.0 ${parquet}`, `stream ${list}`]);
  });

test("split and domain choose what is exported; what is not there is named", async () => {
  const dir = join(folder, "choice");
  const { streams } = await writeWholeFolder(join(dir, "shards"));
  const report = await exportShards(join(dir, "shards"), {
    to: "jsonl",
    out: join(dir, "dropped"),
    split: "dropped",
  });
  assert.deepEqual(
    report.domains.map(({ name, documents }) => [name, documents]),
    [["github", streams["dropped/github"]!.length]],
  );
  const one = await exportShards(join(dir, "shards"), {
    to: "nanoset",
    out: join(dir, "book"),
    domains: ["book"],
  });
  assert.deepEqual(
    one.domains.map(({ name }) => name),
    ["book"],
  );
  await assert.rejects(
    exportShards(join(dir, "shards"), {
      to: "jsonl",
      out: join(dir, "x"),
      split: "dropped",
      domains: ["book"],
    }),
    { code: "ERR_DOMAIN", message: /domain "book" has no dropped shards in .*; it has github$/ },
  );
});

test("a folder that holds anything is refused and left alone", async () => {
  const dir = join(folder, "foreign");
  await writeWholeFolder(join(dir, "shards"));
  mkdirSync(join(dir, "out"));
  writeFileSync(join(dir, "out/mine.txt"), "mine");
  writeFileSync(join(dir, "file"), "");
  await assert.rejects(exportShards(join(dir, "shards"), { to: "jsonl", out: join(dir, "out") }), {
    code: "ERR_OUTPUT",
    message: /out is not empty \(mine\.txt\); delete it or choose another --out$/,
  });
  await assert.rejects(exportShards(join(dir, "shards"), { to: "jsonl", out: join(dir, "file") }), {
    code: "ERR_OUTPUT",
    message: /file cannot be used as a folder/,
  });
  assert.deepEqual(Object.keys(readFiles(join(dir, "out"))), ["mine.txt"]);
});

test("a shard that is not the manifest's ends the export, and nothing of it stays", async () => {
  const dir = join(folder, "damaged");
  const { manifest } = await writeWholeFolder(join(dir, "shards"));
  const [first, second] = manifest.shards.filter(
    ({ split, domain }) => split === "train" && domain === "github",
  );
  writeFileSync(join(dir, "shards", second!.path), readFileSync(join(dir, "shards", first!.path)));
  for (const [form, options] of Object.entries(FORMS))
    await assert.rejects(
      exportShards(join(dir, "shards"), { ...options, out: join(dir, "out") }),
      {
        code: "ERR_SHARD",
        message:
          /github\/00001\.arrow has another domain, split, token type or batches than the manifest says/,
      },
      form,
    );
  assert.deepEqual(readdirSync(dir), ["shards"]);
});

/** All rows of the tables in a folder, and the forms that pyarrow names. */
function readTables(dir: string): { readonly rows: readonly object[]; readonly version: string } {
  const script = `
import json, sys, pathlib, pyarrow as pa, pyarrow.parquet as pq
rows, forms = [], set()
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        table, form = file.read(), file.metadata.format_version
        assert {c.compression for g in range(file.metadata.num_row_groups) for c in [file.metadata.row_group(g).column(i) for i in range(file.metadata.num_columns)]} == {"SNAPPY"}
    else:
        table, form = pa.ipc.open_stream(path).read_all(), "stream"
    table.validate(full=True)
    rows += table.to_pylist()
    forms.add(f"{form} {table.schema.field('tokens').type}")
print(json.dumps({"rows": rows, "version": ", ".join(sorted(forms))}))`;
  const run = spawnSync(pyarrow.command, ["-c", script, dir], { encoding: "utf8", maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout);
}
