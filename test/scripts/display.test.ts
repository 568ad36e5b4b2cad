import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type BuildProgress, build } from "../../pipeline/index.ts";
import { progressWords } from "../../scripts/build.ts";
import { compact, fittedTable, type Position, progressLine } from "../../scripts/display.ts";
import { writeCorpus } from "../pipeline/corpus.ts";
import { temporaryFolder } from "../support.ts";

const STEP: BuildProgress = {
  phase: "read",
  bytes: 420e9,
  total: 1000e9,
  documents: 98_765_432,
  tokens: 123_456_789_012,
  dropped: 12_345_678,
  quarantined: 12_345,
  reused: { bytes: 0, tokens: 0 },
};

/** The line of a step after so many seconds. */
function lineOf(step: BuildProgress, seconds: number, width: number): string {
  const { done, words } = progressWords(step, seconds);
  const at: Position = { label: "build", done, total: step.total, reused: step.reused.bytes, seconds };
  return progressLine(at, words, width);
}

test("a line of 120 columns says everything in short, one of 80 all five figures, one of 40 the time left and the rate", () => {
  assert.equal(
    lineOf(STEP, 4200, 200),
    "build  42 %  1 h 37 min left, reading 100 MB/s, 29.4 M tokens/s, 12.3 M dropped, 12.3 k quarantined, 98,765,432 documents",
  );
  assert.equal(
    lineOf(STEP, 4200, 119),
    "build  42 %  1 h 37 min left, 100 MB/s, 29.4M tok/s, 12.3M dropped, 12.3k bad, 98,765,432 documents",
  );
  assert.equal(
    lineOf(STEP, 4200, 79),
    "build  42 %  1 h 37 min left, 100 MB/s, 29.4M tok/s, 12.3M dropped, 12.3k bad",
  );
  assert.equal(lineOf(STEP, 4200, 39), "build  42 %  1 h 37 min left, 100 MB/s");
  for (let width = 1; width <= 130; width++)
    for (const phase of ["read", "compact", "judge", "calibrate"] as const)
      assert.ok(lineOf({ ...STEP, phase }, 4200, width).length <= width, `${phase} ${width}`);
});

test("rates and the time left do not count what an earlier run had done", () => {
  const reused = { bytes: 400e9, tokens: 100_000_000_000 };
  const line = lineOf({ ...STEP, reused }, 2000, 200);
  // 20 of 600 GB in 2,000 s: 10 MB/s, and 58,000 s are left.
  assert.match(line, /^build {2}42 % {2}16 h 7 min left, reading 10\.0 MB\/s, 11\.7 M tokens\/s,/);
  assert.doesNotMatch(lineOf({ ...STEP, bytes: 400e9, reused }, 5, 200), /left/);
});

test("a build that goes on reports the tasks of the run before as reused, and bytes while it compacts", async () => {
  const folder = temporaryFolder();
  const corpus = join(folder, "in");
  const out = join(folder, "out");
  writeCorpus(corpus, 4, 60);
  // A file where the folder of the train split shall be stops the build after its last task.
  const spoil = ({ phase }: BuildProgress) => {
    if (phase === "read") writeFileSync(join(out, "train"), "");
  };
  await assert.rejects(build({ inputs: [corpus], out, workers: 2, onProgress: spoil }));
  rmSync(join(out, "train"), { force: true });
  const steps: BuildProgress[] = [];
  const report = await build({ inputs: [corpus], out, workers: 2, onProgress: (step) => steps.push(step) });
  assert.ok(report.reused! > 0);
  const read = steps.filter(({ phase }) => phase === "read").at(-1)!;
  assert.equal(read.reused.bytes, read.total);
  assert.deepEqual({ bytes: read.bytes, tokens: read.tokens }, read.reused);
  const compacted = steps.filter(({ phase }) => phase === "compact");
  const last = compacted.at(-1)!;
  assert.ok(compacted.length >= 7 && last.bytes > 0);
  // The tokens of a gap are in no shard.
  assert.equal(last.total - last.bytes, 2 * report.tokens.gap);
  assert.match(lineOf(last, 2, 200), /compacting [\d.]+ kB\/s/);
});

test("the domain table of a corpus of 627 B tokens fits any width, in parts that each have the domains", () => {
  const head = [
    "domain",
    "read",
    "kept",
    "-ads",
    "-fluency",
    "held out",
    "bad",
    "train tokens",
    "validation",
    "before",
    "after",
  ];
  const rows = ["commoncrawl", "stackexchange"].map((name) => [
    name,
    599_999_999,
    299_999_999,
    199_999_999,
    99_999_999,
    123_456,
    1_234,
    327_000_000_000,
    2_048_000,
    "52.2 %",
    "52.2 %",
  ]);
  const cut = head.indexOf("train tokens");
  for (const width of [40, 80, 120, 200]) {
    const lines = fittedTable([head, ...rows], cut, width).split("\n");
    assert.ok(
      lines.every((line) => line.length <= width),
      lines.join("\n"),
    );
    const words = lines
      .join(" ")
      .split(/ {2,}|\n/)
      .map((word) => word.trim());
    for (const name of head)
      assert.ok(
        words.some((word) => word.includes(name)),
        `${name} at ${width}`,
      );
    const parts = lines.filter((line) => line.startsWith("commoncrawl")).length;
    assert.equal(parts, { 40: 6, 80: 3, 120: 2, 200: 1 }[width], lines.join("\n"));
  }
});

test("numbers of an estimate have three digits", () => {
  assert.deepEqual([0, 7, 999, 1000, 999_499, 999_500, 1_234_567, 627e9, 1.2e13].map(compact), [
    "0",
    "7",
    "999",
    "1.00 k",
    "999 k",
    "1.00 M",
    "1.23 M",
    "627 B",
    "12.0 T",
  ]);
});
