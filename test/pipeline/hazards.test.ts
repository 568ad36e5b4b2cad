/**
 * Inputs that go wrong (fixtures/hazards), through the command: every good document around a hazard is kept, every bad one is named, and
 * the exit status says whether something could not be read.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import {
  exitStatus,
  type Hazard,
  ordinarily,
  readHazards,
  stageGood,
  stageHazard,
} from "../../fixtures/hazards/stage.ts";
import type { Incident, Quarantined } from "../../pipeline/incidents.ts";
import { type BuildReport, build, loadTokenizer } from "../../pipeline/index.ts";
import { openShard, readManifest } from "../../shards/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { tree } from "./corpus.ts";

const TOKENIZER = join(ROOT, "fixtures/tokenizer/byte-level/gpt-2.json");
const HEADRACE = join(ROOT, "scripts/headrace.ts");

const hazards = readHazards();
/** Builds outlive the hooks and tests that make them. */
const scratch = temporaryFolder();

interface Built {
  readonly out: string;
  readonly status: number | null;
  readonly report: BuildReport;
  /** `source:line text` of every kept document. */
  readonly kept: readonly string[];
  readonly quarantined: readonly Quarantined[];
  readonly incidents: readonly Incident[];
}

/** Builds a folder of hazards between good files, and checks what must hold of every build. */
async function buildOf(chosen: readonly Hazard[], workers: number): Promise<Built> {
  const folder = mkdtempSync(join(scratch, "build-"));
  const input = join(folder, "in/c4");
  const good = [
    ...stageGood(join(input, "0-good.jsonl")).map((text, i) => `c4/0-good.jsonl:${i + 1} ${text}`),
    ...stageGood(join(input, "zz-good.jsonl")).map((text, i) => `c4/zz-good.jsonl:${i + 1} ${text}`),
  ];
  for (const hazard of chosen) stageHazard(hazard, input);
  const out = join(folder, "out");
  const flags = [
    "--tokenizer",
    TOKENIZER,
    "--no-bos",
    "--validation-tokens",
    "0",
    "--workers",
    String(workers),
  ];
  const built = await headrace("build", join(folder, "in"), "--out", out, ...flags, "--json");
  assert.equal(built.said.match(/\bat .*\.ts:\d+/), null, built.said);
  const report = JSON.parse(built.out) as BuildReport;

  const { read, kept, heldOut, dropped, quarantined, incidents, bytes } = report;
  assert.equal(read, kept + heldOut + Object.values(dropped).reduce((a, b) => a + b, 0) + quarantined);
  assert.equal(bytes.read + bytes.unreadable, bytes.total);
  const verified = await headrace("verify", out, "--json");
  assert.deepEqual([verified.status, JSON.parse(verified.out).ok], [0, true], verified.said);

  const documents = await documentsOf(out);
  const result = {
    out,
    status: built.status,
    report,
    kept: documents.filter((document) => !good.includes(document)),
    quarantined: linesOf<Quarantined>(join(out, "quarantine.jsonl")),
    incidents: linesOf<Incident>(join(out, "incidents.jsonl")),
  };
  assert.deepEqual(
    documents.filter((document) => good.includes(document)),
    good,
    "a good file beside the hazards lost documents",
  );
  assert.deepEqual([result.quarantined.length, result.incidents.length], [quarantined, incidents]);
  return result;
}

/** Runs the command. */
async function headrace(...args: readonly string[]) {
  const [command, ...rest] = ordinarily(process.execPath, HEADRACE, ...args);
  const child = spawn(command!, rest, { stdio: ["ignore", "pipe", "pipe"] });
  const texts = [child.stdout, child.stderr].map(async (stream) => {
    stream.setEncoding("utf8");
    let text = "";
    for await (const part of stream) text += part;
    return text;
  });
  const status = await new Promise<number | null>((resolve, reject) =>
    child.on("error", reject).on("close", resolve),
  );
  const [out, said] = (await Promise.all(texts)) as [string, string];
  return { status, out, said };
}

/** `source:line text` of every document of the train split, from its tokens. */
async function documentsOf(out: string): Promise<readonly string[]> {
  const tokenizer = await loadTokenizer(TOKENIZER);
  const documents: string[] = [];
  for (const { path } of (await readManifest(out)).shards) {
    const reader = openShard(join(out, path));
    for (const i of reader.batches.keys()) {
      const { documents: count, offsets, tokens, sources, lines } = reader.readBatch(i);
      for (let d = 0; d < count; d++) {
        const text = tokenizer.decode(tokens.subarray(offsets[d], offsets[d + 1]));
        documents.push(`${reader.sources[sources[d]!]}:${lines[d]} ${text}`);
      }
    }
    reader.close();
  }
  return documents;
}

function linesOf<T>(path: string): readonly T[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** What became of a hazard's file, and what should have. */
function checkOutcome(hazard: Hazard, built: Built): void {
  const source = `c4/${hazard.file}`;
  const mine = built.kept.filter((document) => document.startsWith(`${source}:`));
  assert.deepEqual(
    mine,
    hazard.kept.map(({ line, text }) => `${source}:${line} ${text}`),
  );

  const records = built.quarantined.filter((record) => record.source === source);
  assert.deepEqual(
    records.map(({ line, reason }, i) => [line, startLike(reason, hazard.quarantined[i]?.reason)]),
    hazard.quarantined.map(({ line, reason }) => [line, reason]),
  );
  for (const [i, { byteFrom, byteTo }] of hazard.quarantined.entries())
    if (byteFrom !== null) assert.deepEqual([records[i]!.byteFrom, records[i]!.byteTo], [byteFrom, byteTo]);

  const incidents = built.incidents.filter((incident) => incident.source === source);
  assert.deepEqual(
    incidents.map(({ byteFrom, byteTo, reason }, i) => ({
      byteFrom,
      byteTo,
      reason: startLike(reason, hazard.incidents[i]?.reason),
    })),
    hazard.incidents,
  );

  const skipped = built.report.skipped.find((skipped) => skipped.source === source);
  assert.equal(startLike(skipped?.reason, hazard.skipped), hazard.skipped ?? undefined);
  const notice = built.report.notices.find((notice) => notice.startsWith(`${source} `))?.slice("c4/".length);
  assert.equal(startLike(notice, hazard.notice), hazard.notice ?? undefined);
}

/** As much of a text as `start` has, where that is what it starts with; else all of it. */
function startLike<T extends string | undefined>(text: T, start: string | null | undefined): T | string {
  return start != null && text?.startsWith(start) ? start : text;
}

describe("all hazards in one build, two workers", () => {
  let all: Built;
  before(async () => {
    all = await buildOf(hazards, 2);
  });

  for (const hazard of hazards)
    test(`${hazard.file}: ${hazard.holds}`, () => {
      checkOutcome(hazard, all);
    });

  test("one worker writes the same bytes", async () => {
    const one = await buildOf(hazards, 1);
    assert.deepEqual(tree(one.out), tree(all.out));
  });

  test("nothing else is kept, set aside or reported, and the exit status is 3", () => {
    const sum = (of: (hazard: Hazard) => readonly unknown[]) =>
      hazards.reduce((total, hazard) => total + of(hazard).length, 0);
    assert.deepEqual(
      [all.kept.length, all.quarantined.length, all.incidents.length],
      [sum(({ kept }) => kept), sum(({ quarantined }) => quarantined), sum(({ incidents }) => incidents)],
    );
    assert.equal(all.status, 3);
  });
});

test("the hazards that lose no bytes end with status 0, all together", async () => {
  const harmless = hazards.filter((hazard) => exitStatus(hazard) === 0);
  const built = await buildOf(harmless, 1);
  for (const hazard of harmless) checkOutcome(hazard, built);
  assert.equal(built.status, 0);
});

test("a document longer than --max-document-bytes is set aside with its length, whatever it holds", async () => {
  const folder = temporaryFolder();
  const input = join(folder, "in/c4");
  stageGood(join(input, "a.jsonl"));
  const { length } = readFileSync(join(input, "a.jsonl"));
  const lines = `{"text":"${"x".repeat(100)}"}\n${"[".repeat(111)}\n{"text":"${"x".repeat(99)}"}\n`;
  appendFileSync(join(input, "a.jsonl"), lines);
  const out = join(folder, "out");
  const flags = ["--tokenizer", TOKENIZER, "--no-bos", "--validation-tokens", "0", "--workers", "1"];
  const built = await headrace(
    "build",
    join(folder, "in"),
    "--out",
    out,
    ...flags,
    "--max-document-bytes",
    "110",
  );
  assert.equal(built.status, 0, built.said);
  const tooLong = {
    source: "c4/a.jsonl",
    reason: "too-long: the line has 111 bytes, more than the 110 allowed",
  };
  assert.deepEqual(linesOf(join(out, "quarantine.jsonl")), [
    { ...tooLong, line: 4, byteFrom: length, byteTo: length + 111, domain: "c4" },
    { ...tooLong, line: 5, byteFrom: length + 112, byteTo: length + 223, domain: "c4" },
  ]);
  assert.equal((await documentsOf(out)).at(-1), `c4/a.jsonl:6 ${"x".repeat(99)}`);
});

test("files that change after the build was planned are named, and what is left of them is kept", async () => {
  const folder = temporaryFolder();
  const input = join(folder, "in/c4");
  const [good, cut, gone, grown] = ["0-good", "cut", "gone", "grown"].map((name) =>
    join(input, `${name}.jsonl`),
  );
  for (const path of [good!, cut!, gone!, grown!]) stageGood(path);
  const [cutBytes, grownBytes, goneBytes] = [cut!, grown!, gone!].map((path) => readFileSync(path).length);
  let changed = false;
  const report = await build({
    inputs: [join(folder, "in")],
    out: join(folder, "out"),
    drop: "ads=0:documents",
    validationTokens: 0,
    workers: 1,
    // The calibration reads in this thread, after the plan and before the tasks.
    onProgress: ({ phase }) => {
      if (phase !== "calibrate" || changed) return;
      changed = true;
      truncateSync(cut!, cutBytes! - 10);
      rmSync(gone!);
      appendFileSync(grown!, '{"text":"added"}\n');
    },
  });
  const changeOf = (from: number, to: number) =>
    `had ${from} bytes when the build was planned and has ${to} now; start again`;
  assert.deepEqual(
    linesOf<Incident>(join(folder, "out/incidents.jsonl")).map(({ source, byteFrom, byteTo, reason }) => [
      source,
      byteFrom,
      byteTo,
      reason,
    ]),
    [
      ["c4/cut.jsonl", cutBytes! - 10, cutBytes, changeOf(cutBytes!, cutBytes! - 10)],
      ["c4/gone.jsonl", 0, goneBytes, "does not exist; check the path"],
      ["c4/grown.jsonl", grownBytes, grownBytes, changeOf(grownBytes!, grownBytes! + 17)],
    ],
  );
  assert.deepEqual([report.read, report.kept, report.quarantined], [9, 8, 1]);
  assert.equal(report.bytes.read + report.bytes.unreadable, report.bytes.total);
});

test("a folder that cannot be listed ends the build before anything is read, with status 1", async () => {
  const folder = temporaryFolder();
  stageGood(join(folder, "in/c4/a.jsonl"));
  const closed = join(folder, "in/closed");
  mkdirSync(closed, { mode: 0o000 });
  const built = await headrace("build", join(folder, "in"), "--out", join(folder, "out"));
  chmodSync(closed, 0o700);
  assert.equal(built.status, 1);
  assert.match(
    built.said,
    /^headrace: folder .*closed cannot be read: EACCES: .*; permit it or leave it out {2}\[ERR_INPUT\]\n$/,
  );
});
