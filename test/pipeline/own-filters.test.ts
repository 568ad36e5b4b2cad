import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parquetWriteFile } from "hyparquet-writer";
import { mix32 } from "../../core/random.ts";
import {
  build,
  calibrate,
  curateSetup,
  forecastBuild,
  inspect,
  loadTokenizer,
  openCurator,
  planInputs,
  refilter,
  scoreDocuments,
  writeCalibration,
} from "../../pipeline/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { SET_NAMES, textOf, tree, writeFile } from "./corpus.ts";
import { readBytes } from "./sources.ts";

const root = temporaryFolder();
const corpus = join(root, "in");

/** Documents of all domains, with an address each but every ninth. */
function linesOf(from: number, to: number): string {
  let lines = "";
  for (let i = from; i < to; i++) {
    const seed = mix32(i + 1);
    const meta = {
      redpajama_set_name: SET_NAMES[(seed >>> 9) % 3]!,
      ...(i % 9 !== 0 && { url: `https://www.site${seed % 5}.com/page` }),
    };
    lines += `${JSON.stringify({ text: `${i} ${textOf(i, 10 + (seed % 40))}`, meta })}\n`;
  }
  return lines;
}
for (const file of [0, 1, 2, 3])
  writeFile(join(corpus, `part-${file}.jsonl`), linesOf(file * 200, file * 200 + 200));
const documents = linesOf(0, 800)
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as { readonly text: string; readonly meta: Record<string, string> });
const onWeb = documents.filter(({ meta }) => meta["redpajama_set_name"] !== "RedPajamaGithub");

const mine = join(root, "mine.ts");
writeFileSync(
  mine,
  `export const filter = {
     dropWhen: "high",
     cut: 0.5,
     score({ text, tokens, url, line, domain, source }) {
       if (text.startsWith("77 ")) throw new Error("seventy-seven");
       if (text.startsWith("78 ")) return NaN;
       if (tokens.length === 0 || line < 1 || domain === "" || !source.endsWith(".jsonl")) throw new Error("unseen");
       return text.includes("free") && url !== null ? 1 : 0;
     },
   };`,
);
const blocked = join(root, "blocked.txt");
writeFileSync(blocked, "site1.com\n");
const evaluation = join(root, "evaluation.txt");
writeFileSync(evaluation, `${textOf(3, 12)}\n`);
const OWN = [
  `mine=${mine}`,
  "short=length:words:low,cut=20",
  "money=regex:free|price,flags=i",
  `bad=url-domains:${blocked}`,
  `book=${join(ROOT, "fixtures/own/fasttext/pruned.ftz")}:low,label=RedPajamaBook`,
  `ppl=${join(ROOT, "fixtures/own/ngram/trigrams.arpa")}:high`,
  `seen=contamination:${evaluation},n=4,least=4`,
];
const OPTIONS = {
  inputs: [corpus],
  filters: [],
  ownFilters: OWN,
  source: { urlField: "meta.url" },
  drop: "mine=1:flagged,short=1:flagged,bad=1:flagged",
  validationTokens: 0,
};

test("filters of one's own drop exactly what they flag; a document on which one fails is quarantined and named", async () => {
  const out = join(root, "one");
  const report = await build({ ...OPTIONS, out, workers: 1 });
  const left = onWeb.filter(({ text }) => !/^7[78] /.test(text));
  const byMine = left.filter(({ text, meta }) => text.includes("free") && meta["url"] !== undefined);
  const byShort = left.filter((one) => !byMine.includes(one) && one.text.split(" ").length < 20);
  const byBad = left.filter(
    (one) => !byMine.includes(one) && !byShort.includes(one) && one.meta["url"]?.includes("site1.com"),
  );
  assert.ok(byMine.length > 0 && byShort.length > 0 && byBad.length > 0);
  assert.deepEqual(report.dropped, {
    mine: byMine.length,
    short: byShort.length,
    money: 0,
    bad: byBad.length,
    book: 0,
    ppl: 0,
    seen: 0,
  });
  assert.deepEqual([report.read, report.quarantined], [800, 2]);
  assert.deepEqual(
    readFileSync(join(out, "quarantine.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .map(({ source, line, reason }) => `${source}:${line} ${reason}`),
    [
      'part-0.jsonl:78 filter-failed: `mine` threw "seventy-seven"',
      "part-0.jsonl:79 score-not-number: `mine` holds NaN, not a number; missing=keep lets such a record pass",
    ],
  );
});

test("the same bytes from three workers in small tasks and sections, and from a calibration and a build apart", async () => {
  const one = tree(join(root, "one"));
  await build({
    ...OPTIONS,
    out: join(root, "three"),
    workers: 3,
    taskBytes: 60_000,
    sectionRecords: 64,
  });
  assert.deepEqual(tree(join(root, "three")), one);

  const { files } = await planInputs([corpus]);
  const curator = await openCurator(await curateSetup(OPTIONS));
  const calibration = await calibrate({
    targets: OPTIONS.drop,
    files,
    source: OPTIONS.source,
    curator,
    documents: 50_000,
  });
  const path = join(root, "calibration.json");
  await writeCalibration(path, calibration);
  const { drop: _, ...rest } = OPTIONS;
  await build({ ...rest, calibration: path, out: join(root, "apart") });
  const shards = (all: Record<string, string>) =>
    Object.entries(all).filter(([name]) => name.endsWith(".arrow"));
  assert.deepEqual(shards(tree(join(root, "apart"))), shards(one));

  const other = join(root, "other.ts");
  writeFileSync(other, `${readFileSync(mine, "utf8")}\n`);
  await assert.rejects(
    build({
      ...rest,
      ownFilters: [`mine=${other}`, ...OWN.slice(1)],
      calibration: path,
      out: join(root, "refused"),
    }),
    { code: "ERR_CALIBRATION", message: /filter "mine" has the model .* calibrate again/ },
  );
});

test("a forecast, inspect, and a build from the shards know the filters: what they flag, too", async () => {
  const forecast = await forecastBuild({ ...OPTIONS, out: join(root, "forecast") });
  const one = await build({ ...OPTIONS, out: join(root, "one") });
  assert.deepEqual(
    Object.fromEntries(Object.entries(forecast.dropped).map(([name, { value }]) => [name, value])),
    one.dropped,
  );
  const again = await refilter({ from: join(root, "one"), out: join(root, "again"), drop: OPTIONS.drop });
  assert.deepEqual(again.dropped, one.dropped);
  const { documents: near } = await inspect(
    { dir: join(root, "one"), filter: "short", nearThreshold: true, documents: 3 },
    await loadTokenizer("llama-2"),
  );
  assert.equal(near.length, 6);
  for (const { score, text } of near) assert.equal(Math.round(score * 1000), text.split(" ").length);
});

test("score gives the columns and what made them, and names what has none", async () => {
  const { files } = await planInputs([join(corpus, "part-0.jsonl")]);
  const lines = [];
  for await (const line of scoreDocuments(
    files,
    OPTIONS.source,
    await curateSetup({ ...OPTIONS, ownFilters: [...OWN, `loud=${join(ROOT, "fixtures/own/shouting.ts")}`] }),
    { why: true },
  ))
    lines.push(line);
  const scored = lines.filter((line) => line.kind === "scores");
  assert.deepEqual([scored.length, lines.filter(({ kind }) => kind === "quarantined").length], [198, 2]);
  const { scores, why } = scored[1]!;
  assert.deepEqual(Object.keys(scores), ["mine", "short", "money", "bad", "book", "ppl", "seen", "loud"]);
  assert.ok(scores["book"]! > 0 && scores["book"]! < 1 && scores["ppl"]! > 1);
  const marked = scored.filter((line) => line.scores["seen"]! > 0);
  assert.ok(marked.length > 0 && marked.some(({ line }) => line === 4));
  assert.match(marked[0]!.why!["seen"]![0]!, /evaluation\.txt:1: \w+ \w+ \w+ \w+$/);
  assert.deepEqual(why?.["short"], [`${documents[1]!.text.split(" ").length} words`]);
});

test("a band lets through what an earlier column puts outside it: that has the score farthest from what is dropped", async () => {
  const banded = [OWN[1]!, "money=regex:free|price:high,band=short:0.02..0.04"];
  const { files } = await planInputs([join(corpus, "part-1.jsonl")]);
  const seen = { within: 0, outside: 0 };
  for await (const line of scoreDocuments(
    files,
    {},
    await curateSetup({ ...OPTIONS, source: {}, ownFilters: banded }),
  )) {
    if (line.kind !== "scores") throw new Error("a record was not scored");
    const within = line.scores["short"]! >= 0.02 && line.scores["short"]! < 0.04;
    if (!within) assert.equal(line.scores["money"], (1 - 2 ** 24) / 65_536);
    else assert.ok(line.scores["money"]! >= 0);
    seen[within ? "within" : "outside"]++;
  }
  assert.ok(seen.within > 20 && seen.outside > 20);
  await assert.rejects(
    async () => openCurator(await curateSetup({ ...OPTIONS, source: {}, ownFilters: banded.toReversed() })),
    { code: "ERR_FILTER", message: /band of "short", which is no earlier filter; those are none/ },
  );
});

test("without a field for addresses a filter that looks at them is refused", async () => {
  await assert.rejects(build({ ...OPTIONS, source: {}, out: join(root, "no-url") }), {
    code: "ERR_ARGUMENT",
    message: /filter "bad" looks at the address of documents, and no field for it is named; give --url-field/,
  });
});

test("addresses are read from JSON lines and parquet alike; what is no string is none", async () => {
  const rows = [
    { text: "one", meta: { url: "https://a.com/" } },
    { text: "two", meta: { url: 7 } },
    { text: "three", meta: {} },
    { text: "four \ud800", meta: { url: "https://b.com/\u00fc" } },
  ];
  const jsonl = await readBytes(Buffer.from(rows.map((row) => JSON.stringify(row)).join("\n")), "a.jsonl", {
    domain: "c4",
    urlField: "meta.url",
  });
  const urls = ["https://a.com/", null, null, "https://b.com/\u00fc"];
  assert.deepEqual(
    jsonl.documents.map(({ url }) => url),
    urls,
  );
  const path = join(root, "a.parquet");
  await parquetWriteFile({
    filename: path,
    columnData: [
      { name: "text", data: ["one", "two", "three", "four"], type: "STRING" },
      { name: "url", data: urls, type: "STRING" },
    ],
  });
  const table = await readBytes(readFileSync(path), "a.parquet", { domain: "c4", urlField: "url" });
  assert.deepEqual(
    table.documents.map(({ url }) => url),
    urls,
  );
});
