import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { type Curator, openCurator } from "../../pipeline/curator.ts";
import { build } from "../../pipeline/index.ts";
import { planInputs } from "../../pipeline/inputs.ts";
import { planTasks, type Task } from "../../pipeline/plan.ts";
import { runTask } from "../../pipeline/task.ts";
import { sectionFolder, taskFolder } from "../../pipeline/task-folder.ts";
import { parseSectionManifest, type TaskManifest } from "../../pipeline/task-manifest.ts";
import { openScores } from "../../shards/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { lineOf, SET_NAMES, textOf, tree, writeFile } from "./corpus.ts";
import { tableBytes } from "./tables.ts";

const folder = temporaryFolder();
const corpus = join(folder, "in");
let curator: Curator;

/** Documents with broken records, blank lines and a lone surrogate between them. */
function linesOf(seed: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    if (i % 11 === 5) return "\n";
    if (i % 13 === 4) return `{"text": broken ${i}\n`;
    const text = textOf(seed * 1000 + i, 5 + (i % 40));
    return lineOf(i % 17 === 3 ? `${text} \ud800` : text, SET_NAMES[(seed + i) % 7]!);
  });
}

before(async () => {
  const whole = linesOf(1, 120).join("");
  const cut = zstdCompressSync(linesOf(2, 100).join(""));
  writeFile(join(corpus, "a.jsonl"), whole);
  writeFile(join(corpus, "b.jsonl.zst"), cut.subarray(0, cut.length - 20));
  // A frame that is damaged in the middle of the file: the one after it is read again.
  const checked = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
  const frames = [3, 4, 5].map((seed) => zstdCompressSync(linesOf(seed, 40).join(""), checked));
  frames[1]![frames[1]!.length >> 1]! ^= 0xff;
  writeFile(join(corpus, "c.jsonl.zst"), Buffer.concat(frames));
  writeFile(join(corpus, "d.jsonl.gz"), gzipSync(linesOf(6, 90).join("")));
  writeFile(join(corpus, "e.jsonl"), "\n\n");
  for (const name of ["small-groups.parquet", "datasets.arrow"]) {
    const bytes = Buffer.from(tableBytes(name));
    bytes[bytes.length >> 1]! ^= 0xff;
    writeFile(join(corpus, name), bytes);
  }
  curator = await openCurator({
    tokenizer: "llama-2",
    engine: "headrace",
    specialTokens: "spell",
    bos: true,
    eos: false,
    filters: ["ads"],
    calibration: null,
    tagOnly: false,
    scoreFields: [],
  });
});

/** All files of the corpus as one task. */
async function wholeTask(): Promise<Task> {
  const { files } = await planInputs([corpus]);
  const [task] = planTasks([{ role: "train", files }], {});
  return { ...task!, files };
}

function run(task: Task, buildFolder: string, sectionRecords: number): Promise<TaskManifest> {
  return runTask(task, { buildFolder, curator, source: {}, keepDropped: true, sectionRecords });
}

/** Everything that a task wrote, whatever the sections. */
function outputOf(buildFolder: string, { key, sections, inputs, account, loneSurrogates }: TaskManifest) {
  const folders = sections.map((_, i) => sectionFolder(buildFolder, key, i));
  const lines = (name: string) => folders.map((one) => readFileSync(join(one, name), "utf8")).join("");
  const rows = folders.flatMap((one) => {
    const reader = openScores(join(one, "scores.arrow"));
    const read = reader.batches.flatMap((_, b) => {
      const { documents, sources, lines, tokens, hashes } = reader.readBatch(b);
      return Array.from({ length: documents }, (_, i) => [
        reader.sources[sources[i]!],
        lines[i],
        tokens[i],
        hashes![i],
      ]);
    });
    reader.close();
    return read;
  });
  return {
    inputs,
    account,
    loneSurrogates,
    quarantine: lines("quarantine.jsonl"),
    incidents: lines("incidents.jsonl"),
    rows,
  };
}

test("a task in any sections, and taken up again after any of them with sections of any other size, writes what one section does", async () => {
  const task = await wholeTask();
  const once = join(folder, "once");
  const expected = outputOf(once, await run(task, once, 1_000_000));
  assert.ok(expected.account.incidents >= 2 && expected.account.quarantined >= 20, "too little went wrong");
  assert.ok(expected.loneSurrogates >= 10);
  assert.equal(expected.inputs.length, 7);
  let at = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 10, max: 600 }),
      fc.integer({ min: 10, max: 600 }),
      fc.nat(),
      async (first, second, keep) => {
        const scratch = join(folder, `sections-${at++}`);
        const whole = await run(task, scratch, first);
        assert.deepEqual(outputOf(scratch, whole), expected);
        const records = expected.account.read;
        assert.equal(whole.sections.length, Math.ceil(records / first));
        // As a kill leaves it: some sections, the next one half-written, no task manifest.
        rmSync(join(taskFolder(scratch, task.key), "task.json"));
        const kept = keep % whole.sections.length;
        rmSync(join(sectionFolder(scratch, task.key, kept), "section.json"));
        const untouched = statSync(sectionFolder(scratch, task.key, 0)).ino;
        const again = await run(task, scratch, second);
        assert.deepEqual(outputOf(scratch, again), expected);
        if (kept > 0) assert.equal(statSync(sectionFolder(scratch, task.key, 0)).ino, untouched);
        assert.equal(again.sections.length, kept + Math.ceil((records - kept * first) / second));
        rmSync(scratch, { recursive: true });
      },
    ),
    { numRuns: 10 },
  );
});

test("a section whose file is missing or cut is written again, and one that follows on nothing is not used", async () => {
  const task = await wholeTask();
  const scratch = join(folder, "torn");
  const expected = outputOf(scratch, await run(task, scratch, 50));
  for (const harm of ["00002/scores.arrow", "00000/kept/c4.arrow", "00001/section.json"]) {
    rmSync(join(taskFolder(scratch, task.key), "task.json"));
    rmSync(join(taskFolder(scratch, task.key), harm));
    // Sections of another size before the old ones: those do not follow.
    assert.deepEqual(outputOf(scratch, await run(task, scratch, 33)), expected);
  }
});

test("killed in the middle of one big file, a build goes on after the sections it committed, says so, and ends in the same bytes", async () => {
  const lines = Array.from({ length: 6000 }, (_, i) =>
    lineOf(textOf(i, 40 + (i % 100)), SET_NAMES[i % 7]!),
  ).join("");
  const input = join(folder, "big/big.jsonl.zst");
  writeFile(input, zstdCompressSync(lines));
  const undisturbed = join(folder, "undisturbed");
  const drop = "ads=0.5:documents";
  assert.equal((await build({ inputs: [input], out: undisturbed, drop, workers: 1 })).resumed, 0);
  const out = join(folder, "killed");
  const tasks = join(out, ".build/tasks");
  const committed = () =>
    (existsSync(tasks) ? readdirSync(tasks) : []).flatMap((task) =>
      readdirSync(join(tasks, task)).filter((section) =>
        existsSync(join(tasks, task, section, "section.json")),
      ),
    ).length;
  const child = spawn(
    process.execPath,
    [
      ...[join(ROOT, "scripts/headrace.ts"), "build", input, "--out", out, "--drop", drop],
      ...["--section-records", "350"],
    ],
    { stdio: "ignore" },
  );
  const ended = once(child, "exit");
  while (child.exitCode === null && committed() < 4) await sleep(1);
  child.kill("SIGKILL");
  await ended;
  const before = committed();
  const report = await build({ inputs: [input], out, drop, workers: 1, sectionRecords: 350 });
  assert.equal(report.resumed, before);
  assert.ok(before >= 4 && before < 17, `${before} sections`);
  assert.deepEqual(tree(out), tree(undisturbed));
  const [key] = readdirSync(tasks);
  const froms = Array.from(
    { length: 18 },
    (_, i) =>
      parseSectionManifest(
        readFileSync(join(tasks, key!, String(i).padStart(5, "0"), "section.json"), "utf8"),
        "",
      ).from.line,
  );
  assert.deepEqual(
    froms,
    froms.map((_, i) => 1 + 350 * i),
    "cuts fall at fixed counts, whenever it was killed",
  );
});
