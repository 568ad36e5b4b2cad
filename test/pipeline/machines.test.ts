import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  build,
  buildShard,
  finishBuild,
  ledgerSummary,
  parseBuildShard,
  refilter,
} from "../../pipeline/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { lineOf, SET_NAMES, textOf, tree, writeCorpus, writeFile } from "./corpus.ts";

const DROP = "ads=0.5:documents,fluency=0.15:documents";
const scratch = temporaryFolder();
const corpus = join(scratch, "in");
writeCorpus(corpus, 7, 60);
const options = { inputs: [corpus], drop: DROP, workers: 1 };
const alone = await build({ ...options, out: join(scratch, "alone") });
const expected = tree(join(scratch, "alone"));

function headrace(
  out: string,
  ...flags: readonly string[]
): ChildProcess & { said: string; printed: string } {
  const child = Object.assign(
    spawn(process.execPath, [
      join(ROOT, "scripts/headrace.ts"),
      ...["build", corpus, "--out", out, "--drop", DROP, "--workers", "1", "--json", ...flags],
    ]),
    { said: "", printed: "" },
  );
  child.stderr.setEncoding("utf8").on("data", (text: string) => (child.said += text));
  child.stdout.setEncoding("utf8").on("data", (text: string) => (child.printed += text));
  return child;
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "close");
  return child.exitCode;
}

/** Runs shards in this process, one after the other. */
async function runShards(out: string, count: number, only?: readonly number[]): Promise<void> {
  for (let index = 1; index <= count; index++)
    if (!only || only.includes(index)) await buildShard({ ...options, out }, { index, count });
}

test("three machines at once and a finish give the bytes and the report of one machine", {
  timeout: 120_000,
}, async () => {
  const out = join(scratch, "three");
  const shards = [1, 2, 3].map((index) => headrace(out, "--shard", `${index}/3`));
  assert.deepEqual(await Promise.all(shards.map(ended)), [0, 0, 0], shards.map(({ said }) => said).join(""));
  const reports = shards.map(({ printed }) => JSON.parse(printed));
  assert.deepEqual(
    reports.map(({ shard, tasks }) => [shard, tasks]),
    [
      ["1/3", 3],
      ["2/3", 2],
      ["3/3", 2],
    ],
  );
  const sum = (of: (report: (typeof reports)[number]) => number) => reports.reduce((n, r) => n + of(r), 0);
  assert.deepEqual(
    [sum((r) => r.read), sum((r) => r.dropped.ads), sum((r) => r.kept), sum((r) => r.bytes.total)],
    [alone.read, alone.dropped["ads"], alone.kept + alone.heldOut, alone.bytes.total],
  );
  const made = readdirSync(join(out, ".build"));
  assert.equal(made.filter((name) => name.startsWith("calibration-")).length, 1);
  assert.deepEqual(
    made.filter((name) => /lock|sqlite|tmp/.test(name)),
    [],
    "no lock is left, and no database was made",
  );

  const finish = headrace(out, "--finish");
  assert.equal(await ended(finish), 0, finish.said);
  assert.deepEqual(tree(out), expected);
  const { seconds: _s, reused, out: _o, ...report } = JSON.parse(finish.printed);
  const { seconds: _t, reused: __, out: _p, ...one } = JSON.parse(JSON.stringify(alone));
  assert.deepEqual(report, one);
  assert.equal(reused, 7);
  assert.deepEqual(
    ledgerSummary(join(out, ".build")),
    ledgerSummary(join(scratch, "alone/.build")),
    "the ledger is that of one machine",
  );
  const late = await buildShard({ ...options, out }, { index: 2, count: 3 });
  assert.deepEqual([late.reused, late.read], [null, reports[1].read]);
  assert.equal((await build({ ...options, out })).reused, null);
});

test("a shard that was killed is run again alone, and a finish before that names it with its command", {
  timeout: 120_000,
}, async () => {
  const out = join(scratch, "killed");
  const folder = join(out, ".build/tasks");
  const doomed = headrace(out, "--shard", "1/2");
  const begun = () => existsSync(folder) && readdirSync(folder).length > 0;
  while (doomed.exitCode === null && !begun()) await sleep(2);
  doomed.kill("SIGKILL");
  await ended(doomed);
  await runShards(out, 2, [2]);
  const early = headrace(out, "--finish");
  assert.equal(await ended(early), 1);
  assert.equal(early.printed, "");
  const lines = early.said.trim().split("\n");
  assert.match(
    lines[0]!,
    new RegExp(
      `^missing: headrace build ${corpus} --out ${out} --drop ${DROP} .* --shard 1/2  # [1-4] tasks$`,
    ),
  );
  assert.match(
    lines[1]!,
    /lacks [1-4] of 7 tasks: run shard 1\/2 \(the same command with --shard instead of --finish\), then --finish again {2}\[ERR_OUTPUT\]$/,
  );
  assert.equal(existsSync(join(out, "manifest.json")), false);
  const again = await buildShard({ ...options, out }, { index: 1, count: 2 });
  assert.equal(again.tasks, 4);
  await finishBuild({ ...options, out });
  assert.deepEqual(tree(out), expected);
});

test("a finish before anything, before any calibration, and twice at once", async () => {
  const out = join(scratch, "early");
  await assert.rejects(finishBuild({ ...options, out }), {
    code: "ERR_OUTPUT",
    message: `${out} holds no build to finish; run the same command with --shard 1/N to N/N instead of --finish first`,
    missing: [],
  });
  assert.equal(existsSync(out), false);
  await runShards(out, 2);
  const calibration = readdirSync(join(out, ".build")).find((name) => name.startsWith("calibration-"))!;
  const bytes = readFileSync(join(out, ".build", calibration));
  assert.deepEqual(bytes, readFileSync(join(scratch, "alone/calibration.json")));
  rmSync(join(out, ".build", calibration));
  await assert.rejects(finishBuild({ ...options, out }), {
    message: /lacks its calibration and all tasks: run shard 1\/2, 2\/2 \(/,
    missing: [1, 2].map((index) => ({ index, count: 2, tasks: null, holder: null })),
  });
  writeFileSync(join(out, ".build", calibration), bytes);
  const two = await Promise.allSettled([finishBuild({ ...options, out }), finishBuild({ ...options, out })]);
  assert.ok(
    two.every(
      (one) => one.status === "fulfilled" || /^ERR_LOCKED$/.test((one.reason as { code: string }).code),
    ),
    JSON.stringify(two),
  );
  assert.ok(two.some(({ status }) => status === "fulfilled"));
  assert.deepEqual(tree(out), expected);
});

test("a machine with other options, another cut or another version is refused by name, and nothing is lost", async () => {
  const out = join(scratch, "options");
  await runShards(out, 3, [1]);
  const before = readFileSync(join(out, ".build/build.json"), "utf8");
  await assert.rejects(buildShard({ ...options, out, drop: "ads=0.3:documents" }, { index: 2, count: 3 }), {
    code: "ERR_OUTPUT",
    message: `${out} was begun by another build: drop.targets is "ads=0.3:documents" here and "${DROP}" there; give every machine the same options, choose another --out, or remove the folder`,
  });
  await assert.rejects(finishBuild({ ...options, out, eos: true, shardBytes: 1000 }), {
    message: /tokenizer\.eos is true here and false there; shardBytes is 1000 here and 512000000 there; /,
  });
  writeFileSync(join(out, ".build/build.json"), before.replace(/"version":\d+/, '"version":0'));
  await assert.rejects(buildShard({ ...options, out }, { index: 2, count: 3 }), {
    message: /the version of headrace's tasks is \d+ here and 0 there/,
  });
  writeFileSync(join(out, ".build/build.json"), before);
  const lock = join(out, ".build/shard-2-of-3.lock");
  writeFileSync(lock, JSON.stringify({ pid: process.ppid, host: "elsewhere", started: null }));
  await assert.rejects(buildShard({ ...options, out }, { index: 1, count: 2 }), {
    code: "ERR_LOCKED",
    message: /is cut into 3 shards now, of which process \d+ on elsewhere runs 2\/3; give --shard i\/3/,
  });
  await assert.rejects(buildShard({ ...options, out }, { index: 2, count: 3 }), {
    code: "ERR_LOCKED",
    message: /shard-2-of-3\.lock is held by process \d+ on elsewhere/,
  });
  await assert.rejects(build({ ...options, out }), {
    code: "ERR_LOCKED",
    message: /shard-2-of-3\.lock is held by process \d+ on elsewhere/,
  });
  await assert.rejects(
    refilter({ from: join(scratch, "alone"), out, drop: "ads=0.3:documents" }),
    { code: "ERR_LOCKED" },
    "nor does a build from shards take the folder away",
  );
  rmSync(lock);
  assert.equal(readFileSync(join(out, ".build/build.json"), "utf8"), before);
  // With no shard under way the rest may be cut otherwise: what is there is there.
  await runShards(out, 2);
  const report = await finishBuild({ ...options, out });
  assert.equal(report.reused, 7);
  assert.deepEqual(tree(out), expected);
});

test("a machine that sees other files is refused by the first that differs; rounded times are the same times", async () => {
  const out = join(scratch, "inputs");
  await runShards(out, 2, [1]);
  const copy = join(scratch, "copy");
  const fresh = () => {
    rmSync(copy, { recursive: true, force: true });
    cpSync(corpus, copy, { recursive: true, preserveTimestamps: true });
  };
  const second = () => buildShard({ ...options, inputs: [copy], out }, { index: 2, count: 2 });
  const name = "example_train_3.jsonl.zst";
  const { size, mtimeMs } = statSync(join(corpus, name));
  for (const [change, message] of [
    [
      () => appendFileSync(join(copy, name), "x"),
      `${name} has ${size + 1} bytes here and had ${size} bytes there; give every machine the same input`,
    ],
    [() => rmSync(join(copy, name)), `${name} is not here and was there; give every machine the same input`],
    [
      () => cpSync(join(copy, name), join(copy, "other.jsonl.zst")),
      "other.jsonl.zst is here and was not there; give every machine the same input",
    ],
    [
      () => utimesSync(join(copy, name), 1, 1),
      `${name} was changed at 1970-01-01T00:00:01.000Z here and at ${new Date(mtimeMs).toISOString()} there; a copy must keep the times (cp -p, rsync -t), and a file that was changed needs a build of its own`,
    ],
  ] as const) {
    fresh();
    change();
    await assert.rejects(second(), {
      code: "ERR_INPUT",
      message: `the input is not that of the machine that began this build: ${message}`,
    });
  }
  fresh();
  for (const file of readdirSync(copy)) {
    const seconds = Math.floor(statSync(join(copy, file)).mtimeMs / 1000);
    utimesSync(join(copy, file), seconds, seconds);
  }
  await second();
  await finishBuild({ ...options, inputs: [copy], out });
  assert.deepEqual(tree(out), expected);
});

test("what a dead machine holds is taken over after its silence, with a message, and a live one is not", async () => {
  const out = join(scratch, "silent");
  await runShards(out, 2);
  const lock = join(out, ".build/shard-2-of-2.lock");
  const dead = JSON.stringify({ pid: 1, host: "node7", started: "1", everySeconds: 10, place: "elsewhere" });
  const notes: string[] = [];
  const quick = {
    ...options,
    out,
    lockSilenceSeconds: 0.4,
    onNote: (sentence: string) => void notes.push(sentence),
  };
  writeFileSync(lock, dead);
  const beating = setInterval(() => utimesSync(lock, new Date(), new Date()), 50);
  await assert.rejects(finishBuild(quick), {
    code: "ERR_LOCKED",
    message: `${lock} is held by process 1 on node7; wait for it to end, or remove the file if it has`,
  });
  clearInterval(beating);
  notes.length = 0;
  await finishBuild(quick);
  assert.deepEqual(notes, [
    `${lock} is held by process 1 on node7; unless it gives a sign of life within 0.4 s it is taken over`,
    `${lock} was held by process 1 on node7, which has given no sign of life for 0.4 s; it is taken over`,
  ]);
  assert.deepEqual(tree(out), expected);
});

test("two machines that make the calibration at once end with one file, and one that makes another stops", async () => {
  const out = join(scratch, "calibrating");
  const shards = await Promise.all(
    [1, 2].map((index) => buildShard({ ...options, out }, { index, count: 2 })),
  );
  assert.deepEqual(
    shards.map(({ reused }) => reused),
    [0, 0],
  );
  const folder = join(out, ".build");
  const [name, ...others] = readdirSync(folder).filter((file) => file.startsWith("calibration-"));
  assert.deepEqual(others, []);
  const foreign = join(scratch, "foreign");
  const known = readFileSync(join(folder, name!), "utf8");
  // Another machine's file comes to lie there while this one calibrates.
  const onProgress = () => {
    if (!existsSync(join(foreign, ".build", name!)))
      writeFileSync(join(foreign, ".build", name!), known.replace(/"threshold": (-?\d+)/, '"threshold": 1'));
  };
  await assert.rejects(buildShard({ ...options, out: foreign, onProgress }, { index: 1, count: 2 }), {
    code: "ERR_CALIBRATION",
    message: /is not what this machine makes of the same input; run the same version of headrace and of Node/,
  });
});

test("one machine that takes an unfinished build with other options says what differs, and reuses what is the same", async () => {
  const out = join(scratch, "taken");
  await runShards(out, 2, [1]);
  const notes: string[] = [];
  const onNote = (sentence: string) => void notes.push(sentence);
  const other = await build({ ...options, out, drop: "ads=0.3:documents", onNote });
  assert.deepEqual(
    [other.reused, notes],
    [
      0,
      [
        `${out} held an unfinished build with other options or inputs (drop); only tasks that are the same are reused`,
      ],
    ],
  );
  // Options of the compaction change no task, nor the calibration.
  const mine = join(scratch, "mine");
  const compacted = { shardBytes: 20_000, validationTokens: 0 };
  await runShards(mine, 2, [1]);
  notes.length = 0;
  const small = await build({ ...options, ...compacted, out: mine, onNote });
  assert.deepEqual(
    [small.reused, notes],
    [
      4,
      [
        `${mine} held an unfinished build with other options or inputs (shardBytes, validation); only tasks that are the same are reused`,
      ],
    ],
  );
  await build({ ...options, ...compacted, out: join(scratch, "small") });
  assert.deepEqual(tree(mine), tree(join(scratch, "small")));
});

test("big files are scanned once for all machines, and cut where each of them cuts", async () => {
  const big = join(scratch, "big");
  for (const name of ["a", "b", "c"])
    writeFile(
      join(big, `${name}.jsonl`),
      Array.from({ length: 120 }, (_, i) => lineOf(textOf(i, 60), SET_NAMES[i % 7]!)).join(""),
    );
  const cut = { inputs: [big], workers: 1, taskBytes: 20_000 };
  await build({ ...cut, out: join(scratch, "big-alone") });
  const out = join(scratch, "big-shards");
  const { tasks } = await buildShard({ ...cut, out }, { index: 1, count: 3 });
  assert.ok(tasks >= 2, `${tasks} tasks`);
  await assert.rejects(
    buildShard({ ...cut, out, taskBytes: 30_000 }, { index: 2, count: 3 }),
    /was begun by another build: task-size is 30000 here and 20000 there; /,
  );
  const scans = join(out, ".build/scans");
  const kept = readdirSync(scans);
  assert.equal(kept.length, 3);
  const lost = readFileSync(join(scans, kept[0]!));
  rmSync(join(scans, kept[0]!));
  await assert.rejects(
    finishBuild({ ...cut, out }),
    /lacks the scans of its big files and all tasks: run shard 1\/3, 2\/3, 3\/3 \(/,
  );
  await Promise.all([2, 3].map((index) => buildShard({ ...cut, out }, { index, count: 3 })));
  assert.deepEqual(readFileSync(join(scans, kept[0]!)), lost);
  await finishBuild({ ...cut, out });
  assert.deepEqual(tree(out), tree(join(scratch, "big-alone")));
});

test("more shards than tasks: an idle one calibrates, does nothing and says so", async () => {
  const out = join(scratch, "many");
  const idle = await buildShard({ ...options, out }, { index: 9, count: 9 });
  assert.deepEqual([idle.tasks, idle.read, idle.reused], [0, 0, 0]);
});

test("bad values of --shard, and flags that contradict it, are refused", async () => {
  for (const value of ["0/3", "4/3", "1", "1/0", "a/b", "1/3/5", "-1/3", "1.5/3", "", "1/9999999999"])
    assert.throws(() => parseBuildShard(value), {
      code: "ERR_ARGUMENT",
      message: /^--shard is ".*"; write i\/N with i from 1 to N, such as --shard 1\/\d+$/,
    });
  assert.deepEqual(parseBuildShard("3/3"), { index: 3, count: 3 });
  const out = join(scratch, "none");
  const replacing = { ...options, out, replace: true };
  await assert.rejects(
    buildShard(replacing, { index: 1, count: 2 }),
    /--replace was given with --shard, where/,
  );
  await assert.rejects(finishBuild(replacing), /--replace was given with --finish, where it would take/);
  const refused = async (...flags: readonly string[]) => {
    const child = headrace(out, ...flags);
    assert.equal(await ended(child), 2, child.said);
    return child.said;
  };
  assert.match(
    await refused("--shard", "0/2"),
    /^headrace: --shard is "0\/2"; write i\/N .*\[ERR_ARGUMENT\]\n$/,
  );
  assert.match(
    await refused("--shard", "1/2", "--finish"),
    /--shard and --finish were both given; run every/,
  );
  assert.match(
    await refused("--finish", "--dry-run"),
    /--dry-run was given with --shard or --finish; it says/,
  );
  const from = spawnSync(
    process.execPath,
    [join(ROOT, "scripts/headrace.ts"), "build", "--from", "x", "--out", out, "--shard", "1/2"],
    { encoding: "utf8" },
  );
  assert.match(from.stderr, /--shard was given with --from, which reads no text; leave it out/);
  assert.equal(existsSync(out), false);
});
