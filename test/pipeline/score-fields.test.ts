import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mix32 } from "../../core/random.ts";
import { parseScoreField, passingScore, SCORE_UNIT } from "../../filters/index.ts";
import {
  build,
  curateSetup,
  forecastBuild,
  planInputs,
  refilter,
  scoreDocuments,
} from "../../pipeline/index.ts";
import { readManifest } from "../../shards/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { SET_NAMES, textOf, tree, writeFile } from "./corpus.ts";
import { type ReadBack, readBytes } from "./sources.ts";

const FILES = join(ROOT, "fixtures/scores/files");
const expected = JSON.parse(readFileSync(join(FILES, "expected.json"), "utf8")) as {
  readonly numbers: Readonly<Record<string, readonly (number | "NaN" | null)[]>>;
  readonly edu: readonly (number | null)[];
  readonly others: readonly string[];
};
const NAMES = readdirSync(FILES).filter((name) => name !== "expected.json");
/** The scale of a column of the fixtures that its largest values need. */
function scaleOf(column: string): number {
  return column.endsWith("64") ? 2 ** 46 : column.endsWith("32") ? 2 ** 25 : 1000;
}

const root = temporaryFolder();

function readFixture(name: string, ...fields: readonly string[]): Promise<ReadBack> {
  return readBytes(readFileSync(join(FILES, name)), name, { scoreFields: fields.map(parseScoreField) });
}

for (const name of NAMES)
  test(`${name}: numbers of every type are those that pyarrow reads`, async () => {
    const numbers = Object.entries(expected.numbers);
    const { documents, quarantined, incidents } = await readFixture(
      name,
      ...numbers.map(([column]) => `${column}=${column}:low,missing=keep,scale=${scaleOf(column)}`),
    );
    assert.deepEqual([documents.length, quarantined.length, incidents.length], [70, 0, 0]);
    for (const [f, [column, values]] of numbers.entries()) {
      const wanted = values.map((value) =>
        typeof value === "number"
          ? Math.round((value / scaleOf(column)) * SCORE_UNIT) + 0
          : passingScore("low"),
      );
      assert.deepEqual(
        documents.map(({ scores }) => scores![f]),
        wanted,
        column,
      );
    }
  });

for (const name of NAMES)
  test(`${name}: a field inside an object is read, and a record without it is quarantined and named`, async () => {
    const { documents, quarantined } = await readFixture(name, "edu=quality.edu:low");
    const kept = expected.edu.flatMap((value, i) =>
      value === null ? [] : [[i + 1, Math.round(value * SCORE_UNIT)]],
    );
    assert.deepEqual(
      documents.map(({ line, scores }) => [line, scores![0]]),
      kept,
    );
    assert.deepEqual(
      quarantined.map(({ line }) => line),
      expected.edu.flatMap((value, i) => (value === null ? [i + 1] : [])),
    );
    // Of a table an object that is null has no fields; so it is in JSON.
    assert.deepEqual(
      quarantined.slice(0, 2).map(({ reason, domain }) => [reason, domain]),
      [
        ["no-score: no `quality.edu` in the record; missing=keep lets such a record pass", "book"],
        ["no-score: `quality.edu` is null; missing=keep lets such a record pass", "arxiv"],
      ],
    );
  });

test("what a column holds instead of numbers is named, and no such column is no score", async () => {
  for (const name of NAMES.filter((file) => !file.endsWith(".jsonl")))
    for (const [column, reason] of [
      ["words", /^score-not-number: `words` holds a string/],
      ["truth", /^score-not-number: `truth` holds a boolean/],
      ["decimal", /^score-not-number: `decimal` holds a number/],
      ["date", /^score-not-number: `date` holds a (date|number)/],
      ["quality", /^(score-not-number: `quality` holds an object|no-score: `quality` is null)/],
      ["absent", /^no-score: no `absent` in the record/],
      [
        "int64",
        /^score-out-of-range: `int64` is -4503599627370496, and with scale 1 .* give a larger scale$/,
      ],
    ] as const) {
      const { documents, quarantined } = await readFixture(name, `s=${column}:high`);
      assert.ok(column === "int64" || documents.length === 0, `${name} ${column}`);
      assert.match(quarantined[0]!.reason, reason, `${name} ${column}`);
    }
});

/** Documents with a score `edu` from 0 to 5, and some without. */
function linesOf(from: number, to: number, bad = true): string {
  let lines = "";
  for (let i = from; i < to; i++) {
    const seed = mix32(i + 1);
    const edu = bad && i % 50 === 7 ? "high" : bad && i % 50 === 8 ? undefined : (seed % 501) / 100;
    const meta = { redpajama_set_name: SET_NAMES[(seed >>> 9) % 7]!, edu };
    lines += `${JSON.stringify({ text: textOf(i, 10 + (seed % 40)), meta })}\n`;
  }
  return lines;
}

const corpus = join(root, "in");
for (const file of [0, 1, 2, 3])
  writeFile(join(corpus, `part-${file}.jsonl`), linesOf(file * 300, file * 300 + 300));
const EDU = parseScoreField("edu=meta.edu:low,cut=3");
const WITH_EDU = { inputs: [corpus], filters: [], source: { scoreFields: [EDU] } };

test("a target by a score field is met in every domain, bad values are quarantined, and the calibration says where it applies", async () => {
  const out = join(root, "rate");
  const report = await build({ ...WITH_EDU, out, drop: "edu=0.4:documents" });
  assert.deepEqual([report.read, report.quarantined], [1200, 48]);
  assert.ok(Math.abs(report.dropped["edu"]! / 1152 - 0.4) < 0.01, String(report.dropped["edu"]));
  assert.deepEqual(
    report.quarantine.map(({ records, domain, first }) => [records, domain, first.line, first.reason]),
    [
      [
        24,
        false,
        8,
        "score-not-number: `meta.edu` holds a string, not a number; missing=keep lets such a record pass",
      ],
      [24, false, 9, "no-score: no `meta.edu` in the record; missing=keep lets such a record pass"],
    ],
  );
  const [filter] = JSON.parse(readFileSync(join(out, "calibration.json"), "utf8")).filters;
  assert.deepEqual(filter.appliesTo, Object.keys(report.domains));
  assert.deepEqual(report.appliesTo, { edu: Object.keys(report.domains) });
  assert.deepEqual(
    (await readManifest(out)).filters.map(({ name, dropWhen }) => [name, dropWhen]),
    [["edu", "low"]],
  );
});

test("edu=1:flagged drops exactly what lies below the cut, in the domains that --apply-to names", async () => {
  const out = join(root, "cut");
  const report = await build({ ...WITH_EDU, out, drop: "edu=1:flagged" });
  const below = linesOf(0, 1200)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).meta)
    .filter(({ edu }) => typeof edu === "number" && edu < 3);
  assert.equal(report.dropped["edu"], below.length);
  const c4 = below.filter(({ redpajama_set_name: name }) => name === "RedPajamaC4").length;
  const { domains } = report;
  const only = await build({
    ...WITH_EDU,
    out: join(root, "cut-c4"),
    drop: "edu=1:flagged",
    applyTo: { edu: [Object.keys(domains).find((name) => name === "c4") as never] },
  });
  assert.deepEqual([only.dropped["edu"], domains["c4"]!.dropped["edu"]], [c4, c4]);
  const uncut = { scoreFields: [parseScoreField("edu=meta.edu:low")] };
  await assert.rejects(
    build({ ...WITH_EDU, source: uncut, out: join(root, "no-cut"), drop: "edu=0.5:flagged" }),
    {
      code: "ERR_CALIBRATION",
      message: /without a cut it flags nothing; give it one \(cut=VALUE\), or write edu=0\.5:documents/,
    },
  );
});

test("with missing=keep records without the field pass and count, and a domain of such alone is none where it applies", async () => {
  const folder = join(root, "keep-in");
  writeFile(join(folder, "a.jsonl"), linesOf(0, 300));
  writeFile(
    join(folder, "b.jsonl"),
    `${JSON.stringify({ text: "no score here", meta: { redpajama_set_name: "own" } })}\n`.repeat(30),
  );
  const source = {
    scoreFields: [parseScoreField("edu=meta.edu:low,missing=keep")],
    domainMap: { own: "own" },
  };
  const report = await build({
    inputs: [folder],
    filters: [],
    source,
    out: join(root, "keep"),
    drop: "edu=0.5:documents",
  });
  assert.deepEqual([report.read, report.quarantined, report.domains["own"]!.dropped["edu"]], [330, 0, 0]);
  assert.equal(report.appliesTo["edu"]!.includes("own" as never), false);
  assert.ok(Math.abs(report.dropped["edu"]! / 300 - 0.5) < 0.01);
});

test("shards filtered by a score field do not depend on the workers, and filtered anew are those of a build", async () => {
  const DROP = "edu=0.3:documents,ads=0.2:documents";
  const options = { inputs: [corpus], source: { scoreFields: [EDU] }, validationTokens: 500 };
  for (const [round, drop] of [DROP, "edu=0.5:flagged,ads=0.5:tokens"].entries()) {
    const one = await build({ ...options, drop, out: join(root, `one-${round}`), workers: 1 });
    await build({ ...options, drop, out: join(root, `three-${round}`), workers: 3 });
    const bytes = tree(one.out);
    assert.deepEqual(tree(join(root, `three-${round}`)), bytes);
    if (round === 0) continue;
    const anew = await refilter({ from: join(root, "one-0"), out: join(root, `anew-${round}`), drop });
    assert.deepEqual(tree(anew.out), bytes);
    assert.deepEqual(anew.appliesTo, one.appliesTo);
  }
});

test("the same documents as lines, parquet and Arrow give the same shards, a dry run foretells them, and score prints them", async () => {
  const drop = "edu=0.5:documents";
  const scoreFields = [
    parseScoreField("edu=quality.edu:low"),
    parseScoreField("half=half:high,missing=keep"),
  ];
  const trees = [];
  for (const name of ["lines.jsonl", "encoded.parquet", "file-zstd.arrow"]) {
    const of = {
      inputs: [join(FILES, name)],
      filters: [],
      source: { scoreFields },
      drop,
      out: join(root, `table-${name}`),
    };
    const forecast = await forecastBuild(of);
    const report = await build(of);
    assert.equal(forecast.dropped["edu"]!.value, report.dropped["edu"]);
    assert.equal(report.dropped["edu"], 27);
    const { shards } = await readManifest(report.out);
    trees.push(shards.map(({ path, documents, tokens }) => [path, documents, tokens]));
  }
  assert.deepEqual(trees[1], trees[0]);
  assert.deepEqual(trees[2], trees[0]);
  const { files } = await planInputs([join(FILES, "encoded.parquet")]);
  const setup = await curateSetup({ filters: [], source: { scoreFields } });
  const scored = [];
  for await (const line of scoreDocuments(files, { scoreFields }, setup))
    if (line.kind === "scores") scored.push([line.line, line.scores["edu"]]);
  assert.deepEqual(
    scored.slice(0, 3).map(([line, edu]) => [line, edu!.toFixed(3)]),
    expected.edu.slice(0, 3).map((edu, i) => [i + 1, edu!.toFixed(3)]),
  );
});
