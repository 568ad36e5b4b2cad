/** The inspection page without a browser: its numbers beside those of builds, and what strangers' text can do to it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { makeFixtureCorpus } from "../../fixtures/corpus/corpus.ts";
import {
  build,
  type Expected,
  type Forecast,
  forecastRefilter,
  inspect,
  loadTokenizer,
  refilter,
  type Tokenizer,
  writeInspectPage,
} from "../../pipeline/index.ts";
import type { PageData } from "../../pipeline/inspect/page-data.ts";
import { readManifest } from "../../shards/index.ts";
import { ROOT, temporaryFolder } from "../support.ts";
import { lineOf, textOf, writeFile } from "./corpus.ts";

const folder = temporaryFolder();
const shards = join(folder, "shards");
let tokenizer: Tokenizer;

before(async () => {
  makeFixtureCorpus(join(folder, "corpus"));
  const inputs = [join(folder, "corpus/train")];
  await build({ inputs, out: shards, drop: "ads=0.5:documents,fluency=0.15:documents" });
  tokenizer = await loadTokenizer("llama-2");
});

/** Writes a page and reads back what it holds. */
async function pageOf(dir: string, filter: string, more: object = {}) {
  const path = join(folder, "page.html");
  await writeInspectPage(path, { dir, filter, nearThreshold: false, documents: 3, ...more }, tokenizer);
  const html = readFileSync(path, "utf8");
  const [, json = ""] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html) ?? [];
  return { html, data: JSON.parse(json) as PageData };
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

test("what the page says of the build is what the build's account says, filter by filter and domain by domain", async () => {
  const { account } = await readManifest(shards);
  for (const filter of ["ads", "fluency"]) {
    const { data } = await pageOf(shards, filter);
    assert.deepEqual(
      data.domains.map(({ name }) => name),
      Object.keys(account.domains),
    );
    for (const { name, total, built, histogram } of data.domains) {
      const counted = account.domains[name]!;
      assert.equal(total.documents, counted.read - counted.quarantined);
      assert.equal(built === null, name !== "commoncrawl" && name !== "c4");
      if (built === null) continue;
      const earlier = filter === "ads" ? 0 : counted.dropped["ads"]!;
      assert.equal(built.reached.documents, total.documents - earlier);
      assert.equal(built.dropped.documents, counted.dropped[filter]);
      assert.equal(built.dropped.tokens, counted.tokens.dropped[filter]);
      assert.equal(sum(histogram), built.reached.documents);
    }
  }
});

for (const filter of ["ads", "fluency"])
  test(`the rates of ${filter} are those that build --from --drop comes to, in each unit, in documents and tokens, at cuts of a domain's own and of the pool`, async () => {
    const { data } = await pageOf(shards, filter);
    const { before, after } = data.command;
    assert.deepEqual(
      data.sweeps.map(({ unit }) => unit),
      ["documents", "flagged", "tokens"],
    );
    for (const { unit, rates, domains } of data.sweeps)
      for (const rate of [0, 0.035, 0.5, 0.785, 1]) {
        const drop = [...before, `${filter}=${rate}:${unit}`, ...after].join(",");
        const i = rates.indexOf(rate);
        const all: Forecast | string = await forecastRefilter({
          from: shards,
          out: join(folder, "anew"),
          drop,
        }).catch(String);
        // A later filter that nothing reaches has no threshold: the command says so.
        if (typeof all === "string") {
          assert.match(all, /no document of the sample reaches the filter "fluency"/);
          assert.ok(Object.values(domains).every((one) => one.documents[i] === one.reached.documents));
          continue;
        }
        for (const [name, { documents, tokens }] of Object.entries(domains)) {
          const expected: Expected = all.domains[name]!;
          assert.equal(documents[i], expected.dropped[filter]!.value, `${drop} in ${name}`);
          assert.equal(tokens[i], expected.tokens.dropped[filter]!.value, `${drop} in ${name}`);
        }
      }
  });

test("a build from the shards with the page's command drops what the page says and has its thresholds", async () => {
  const { data } = await pageOf(shards, "ads");
  const { rates, domains } = data.sweeps[2]!;
  const out = join(folder, "built");
  await refilter({ from: shards, out, drop: "ads=0.3:tokens,fluency=0.15:documents" });
  const { account } = await readManifest(out);
  const calibration = JSON.parse(readFileSync(join(out, "calibration.json"), "utf8"));
  const i = rates.indexOf(0.3);
  for (const [name, sweep] of Object.entries(domains)) {
    assert.equal(sweep.documents[i], account.domains[name]!.dropped["ads"]);
    assert.equal(sweep.tokens[i], account.domains[name]!.tokens.dropped["ads"]);
    const found = calibration.filters[0].domains.find((one: { domain: string }) => one.domain === name);
    assert.equal(sweep.thresholds[i], found.threshold);
    assert.equal(found.chosenOn, "domain");
  }
});

test("documents lie on both sides of the cut in each domain, their parts sum to their scores, and their runs are the shards' text", async () => {
  const { data } = await pageOf(shards, "ads", { documents: 10, characters: 300 });
  for (const [d, { name, built }] of data.domains.entries()) {
    const own = data.documents.filter(({ domain }) => domain === d);
    if (built === null) assert.equal(own.length, 3, name);
    else {
      const dropped = own.filter(({ score }) => score >= built.threshold);
      assert.ok(own.length >= 30 && own.length <= 40, name);
      assert.ok(dropped.length >= 15 && own.length - dropped.length >= 15, name);
      for (const { split, droppedBy, score } of own)
        assert.equal(split === "dropped" && droppedBy === "ads", score >= built.threshold);
    }
  }
  for (const { parts, score, partial, runs, cut, source, line } of data.documents) {
    const weights = parts!.filter((part) => typeof part === "number");
    assert.equal(sum(weights), partial ?? score, `${source}:${line}`);
    const text = runs.filter((part) => typeof part === "string").join("");
    assert.ok(text.length >= 299 || cut === 0);
  }
  const near = await pageOf(shards, "ads", { nearThreshold: true });
  assert.equal(near.data.documents.length, 12);
});

test("the page is the same bytes each time, asks for nothing from outside, and its policy names its one style and one script by hash", async () => {
  const { html } = await pageOf(shards, "ads");
  assert.equal((await pageOf(shards, "ads")).html, html);
  const code = html.replace(/<script type="application\/json".*?<\/script>/s, "");
  assert.doesNotMatch(
    code.replaceAll("http://www.w3.org/2000/svg", ""),
    /https?:|url\((?!#)|@import|src=|href=/,
  );
  const policy = /Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? "";
  for (const tag of ["style", "script"]) {
    const [, text = ""] = new RegExp(`<${tag}>(.*?)</${tag}>`, "s").exec(html) ?? [];
    const hash = createHash("sha256").update(text).digest("base64");
    assert.ok(policy.includes(`${tag}-src 'sha256-${hash}'`), policy);
  }
  assert.match(policy, /^default-src 'none'; /);
  assert.doesNotMatch(code, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(| on[a-z]+=/);
});

test("markup, controls, overrides of direction and a megabyte on one line are data: escaped, spelled out, cut short and counted", async () => {
  const wild = [
    '</script><script>alert(1)</script><img src=x onerror="alert(2)">',
    "<!--<script>\u2028\u2029&lt;&amp;",
    "bell \u0007 escape \u001b[2J override \u202eevil\u202c zero\u200bwidth",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u{1f6b0}\u200d\u{1f525}",
    `free ${"z".repeat(1_000_000)}`,
  ];
  const input = join(folder, "wild", "</title><b>.jsonl");
  writeFile(input, wild.map((text) => lineOf(text, "RedPajamaC4")).join(""));
  const out = join(folder, "wild-shards");
  await build({ inputs: [join(folder, "wild")], out, drop: "ads=0.4:documents", validationTokens: 0 });
  const { html, data } = await pageOf(out, "ads");
  assert.ok(html.length < 200_000, `${html.length} characters`);
  assert.equal(html.match(/<script/g)?.length, 2);
  assert.equal(html.match(/<\/script>/g)?.length, 2);
  assert.doesNotMatch(html, /<img|<b>|<!--|\u2028|\u2029|\u202e/);
  assert.ok(!html.includes("\u001b"));
  assert.equal(data.documents.length, 5);
  const text = (line: number) =>
    data.documents
      .find((one) => one.line === line)!
      .runs.filter((part) => typeof part === "string")
      .join("");
  assert.equal(text(1), wild[0]);
  assert.equal(text(2), "<!--<script>\u27e8U+2028\u27e9\u27e8U+2029\u27e9&lt;&amp;");
  assert.equal(
    text(3),
    "bell \u2407 escape \u241b[2J override \u27e8U+202E\u27e9evil\u27e8U+202C\u27e9 zero\u27e8U+200B\u27e9width",
  );
  assert.equal(text(4), wild[3]);
  const long = data.documents.find(({ line }) => line === 5)!;
  assert.equal(text(5).length + long.cut, 1_000_005);
  assert.ok(text(5).length < 2100);
  assert.equal(long.source, "</title><b>.jsonl");
});

test("builds without thresholds, without dropped documents, of rules, of a score of the input and without a web domain have their page", async () => {
  const lines = Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ text: textOf(i, 30), edu: i / 8, meta: { redpajama_set_name: "RedPajamaC4" } }),
  );
  writeFile(join(folder, "plain/a.jsonl"), `${lines.join("\n")}\n`);
  const inputs = [join(folder, "plain")];
  const built = async (name: string, more: object) => {
    const out = join(folder, name);
    await build({ inputs, out, validationTokens: 0, ...more });
    return out;
  };
  const unfiltered = (await pageOf(await built("unfiltered", {}), "ads")).data;
  assert.equal(unfiltered.target, null);
  assert.equal(unfiltered.domains[0]!.built, null);
  assert.equal(unfiltered.sweeps[0]!.domains["c4"]!.documents.at(-1), 40);

  const gone = (await pageOf(await built("gone", { drop: "ads=0.5:documents", keepDropped: false }), "ads"))
    .data;
  assert.equal(gone.dropped, false);
  assert.ok(gone.documents.every(({ split }) => split === "train"));
  assert.equal(gone.domains[0]!.built!.dropped.documents, 20);

  const rules = (
    await pageOf(await built("rules", { drop: "gopher-quality=0.5:documents" }), "gopher-quality")
  ).data;
  assert.equal(rules.axis.width, 65_536);
  assert.ok(
    rules.documents.some(({ parts }) => parts!.some((part) => /(above|below) [\d.]+ \(/.test(String(part)))),
  );

  const scoreFields = [
    { name: "edu", path: "edu", dropWhen: "low", scale: 1, missing: "quarantine", cut: null },
  ];
  const field = { source: { scoreFields }, drop: "edu=0.25:tokens:input", filters: ["ads"] };
  const edu = (await pageOf(await built("edu", field), "edu")).data;
  assert.deepEqual(
    edu.sweeps.map(({ unit }) => unit),
    ["documents", "tokens"],
  );
  assert.deepEqual(edu.target, { unit: "tokens", rate: 0.25, of: "input" });
  assert.ok(edu.documents.every(({ parts }) => parts === null));
  assert.equal(edu.domains[0]!.built!.flagged, null);

  writeFile(join(folder, "books/b.jsonl"), lineOf(textOf(1, 50), "RedPajamaBook"));
  const books = join(folder, "books-shards");
  await build({ inputs: [join(folder, "books")], out: books, validationTokens: 0 });
  const { data } = await pageOf(books, "ads");
  assert.deepEqual([data.sweeps.length, data.documents.length], [0, 1]);
  await assert.rejects(inspect({ dir: books, filter: "ads", nearThreshold: true, documents: 1 }, tokenizer), {
    code: "ERR_CALIBRATION",
  });
});

test("every colour of text in the page has a contrast of 4.5 on what it stands on, in light and in dark", () => {
  const css = readFileSync(join(ROOT, "pipeline/inspect/browser/page.css"), "utf8");
  const themes = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, body = ""]) =>
    Object.fromEntries(
      [...body.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]),
    ),
  );
  assert.equal(themes.length, 2);
  const luminance = (colour: string) => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5]
      .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const theme of themes)
    for (const [text, ...grounds] of [
      ["ink", "paper", "card", "kept-soft", "dropped-soft"],
      ["faint", "paper", "card"],
      ["focus", "card"],
    ] as const)
      for (const ground of grounds) {
        const [a, b] = [luminance(theme[text]!), luminance(theme[ground]!)];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        assert.ok(contrast >= 4.5, `${text} on ${ground}: ${contrast.toFixed(2)}`);
      }
});
