/**
 * What a build does again when something of it has changed. The tasks of an interrupted build are reused where nothing that could change what
 * they write has changed, the report says how many, and the bytes are those of a build that began with nothing.
 */
import assert from "node:assert/strict";
import { appendFileSync, cpSync, readdirSync, renameSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { domainName } from "../../core/domain.ts";
import { type BuildOptions, type BuildReport, build } from "../../pipeline/index.ts";
import { tree, writeCorpus } from "../pipeline/corpus.ts";
import { formFile } from "../pipeline/tokenizer/byte-level-forms.ts";
import { temporaryFolder } from "../support.ts";
import { run } from "./disturbed.ts";
import { PHASES } from "./disturbed-build.ts";

/** One file a task. */
const FILES = 4;
const folder = temporaryFolder();

const DROP = "gopher-repetition=0.3:documents";
const base = {
  tokenizer: formFile("smollm-2"),
  bos: false,
  eos: true,
  filters: ["gopher-repetition", "fineweb-quality"],
  workers: 1,
};

/** The same as words of the command. */
const WORDS = ["--tokenizer", base.tokenizer, "--no-bos", "--eos", "--filters", base.filters.join()];

/** What is changed of the options; undefined: it is left out. */
type Change = { readonly [name in keyof BuildOptions]?: BuildOptions[name] | undefined };

let builds = 0;

/** Builds `inputs` from nothing, or in a copy of an interrupted build. */
async function built(inputs: string, change: Change, from?: string): Promise<BuildReport> {
  const out = join(folder, `build-${builds++}`);
  if (from !== undefined) cpSync(join(folder, from), out, { recursive: true });
  const options = Object.entries({ ...base, ...change }).filter(([, value]) => value !== undefined);
  return build({
    ...(Object.fromEntries(options) as Change as BuildOptions),
    inputs: [join(folder, inputs)],
    out,
  });
}

/** A build that is killed when all its tasks are finished. */
async function interrupt(name: string, words: readonly string[]): Promise<void> {
  const out = join(folder, name);
  const ended = await run(["build", join(folder, "in"), "--out", out, "--workers", "1", ...WORDS, ...words], {
    fault: { root: out, pattern: PHASES.compaction.source, at: 1, act: "kill", log: `${out}.log` },
  });
  assert.equal(ended.status, null, ended.said);
  assert.equal(readdirSync(join(out, ".build/tasks")).length, FILES);
}

async function check(
  what: string,
  inputs: string,
  change: Change,
  from: string,
  reused: number,
): Promise<void> {
  const report = await built(inputs, change, from);
  assert.equal(report.reused, reused, what);
  if (reused === 0) return;
  const fresh = await built(inputs, change);
  assert.equal(fresh.reused, 0);
  assert.deepEqual(tree(report.out), tree(fresh.out), what);
}

before(async () => {
  writeCorpus(join(folder, "in"), FILES, 40);
  // Whole seconds, which a copy of a file keeps.
  for (let file = 0; file < FILES; file++) utimesSync(path("in", file), 1_700_000_000, 1_700_000_000);
  writeCorpus(join(folder, "holdout"), 1, 30);
  await interrupt("with-targets", ["--drop", DROP]);
  await interrupt("without", []);
  const made = readdirSync(join(folder, "with-targets/.build")).find((name) =>
    name.startsWith("calibration"),
  );
  cpSync(join(folder, "with-targets/.build", made!), join(folder, "calibration.json"));
  await interrupt("with-calibration", ["--calibration", join(folder, "calibration.json")]);
});

function path(name: string, file: number): string {
  return join(folder, name, `example_train_${file}.jsonl.zst`);
}

/** Changes of options; the number of tasks that can be reused after each. */
const OPTIONS: readonly (readonly [string, Change, number])[] = [
  ["nothing", {}, FILES],
  ["the number of workers", { workers: 3 }, FILES],
  ["where tasks commit", { sectionRecords: 7 }, FILES],
  ["the tokenizer", { tokenizer: formFile("gpt-2") }, 0],
  ["the special tokens", { specialTokens: "parse" }, 0],
  ["the EOS id", { eos: false }, 0],
  ["the filters", { filters: ["fineweb-quality", "gopher-repetition"] }, 0],
  ["a filter of one's own", { ownFilters: ["short=length:words:low"] }, 0],
  ["a threshold", { drop: "gopher-repetition=0.6:documents" }, 0],
  ["another filter's threshold", { drop: `${DROP},fineweb-quality=0.1:documents` }, 0],
  ["no thresholds", { drop: undefined }, 0],
  ["where the filters apply", { applyTo: { "gopher-repetition": [domainName("c4")] } }, 0],
  ["the documents to calibrate on", { calibrationDocuments: 40 }, 0],
  ["tagging only", { tagOnly: true }, 0],
  ["the dropped split", { keepDropped: false }, 0],
  ["the longest document", { source: { maxDocumentBytes: 500 } }, 0],
  ["the domains", { source: { domainMap: { RedPajamaC4: "commoncrawl" } } }, 0],
  ["the shard size", { shardBytes: 4000 }, FILES],
  ["the tokens held out", { validationTokens: 100 }, FILES],
  ["a given validation set", { validation: [join(folder, "holdout")] }, FILES],
];

/** Changes of the input of a build that drops nothing, or by a calibration that was given. */
const INPUTS: readonly (readonly [string, (name: string) => void, number])[] = [
  ["a file that was touched", (name) => utimesSync(path(name, 1), 1, 1), FILES - 1],
  ["a file that grew", (name) => appendFileSync(path(name, 3), "\n"), FILES - 1],
  ["a file that is new", (name) => cpSync(path(name, 0), path(name, 9)), FILES],
  ["a file that is gone", (name) => rmSync(path(name, 0)), FILES - 1],
  ["a file of another name", (name) => renameSync(path(name, 2), path(name, 5)), FILES - 1],
];

test("a change of options makes new tasks where it could change what they write, and the report says how many were reused", async () => {
  for (const [what, change, reused] of OPTIONS)
    await check(what, "in", { drop: DROP, ...change }, "with-targets", reused);
});

test("a change of the input makes new tasks of what changed alone, as long as the thresholds are the same", async () => {
  for (const [i, [what, alter, reused]] of INPUTS.entries()) {
    const changed = `changed-${i}`;
    cpSync(join(folder, "in"), join(folder, changed), { recursive: true, preserveTimestamps: true });
    alter(changed);
    await check(what, changed, {}, "without", reused);
    if (i === 0)
      await check(
        what,
        changed,
        { calibration: join(folder, "calibration.json") },
        "with-calibration",
        reused,
      );
  }
});

test("thresholds that are chosen on the input follow it: new ones make new tasks, the same ones do not", async () => {
  cpSync(join(folder, "in"), join(folder, "touched"), { recursive: true });
  await check("touched", "touched", { drop: DROP }, "with-targets", 0); // every file has another time of change
  cpSync(join(folder, "in"), join(folder, "one-less"), { recursive: true, preserveTimestamps: true });
  rmSync(path("one-less", 0));
  await check("one file less", "one-less", { drop: DROP }, "with-targets", 0);
  cpSync(join(folder, "in"), join(folder, "same"), { recursive: true, preserveTimestamps: true });
  utimesSync(path("same", 1), 1, 1);
  await check("the same text in a file that was touched", "same", { drop: DROP }, "with-targets", FILES - 1);
});
