import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, readdirSync, readFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import type { Document } from "../../core/document.ts";
import { mix32 } from "../../core/random.ts";
import type { Incident, Quarantined } from "../../pipeline/incidents.ts";
import { build } from "../../pipeline/index.ts";
import type { InputFile } from "../../pipeline/inputs.ts";
import { scanFile } from "../../pipeline/scan.ts";
import { readSource } from "../../pipeline/source.ts";
import { rangesOf } from "../../pipeline/split.ts";
import { readManifest, readOrigin } from "../../shards/index.ts";
import { temporaryFolder } from "../support.ts";
import { lineOf, SET_NAMES, textOf, tree, writeFile } from "./corpus.ts";
import { formatOf, TABLES, tableBytes } from "./tables.ts";

const folder = temporaryFolder();
const CHECKED = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
let written = 0;

/** Writes bytes under a name of a format. */
function fileOf(bytes: Uint8Array, format: InputFile["format"]): InputFile {
  const source = `c4/${written++}.${format}`;
  const path = join(folder, source);
  writeFile(path, bytes);
  const { size, mtimeMs } = statSync(path);
  return { path, source, bytes: size, modified: mtimeMs, format };
}

/** Everything that files, or ranges of them, come to, one after another. */
async function read(files: readonly InputFile[]) {
  const documents: Document[] = [];
  const quarantined: Quarantined[] = [];
  const incidents: Incident[] = [];
  const bytes = { read: 0, unreadable: 0, total: 0 };
  for (const file of files)
    for await (const chunk of readSource(file, { maxDocumentBytes: 300 })) {
      documents.push(...chunk.documents);
      quarantined.push(...chunk.quarantined);
      incidents.push(...chunk.incidents);
      if (!chunk.account) continue;
      bytes.read += chunk.account.read;
      bytes.unreadable += chunk.account.unreadable;
      bytes.total += chunk.account.total;
    }
  return { documents, quarantined, incidents, bytes };
}

/** Lines good and bad, blank, long and with either line break. */
const line = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.string({ minLength: 1, maxLength: 60 }).map((text) => JSON.stringify({ text })),
  },
  fc.constantFrom("", "  ", "{", "[1]", `{"text": "${"long ".repeat(80)}"}`, '{"text": "\ud83d\ude00"}'),
);
const stream = fc
  .record({
    lines: fc.array(fc.tuple(line, fc.constantFrom("\n", "\n", "\r\n")), { minLength: 8, maxLength: 60 }),
    mark: fc.boolean(),
    ended: fc.boolean(),
  })
  .map(({ lines, mark, ended }) => {
    const text = lines.map(([content, end]) => content + end).join("");
    return Buffer.from(`${mark ? "\ufeff" : ""}${ended ? text : text.trimEnd()}`);
  })
  .filter((bytes) => bytes.length > 0);

test("the ranges of a plain file are the file", async () => {
  let cut = 0;
  await fc.assert(
    fc.asyncProperty(stream, fc.integer({ min: 1, max: 400 }), async (bytes, taskBytes) => {
      const file = fileOf(bytes, "jsonl");
      const scan = await scanFile(file, taskBytes);
      const ranges = rangesOf(file, scan);
      if (scan) {
        cut++;
        assert.equal(scan.sha256, createHash("sha256").update(bytes).digest("hex"));
        for (const { range } of ranges.slice(0, -1))
          assert.ok(range!.to.lineAt - range!.from.lineAt >= taskBytes, "a range is too short");
      }
      assert.deepEqual(await read(ranges), await read([file]));
    }),
    { numRuns: 150 },
  );
  assert.ok(cut > 60, `only ${cut} files were cut`);
});

test("the ranges of a zstd file are the file, wherever its frames begin", async () => {
  let cut = 0;
  await fc.assert(
    fc.asyncProperty(
      stream,
      fc.array(fc.integer({ min: 0, max: 4000 }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 400 }),
      fc.boolean(),
      async (bytes, places, taskBytes, skippable) => {
        const at = [
          0,
          ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b),
          bytes.length,
        ];
        const frames = at
          .slice(1)
          .flatMap((to, i) => [
            ...(skippable && i % 3 === 1 ? [Buffer.from("502a4d1803000000616263", "hex")] : []),
            zstdCompressSync(bytes.subarray(at[i], to), CHECKED),
          ]);
        const file = fileOf(Buffer.concat(frames), "jsonl.zst");
        const scan = await scanFile(file, taskBytes);
        if (scan) cut++;
        const whole = await read([file]);
        assert.deepEqual(await read(rangesOf(file, scan)), whole);
        assert.deepEqual(
          { ...whole, bytes: null },
          { ...(await read([{ ...fileOf(bytes, "jsonl"), source: file.source }])), bytes: null },
        );
      },
    ),
    { numRuns: 150 },
  );
  assert.ok(cut > 50, `only ${cut} files were cut`);
});

test("frames longer than what is decoded at a time are cut like short ones", async () => {
  const numbers = (i: number) => Array.from({ length: 12 }, (_, j) => mix32(12 * i + j)).join(" ");
  const lines = Array.from({ length: 20_000 }, (_, i) => lineOf(numbers(i), "RedPajamaC4"));
  const bytes = Buffer.from(lines.join(""));
  const third = Math.floor(bytes.length / 3);
  const frames = [0, 1, 2].map((i) =>
    zstdCompressSync(bytes.subarray(i * third, i === 2 ? bytes.length : (i + 1) * third), CHECKED),
  );
  assert.ok(frames.every(({ length }) => length > 256 * 1024));
  const file = fileOf(Buffer.concat(frames), "jsonl.zst");
  const scan = await scanFile(file, third - 1000);
  assert.equal(scan?.cuts.length, 4);
  assert.deepEqual(await read(rangesOf(file, scan)), await read([file]));
});

test("the ranges of a table are the table, damaged in a page or a batch or not at all", async () => {
  const names = readdirSync(TABLES).filter((name) => /\.(parquet|arrow)$/.test(name));
  const cut = { parquet: 0, arrow: 0 };
  let damaged = 0;
  for (const [n, name] of names.entries()) {
    const format = formatOf(name);
    for (let i = 0; i < 12; i++) {
      const bytes = Buffer.from(tableBytes(name));
      if (i % 3 > 0) bytes[mix32(i * 31 + n) % bytes.length]! ^= 1 << (i % 8);
      const file = fileOf(bytes, format);
      const scan = await scanFile(file, 1 + (mix32(i + 100 * n) % bytes.length));
      if (!scan) continue;
      cut[format]++;
      assert.equal(scan.sha256, createHash("sha256").update(bytes).digest("hex"));
      const whole = await read([file]);
      if (whole.incidents.length > 0) damaged++;
      assert.deepEqual(await read(rangesOf(file, scan)), whole, `${name} ${i}`);
    }
  }
  assert.ok(cut.parquet > 50 && cut.arrow > 20 && damaged > 20, JSON.stringify({ cut, damaged }));
});

test("a file with damage, of one frame, of other content than its name says, or that is not there is not cut", async () => {
  const lines = Array.from({ length: 50 }, (_, i) => JSON.stringify({ text: `${i}` })).join("\n");
  const frame = zstdCompressSync(lines, CHECKED);
  const broken = Buffer.from(frame);
  broken[broken.length - 1]! ^= 1;
  const html = Buffer.from(`<!doctype html>\n${lines}`);
  for (const file of [
    fileOf(frame, "jsonl.zst"),
    fileOf(Buffer.concat([frame, broken, frame]), "jsonl.zst"),
    fileOf(Buffer.concat([frame, frame]).subarray(0, -1), "jsonl.zst"),
    fileOf(Buffer.concat([frame, frame]), "jsonl"),
    fileOf(html, "jsonl"),
    { ...fileOf(Buffer.from(lines), "jsonl"), path: join(folder, "nowhere.jsonl") },
    { ...fileOf(Buffer.from(lines), "jsonl"), modified: 7 },
  ])
    assert.equal(await scanFile(file, 100), null, file.source);
});

test("a file that changes after the scan is an incident in every range that is read after that", async () => {
  const lines = Array.from({ length: 50 }, (_, i) => `${JSON.stringify({ text: `${i}` })}\n`).join("");
  const file = fileOf(Buffer.from(lines), "jsonl");
  const ranges = rangesOf(file, await scanFile(file, 200));
  const { documents } = await read(ranges.slice(0, 1));
  appendFileSync(file.path, "\n");
  const { incidents, bytes, ...rest } = await read(ranges.slice(1));
  assert.deepEqual(rest.documents, []);
  assert.ok(documents.length > 10);
  assert.equal(bytes.unreadable, bytes.total);
  assert.deepEqual(
    incidents,
    ranges.slice(1).map(({ range }) => ({
      source: file.source,
      byteFrom: range!.from.byte,
      byteTo: range!.to.byte,
      reason: "has changed since the build was planned; start again",
    })),
  );
});

test("the shards are the same bytes however big files are cut and small ones grouped, and every input is named once", async () => {
  const inputs = join(folder, "corpus");
  const linesOf = (seed: number, count: number) =>
    Array.from({ length: count }, (_, i) =>
      i % 23 === 7 ? `broken ${i}\n` : lineOf(textOf(seed * 1000 + i, 10 + (i % 50)), SET_NAMES[i % 7]!),
    );
  const frames = [1, 2, 3, 4, 5].map((seed) => linesOf(seed, 40).join(""));
  writeFile(join(inputs, "a/frames.jsonl.zst"), Buffer.concat(frames.map((text) => zstdCompressSync(text))));
  writeFile(join(inputs, "a/plain.jsonl"), linesOf(6, 300).join(""));
  const cut = zstdCompressSync(linesOf(7, 60).join(""), CHECKED);
  writeFile(join(inputs, "b/cut.jsonl.zst"), Buffer.concat([cut, cut.subarray(0, 900)]));
  for (const name of ["small-groups.parquet", "datasets.arrow"]) {
    const bytes = Buffer.from(tableBytes(name));
    bytes[bytes.length >> 1]! ^= 0xff;
    writeFile(join(inputs, "t", name), bytes);
  }
  for (let i = 0; i < 12; i++) writeFile(join(inputs, `b/small-${i}.jsonl`), linesOf(10 + i, 3 + i).join(""));
  const drop = "ads=0.5:documents";
  const whole = join(folder, "whole");
  await build({ inputs: [inputs], out: whole, drop, workers: 1, taskBytes: 1_000_000_000 });
  const expected = tree(whole);
  for (const [i, taskBytes] of [6000, 50_000].entries()) {
    const out = join(folder, `cut-${i}`);
    const report = await build({ inputs: [inputs], out, drop, workers: 2, taskBytes, sectionRecords: 37 });
    assert.deepEqual(tree(out), expected, `${taskBytes}`);
    assert.equal(report.bytes.read + report.bytes.unreadable, report.bytes.total);
  }
  const origin = await readOrigin(whole);
  assert.deepEqual(
    origin.inputs.map(({ source, sha256 }) => [source, sha256]),
    [...new Set(origin.inputs.map(({ source }) => source))].map((source) => [
      source,
      createHash("sha256")
        .update(readFileSync(join(inputs, source)))
        .digest("hex"),
    ]),
  );
  assert.equal(origin.inputs.length, 17);
});

test("one corpus as plain lines, gzip, one frame and many gives the same tokens", async () => {
  const lines = Array.from({ length: 400 }, (_, i) => lineOf(textOf(i, 10 + (i % 90)), SET_NAMES[i % 7]!));
  const text = lines.join("");
  const forms = {
    "x.jsonl": Buffer.from(text),
    "x.jsonl.gz": gzipSync(text),
    "one/x.jsonl.zst": zstdCompressSync(text),
    "many/x.jsonl.zst": Buffer.concat(
      Array.from({ length: 11 }, (_, i) => {
        const at = (k: number) => Math.floor((text.length * k) / 11);
        return zstdCompressSync(text.slice(at(i), at(i + 1)));
      }),
    ),
  };
  const seen = new Set<string>();
  for (const [name, bytes] of Object.entries(forms)) {
    const input = join(folder, "forms", name);
    writeFile(input, bytes);
    const out = join(folder, "of", name);
    const report = await build({ inputs: [input], out, workers: 2, taskBytes: 30_000, sectionRecords: 90 });
    assert.equal(report.kept + report.heldOut, 400);
    const { shards } = await readManifest(out);
    seen.add(
      JSON.stringify(
        shards.map(({ split, domain, documents, tokens }) => [split, domain, documents, tokens]),
      ),
    );
  }
  assert.equal(seen.size, 1);
});

test("an unfinished build of one file more reads the new file's task and a few others, and says how many it reused", async () => {
  const inputs = join(folder, "grown");
  const add = (name: string) =>
    writeFile(join(inputs, name), [1, 2, 3].map((i) => lineOf(textOf(i, 60), "RedPajamaC4")).join(""));
  for (let i = 0; i < 30; i++) add(`${100 + 2 * i}.jsonl`);
  const options = { inputs: [inputs], workers: 1, taskBytes: 3000 };
  const out = join(folder, "grown-out");
  await assert.rejects(
    build({
      ...options,
      out,
      // A file where the shards should go ends the build after the last task.
      onProgress: ({ phase }) => {
        if (phase === "read") writeFile(join(out, "train"), "");
      },
    }),
    { code: "ERR_OUTPUT" },
  );
  const tasks = readdirSync(join(out, ".build/tasks")).length;
  add("131.jsonl");
  const { reused } = await build({ ...options, out });
  assert.ok(tasks > 8 && reused! >= tasks - 3 && reused! < tasks, `${reused} of ${tasks}`);
  await build({ ...options, out: join(folder, "fresh") });
  assert.deepEqual(tree(out), tree(join(folder, "fresh")));
});

test("a scan is kept: a build that goes on scans nothing again, and a changed file is scanned anew", async () => {
  const input = join(folder, "kept/x.jsonl");
  writeFile(input, Array.from({ length: 300 }, (_, i) => lineOf(textOf(i, 30), "RedPajamaC4")).join(""));
  const out = join(folder, "scans");
  const scans = async (replace = false) => {
    let count = 0;
    const onProgress = ({ phase }: { readonly phase: string }) => {
      if (phase === "scan") count++;
    };
    await build({ inputs: [input], out, workers: 1, taskBytes: 9000, replace, onProgress });
    return count;
  };
  assert.equal(await scans(), 1);
  assert.equal(await scans(true), 0);
  utimesSync(input, 1, 1);
  assert.equal(await scans(true), 1);
});
