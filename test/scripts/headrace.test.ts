import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lineOf, writeCorpus, writeFile } from "../pipeline/corpus.ts";
import { ROOT, temporaryFolder } from "../support.ts";

function headrace(...args: readonly string[]) {
  const run = spawnSync(process.execPath, [join(ROOT, "scripts/headrace.ts"), ...args], { encoding: "utf8" });
  return { status: run.status, out: run.stdout, said: run.stderr.trim().split("\n") };
}

test("help lists every command", () => {
  const { status, out } = headrace("--help");
  assert.equal(status, 0);
  const names =
    "build calibrate inspect score verify ledger export import train begin replay where simulate reference reweight stage branch train-filter evaluate-filter doctor".split(
      " ",
    );
  for (const name of names) assert.match(out, new RegExp(`headrace ${name} `));
});

test("wrong arguments end with status 2 and one line that says what is wrong", () => {
  for (const [args, message] of [
    [[], /^headrace: name a command/],
    [["buld"], /^headrace: Did you mean build\?/],
    [["build", "in"], /^headrace: Missing required argument: out/],
    [["build", "in", "--out", "x", "--dorp", "y"], /^headrace: Unknown argument: dorp/],
    [["build", "in", "--from", "s", "--out", "x"], /^headrace: --from and the input in were both given/],
    [
      ["build", "--from", "s", "--out", "x", "--eos"],
      /--eos was given with --from, which reads no text; leave it out/,
    ],
    [["build", "--from", "s", "--out", "x"], /--from was given without --drop or --calibration; name one/],
    [
      ["build", "in", "--out", "x", "--drop", "ads=0.5"],
      /ads=0\.5 does not say|"ads=0\.5" does not say what 0\.5 is a share of; write ads=0\.5:documents .*\[ERR_ARGUMENT\]$/,
    ],
    [
      ["build", "--from", "s", "--out", "x", "--drop", "e=1:tokens", "--score-field", "e=e:low"],
      /--score-field was given with --from, which reads no text; leave it out/,
    ],
    [
      ["build", "--from", "s", "--out", "x", "--drop", "n=1:flagged", "--filter", "n=length:words:low"],
      /--filter was given with --from, which reads no text; leave it out/,
    ],
    [
      ["build", "in", "--out", "x", "--filter", "n=pages:9:low"],
      /filter "n=pages:9:low" does not say what "pages:9" is; kinds are .*\[ERR_ARGUMENT\]$/,
    ],
    [
      ["build", "in", "--out", "x", "--score-field", "edu=meta.edu"],
      /score field "edu=meta\.edu" does not say whether high or low values are dropped; write .*\[ERR_ARGUMENT\]$/,
    ],
    [
      ["build", "in", "--out", "x", "--shard-size", "many"],
      /--shard-size is "many"; write bytes, or a size such as 512MB/,
    ],
  ] as const) {
    const { status, said } = headrace(...args);
    assert.equal(status, 2, said.join("\n"));
    assert.equal(said.length, 1, said.join("\n"));
    assert.match(said[0]!, message);
  }
});

test("build, score, verify and ledger print one JSON object or line each on standard output, and people's text elsewhere", () => {
  const folder = temporaryFolder();
  const corpus = join(folder, "in");
  const out = join(folder, "out");
  writeCorpus(corpus, 2, 48);
  const built = headrace("build", corpus, "--out", out, "--drop", "ads=0.5:documents", "--json");
  assert.equal(built.status, 0);
  const report = JSON.parse(built.out);
  assert.equal(report.read, 96);
  assert.equal(
    report.read,
    report.kept + report.heldOut + report.dropped.ads + report.dropped.fluency + report.quarantined,
  );
  for (const field of ["incidents", "tokens", "shards", "seconds"]) assert.ok(field in report, field);
  assert.match(
    built.said.join("\n"),
    /96 documents = \d+ kept \+ \d+ held out \+ \d+ dropped \+ 0 quarantined/,
  );
  const scores = headrace("score", corpus)
    .out.trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(scores.length, 96);
  assert.deepEqual(Object.keys(scores[0]), ["source", "line", "domain", "ads", "fluency"]);
  const thresholds = headrace(
    "calibrate",
    corpus,
    "--drop",
    "ads=0.5:documents",
    "--out",
    join(folder, "c.json"),
  );
  assert.match(
    thresholds.said.join("\n"),
    /^0\.5 of ads can be read in two ways.*\nread as .*\nads=0\.5:documents .* %\nads=0\.5:flagged .* %$/m,
  );
  const verified = headrace("verify", out, "--json");
  assert.equal(verified.status, 0);
  assert.equal(JSON.parse(verified.out).ok, true);
  assert.equal(JSON.parse(headrace("ledger", out, "--json").out).tasks, 2);
  assert.equal(JSON.parse(headrace("inspect", out, "--json", "--sample", "3").out).length, 3);
});

test("a score of the input is a filter in every command, and a dry run prints a forecast and writes nothing", () => {
  const folder = temporaryFolder();
  const corpus = join(folder, "in.jsonl");
  const lines = Array.from({ length: 60 }, (_, i) =>
    JSON.stringify({ text: `page ${i}`, edu: i / 20, meta: { redpajama_set_name: "RedPajamaC4" } }),
  );
  writeFileSync(corpus, lines.join("\n"));
  const field = ["--score-field", "edu=edu:low,cut=2", "--filters", "ads"];
  const out = join(folder, "out");
  const drop = ["--drop", "edu=0.5:flagged"];
  const dry = headrace("build", corpus, "--out", out, ...field, ...drop, "--dry-run", "--json");
  assert.equal(dry.status, 0, dry.said.join("\n"));
  const forecast = JSON.parse(dry.out);
  assert.deepEqual([forecast.basis, forecast.dropped.edu.value], ["whole input", 20]);
  assert.match(dry.said.join("\n"), /nothing was written; the same command without --dry-run builds/);
  assert.deepEqual(readdirSync(folder), ["in.jsonl"]);
  const built = headrace("build", corpus, "--out", out, ...field, ...drop, "--json");
  assert.equal(JSON.parse(built.out).dropped.edu, 20);
  assert.match(built.said.join("\n"), /^edu applies to c4$/m);
  const [first] = headrace("score", corpus, ...field).out.split("\n");
  assert.deepEqual(Object.keys(JSON.parse(first!)), ["source", "line", "domain", "ads", "edu"]);
  const shown = JSON.parse(headrace("inspect", out, "--filter", "edu", "--near-threshold", "--json").out);
  assert.ok(
    shown.some(({ split, score }: { split: string; score: number }) => split === "dropped" && score < 1),
  );
  const file = join(folder, "thresholds.json");
  assert.equal(headrace("calibrate", corpus, ...field, ...drop, "--out", file).status, 0);
  const from = headrace(
    "build",
    "--from",
    out,
    "--calibration",
    file,
    "--out",
    join(folder, "anew"),
    "--json",
  );
  assert.equal(JSON.parse(from.out).dropped.edu, 20);
});

test("input that could not be read ends with status 3 after the build, and a damaged shard with status 1, named", () => {
  const folder = temporaryFolder();
  writeFile(join(folder, "in/good.jsonl"), lineOf("one two three", "RedPajamaBook").repeat(30));
  writeFile(join(folder, "in/bad.jsonl.zst"), Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0]));
  const out = join(folder, "out");
  const built = headrace("build", join(folder, "in"), "--out", out);
  assert.equal(built.status, 3, built.said.join("\n"));
  assert.match(built.said.join("\n"), /1 stretches of input \(\d+ B\) could not be read/);
  const shard = join(out, "train/book/00000.arrow");
  writeFileSync(shard, "cut");
  const verified = headrace("verify", out);
  assert.equal(verified.status, 1);
  assert.match(verified.said.join("\n"), /train\/book\/00000\.arrow.*3 bytes/);
});

test("a missing input is one line, status 1, and nothing is written", () => {
  const folder = temporaryFolder();
  const { status, said } = headrace("build", join(folder, "absent"), "--out", join(folder, "out"));
  assert.equal(status, 1);
  assert.deepEqual(said, [
    `headrace: input ${join(folder, "absent")} does not exist; check the path  [ERR_INPUT]`,
  ]);
  assert.deepEqual(readdirSync(folder), []);
});

test("compiled code is kept in the user's cache folder for the worker threads, and nowhere where that is turned off", () => {
  const [corpus, cache] = [temporaryFolder(), temporaryFolder()];
  writeFile(join(corpus, "c4.jsonl"), lineOf("Some text of a page.", "RedPajamaC4"));
  const kept = (environment: Readonly<Record<string, string>>) => {
    const run = spawnSync(
      process.execPath,
      [
        join(ROOT, "scripts/headrace.ts"),
        "build",
        corpus,
        "--out",
        join(temporaryFolder(), "out"),
        "--workers",
        "1",
      ],
      {
        encoding: "utf8",
        env: { ...process.env, NODE_COMPILE_CACHE: "", XDG_CACHE_HOME: cache, ...environment },
      },
    );
    assert.equal(run.status, 0, run.stderr);
    return readdirSync(cache, { recursive: true }).length;
  };
  assert.equal(kept({ NODE_DISABLE_COMPILE_CACHE: "1" }), 0);
  // The command's own modules are compiled before it can ask for anything; what is kept is the workers'.
  assert.ok(kept({}) > 50);
});
