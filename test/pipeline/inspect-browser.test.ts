/** The inspection page in a real browser, opened from the disk without a network. `$HEADRACE_SCREENSHOTS` is a folder for pictures of it. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build, forecastRefilter, loadTokenizer, writeInspectPage } from "../../pipeline/index.ts";
import type { PageData } from "../../pipeline/inspect/page-data.ts";
import { readManifest } from "../../shards/index.ts";
import { type OpenBrowser, openBrowser, type Page } from "../page.ts";
import { browser, ROOT, temporaryFolder } from "../support.ts";
import { lineOf, writeFile } from "./corpus.ts";

const { path, missing } = browser();
const folder = temporaryFolder();
/** As a person in the folder would name it, and as the page shows it. */
const shards = "shards";
const file = join(folder, "ads.html");
let running: OpenBrowser;

before(async () => {
  if (missing) return;
  process.chdir(folder);
  await build({
    inputs: [join(ROOT, "fixtures/corpus/tiny.jsonl")],
    out: shards,
    drop: "ads=0.5:documents,fluency=0.15:documents",
  });
  await write(shards, file);
  running = await openBrowser(path);
});
after(async () => {
  process.chdir(ROOT);
  await running?.close();
});

async function write(dir: string, to: string, more: object = {}) {
  const request = { dir, filter: "ads", nearThreshold: false, documents: 30, ...more };
  await writeInspectPage(to, request, await loadTokenizer("llama-2"));
}

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? "";
}

/** Documents and tokens dropped, by domain, as the page's table says. */
async function tableOf(page: Page): Promise<Record<string, readonly [number, number]>> {
  const rows = page.locator(".rates tbody tr");
  const entries = [];
  for (let i = 0; i < (await rows.count()); i++) {
    const row = rows.nth(i);
    const cells = await row.locator("td").allInnerTexts();
    const number = (at: number) => Number(cells[at]!.replaceAll(",", ""));
    entries.push([(await row.getAttribute("data-domain"))!, [number(2), number(4)]] as const);
  }
  return Object.fromEntries(entries);
}

/** What a build with the command that the page shows would drop. */
async function forecastOf(page: Page) {
  const command = await textOf(page, "#command");
  const [, from, drop] = /^headrace build --from (\S+) --drop (\S+) --out \S+$/.exec(command) ?? [];
  assert.equal(from, shards);
  const { domains } = await forecastRefilter({ from: shards, out: join(folder, "anew"), drop: drop! });
  const dropped = ["commoncrawl", "c4"].map(
    (name) =>
      [name, [domains[name]!.dropped["ads"]!.value, domains[name]!.tokens.dropped["ads"]!.value]] as const,
  );
  const sum = (i: 0 | 1) => dropped.reduce((all, [, amount]) => all + amount[i]!, 0);
  return { drop: drop!, table: { ...Object.fromEntries(dropped), together: [sum(0), sum(1)] } };
}

async function picture(page: Page, name: string): Promise<void> {
  const to = process.env["HEADRACE_SCREENSHOTS"];
  if (to) mkdirSync(to, { recursive: true });
  const bytes = await page.screenshot(to ? { path: join(to, `${name}.png`) } : {});
  assert.ok(bytes.length > 20_000, name);
}

test("the page opens with what the build did, and asks for nothing, logs nothing and fails at nothing", {
  skip: missing,
}, async () => {
  const { page, troubles } = await running.open(file);
  const { account } = await readManifest(shards);
  const { commoncrawl, c4 } = account.domains;
  const table = await tableOf(page);
  assert.deepEqual(table["commoncrawl"], [commoncrawl!.dropped["ads"], commoncrawl!.tokens.dropped["ads"]]);
  assert.deepEqual(table["c4"], [c4!.dropped["ads"], c4!.tokens.dropped["ads"]]);
  assert.match(await textOf(page, "#outcome"), /dropped in the build: 15 of 31 documents/);
  assert.equal(await page.locator("#built").isDisabled(), true);
  await picture(page, "inspect");
  await page.emulateMedia({ colorScheme: "dark" });
  assert.equal(await page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(21, 23, 26)");
  await picture(page, "inspect-dark");
  assert.deepEqual(troubles, []);
});

test("wherever the slider is moved by keys, in each unit, the rates are those of a build with the command that is shown", {
  skip: missing,
}, async () => {
  const { page, troubles } = await running.open(file);
  const asked = new Set<string>();
  for (const unit of ["documents", "flagged", "tokens"]) {
    await page.locator(`input[value=${unit}]`).check();
    for (const keys of [
      ["Home", "PageUp", "ArrowRight"],
      ["ArrowLeft", "PageUp", "PageUp", "PageUp"],
      ["End", "PageDown"],
    ]) {
      await page.locator("#cut").focus();
      for (const key of keys) await page.keyboard.press(key);
      const { drop, table } = await forecastOf(page);
      asked.add(drop);
      assert.match(drop, new RegExp(`^ads=[\\d.]+:${unit},fluency=0.15:documents$`));
      assert.deepEqual(await tableOf(page), table, drop);
      const words = await page.locator("#cut").getAttribute("aria-valuetext");
      assert.equal(words, await textOf(page, "#asked"));
    }
  }
  assert.equal(asked.size, 9);
  await page.locator("#built").click();
  assert.match(await textOf(page, "#outcome"), /in the build: 15 of 31 documents/);
  assert.deepEqual(troubles, []);
});

test("a picture that is pointed into moves the cut there, and the documents change sides with it", {
  skip: missing,
}, async () => {
  const { page, troubles } = await running.open(file);
  const data = JSON.parse(await textOf(page, "#data")) as PageData;
  const c4 = data.domains.findIndex(({ name }) => name === "c4");
  const scores = data.documents.filter(({ domain }) => domain === c4).map(({ score }) => score);
  const wanted = scores.sort((x, y) => x - y)[Math.floor(scores.length / 4)]!;
  const { from, width } = data.axis;
  const box = (await page.locator("figure[data-domain=c4] svg").boundingBox())!;
  const share = (wanted - from) / (width * data.domains[c4]!.histogram.length);
  await page.mouse.click(box.x + box.width * share, box.y + 40);
  const { table } = await forecastOf(page);
  assert.deepEqual(await tableOf(page), table);
  assert.ok(table.together[0]! > 15, "more than in the build");
  const cells = await page.locator(".rates tr[data-domain=c4] td").allInnerTexts();
  const cut = Math.round(65_536 * Number(cells[0]!.replace("\u2212", "-")));
  const label = await page.locator("figure[data-domain=c4] svg").getAttribute("aria-label");
  assert.match(label!, /^Scores of c4 from .* of 24 documents dropped .*; cut at .*, dropped above it$/);
  await page.locator("#domain").selectOption("c4");
  for (const side of ["kept", "dropped"]) {
    const articles = page.locator(`[data-side=${side}] article`);
    const shown = await articles.count();
    assert.ok(shown > 0);
    let last = 0;
    for (let i = 0; i < shown; i++) {
      assert.equal(await articles.nth(i).getAttribute("data-domain"), "c4");
      const score = Number(await articles.nth(i).getAttribute("data-score"));
      // The table's cut has four places.
      assert.ok(side === "dropped" ? score > cut - 8 : score < cut + 8);
      assert.ok(Math.abs(score - cut) >= last - 8, "nearest first");
      last = Math.abs(score - cut);
    }
  }
  assert.deepEqual(troubles, []);
});

test("documents are chosen by domain, verdict and words; texts unfold, and the parts of a score are shown with their sum", {
  skip: missing,
}, async () => {
  const { page, troubles } = await running.open(file);
  const articles = page.locator("article");
  await page.locator("#domain").selectOption("wikipedia");
  assert.equal(await page.locator("article[data-domain=wikipedia]").count(), await articles.count());
  assert.ok((await articles.count()) > 0);
  await page.locator("#domain").selectOption("");
  await page.locator("#verdict").selectOption("dropped");
  assert.equal(await page.locator("[data-side=kept]").isVisible(), false);
  assert.equal(await page.locator("[data-side=dropped]").isVisible(), true);
  await page.locator("#words").fill("XBOX nowhere");
  assert.equal(await articles.count(), 0);
  assert.match(await textOf(page, ".found"), /^0 kept and 0 dropped documents match/);
  await page.locator("#words").fill("tiny.jsonl");
  const all = Number(/(\d+) dropped/.exec(await textOf(page, ".found"))?.[1]);
  assert.equal(all, 15);
  assert.equal(await articles.count(), 8);
  await page.locator(".further").nth(0).click();
  assert.equal(await articles.count(), 15);
  const unfold = page.locator("[data-side=dropped] .unfold").nth(0);
  await unfold.click();
  assert.equal(await unfold.getAttribute("aria-expanded"), "true");
  const first = page.locator("[data-side=dropped] article").nth(0);
  await first.locator("summary").focus();
  await page.keyboard.press("Enter");
  const numbers = (await first.locator(".parts tbody .number").allInnerTexts()).map((text) =>
    Number(text.replace("\u2212", "-")),
  );
  const score = Number(await first.getAttribute("data-score")) / 65_536;
  assert.ok(numbers.length > 10);
  assert.ok(Math.abs(numbers.reduce((sum, n) => sum + n, 0) - score) < 0.0005 * numbers.length);
  assert.ok((await page.locator("article mark.to-drop").count()) > 10);
  assert.deepEqual(troubles, []);
});

test("every field has a name, headings and regions are there, and a narrow window scrolls up and down alone", {
  skip: missing,
}, async () => {
  const { page, troubles } = await running.open(file);
  const nameless =
    "[...document.querySelectorAll('input, select, button, summary, svg')].filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label'))).map((e) => e.outerHTML)";
  assert.deepEqual(await page.evaluate(nameless), []);
  assert.equal(await page.locator("h1").count(), 1);
  assert.equal(await page.locator("h2").count(), 2);
  const reached: string[] = [];
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate("document.activeElement.id || document.activeElement.tagName"));
  }
  for (const id of ["cut", "command", "domain", "verdict", "words"])
    assert.ok(reached.includes(id), `${id} of ${reached}`);
  await page.setViewportSize({ width: 360, height: 780 });
  assert.ok((await page.evaluate<number>("document.documentElement.scrollWidth")) <= 360);
  await picture(page, "inspect-narrow");
  assert.deepEqual(troubles, []);
});

test("markup in a text or a name is shown and never run", { skip: missing }, async () => {
  const wild = [
    '</script><script>alert(1)</script><img src="https://example.com/x.png" onerror="alert(2)">',
    `javascript:alert(3) ${"w".repeat(300_000)}`,
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \u0007",
  ];
  writeFile(
    join(folder, "wild/<i onload=alert(4)>.jsonl"),
    wild.map((text) => lineOf(text, "RedPajamaC4")).join(""),
  );
  const out = join(folder, "wild-shards");
  await build({ inputs: [join(folder, "wild")], out, drop: "ads=0.5:documents", validationTokens: 0 });
  const page = join(folder, "wild.html");
  await write(out, page);
  const opened = await running.open(page);
  const texts = await opened.page.locator("article .text").allInnerTexts();
  assert.ok(texts.includes(wild[0]!));
  assert.ok(
    texts.some((text) => text.startsWith("javascript:alert(3) www") && /\d characters more$/.test(text)),
  );
  assert.ok(
    texts.includes("\u27e8U+202E\u27e9right to left\u27e8U+202C\u27e9 \u05e9\u05dc\u05d5\u05dd \u2407"),
  );
  assert.equal(await opened.page.evaluate("document.querySelectorAll('img, i, main script').length"), 0);
  await opened.page.setViewportSize({ width: 360, height: 780 });
  assert.ok((await opened.page.evaluate<number>("document.documentElement.scrollWidth")) <= 360);
  assert.deepEqual(opened.troubles, []);
});
