import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type OwnDocument,
  type OwnFilter,
  openOwnFilter,
  ownColumn,
  ownScore,
  parseOwnSpec,
  SCORE_UNIT,
} from "../../filters/index.ts";
import { codePoints } from "../../filters/own/length.ts";
import { regexFilter } from "../../filters/own/regex.ts";
import { hostOf } from "../../filters/own/urls.ts";
import { ROOT, temporaryFolder } from "../support.ts";

const root = temporaryFolder();

function document(text: string, url: string | null = null): OwnDocument {
  return { text, url, source: "a.jsonl", line: 1, domain: "c4", tokens: Uint16Array.of(5, 6, 7) };
}

function open(spec: string): Promise<OwnFilter> {
  return openOwnFilter(parseOwnSpec(spec));
}

/** A file of the test's own; the path is new each time, for a module is loaded once. */
function written(name: string, content: string): string {
  const path = join(root, name);
  writeFileSync(path, content);
  return path;
}

async function valuesOf(spec: string, ...texts: readonly string[]) {
  return (await open(spec)).values(texts.map((text) => document(text)));
}

test("a specification says name, kind, value, direction and settings; a pattern may hold colons, commas and equals signs", () => {
  const { settings, ...spec } = parseOwnSpec("rx=regex:a:b{1,2},c:high,cut=3,flags=iu");
  assert.deepEqual(
    [spec.name, spec.kind, spec.value, spec.dropWhen, Object.fromEntries(settings)],
    ["rx", "regex", "a:b{1,2},c", "high", { cut: "3", flags: "iu" }],
  );
  assert.deepEqual(
    ["mine=./mine.ts", "mine=function:x.mjs:low", "mine=c:/own/mine.mts,cut=1"]
      .map(parseOwnSpec)
      .map(({ kind, value, dropWhen }) => [kind, value, dropWhen]),
    [
      ["function", "./mine.ts", null],
      ["function", "x.mjs", "low"],
      ["function", "c:/own/mine.mts", null],
    ],
  );
});

test("what is wrong with a specification is one line with the way out", async () => {
  for (const [spec, code, message] of [
    ["length:words", "ERR_ARGUMENT", /has another form; write NAME=KIND:VALUE:high or :low/],
    ["x=thing:words:high", "ERR_ARGUMENT", /does not say what "thing:words" is; kinds are .*length/],
    ["x=length:words", "ERR_ARGUMENT", /does not say whether high or low values are dropped/],
    ["x=length:pages:high", "ERR_ARGUMENT", /measures "pages"; there are characters, bytes/],
    ["x=length:words:high,cat=3", "ERR_ARGUMENT", /has the setting "cat=3"; length has cut, scale/],
    ["x=length:words:high,cut=", "ERR_ARGUMENT", /has cut=; give a number/],
    ["x=length:words:high,scale=0", "ERR_ARGUMENT", /has the scale 0; it is above 0/],
    ["x=length:words:high,cut=256000", "ERR_ARGUMENT", /has the cut 256000, which is no score/],
    ["x=length:words:high,missing=no", "ERR_ARGUMENT", /has missing=no; it is keep or quarantine/],
    ["x=length:words:high,band=ads", "ERR_ARGUMENT", /has band=ads; write band=FILTER:FROM\.\.TO/],
    ["x=length:words:high,band=ads:2..1", "ERR_ARGUMENT", /has band=ads:2\.\.1; write/],
    ["x=regex:(:high", "ERR_ARGUMENT", /is no regular expression: .*[Uu]nterminated group/],
    ["x=regex:a,flags=y", "ERR_ARGUMENT", /has flags=y; there are i, m, s, u and v/],
    ["x=regex:a,measure=sum", "ERR_ARGUMENT", /has measure=sum; it is count, share, lines/],
    ["x=regex:@/no/such/file", "ERR_INPUT", /filter "x": \/no\/such\/file cannot be read \(ENOENT/],
    ["x=url-domains:/no/such/list", "ERR_INPUT", /\/no\/such\/list cannot be read \(ENOENT/],
    [`x=url-domains:${written("empty.txt", "# none\n")}`, "ERR_FILTER", /lists nothing; write one entry/],
    [`x=url-domains:${written("bad.txt", "a.com\nb.com/c\n")}`, "ERR_FILTER", /line 2 of .* is "b\.com\/c"/],
    [`x=url-words:${written("two.txt", "free money\n")}`, "ERR_FILTER", /is "free money", which is no word/],
    ["x=./no-such.ts", "ERR_INPUT", /filter "x": .*no-such\.ts cannot be read \(ENOENT/],
    [`x=${written("syntax.ts", "export const filter = {")}`, "ERR_INPUT", /syntax\.ts cannot be loaded: /],
    [
      `x=${written("other.ts", "export const score = 1;")}`,
      "ERR_FILTER",
      /exports score; export a const filter/,
    ],
    [
      `x=${written("none.ts", 'export const filter = { dropWhen: "high" };')}`,
      "ERR_FILTER",
      /has neither score nor scoreBatch; give one of them/,
    ],
    [
      `x=${written("word.ts", 'export const filter = { dropWhen: "up", score: () => 1 };')}`,
      "ERR_PARSE",
      /filter of .*word\.ts\.dropWhen is "up"; expected one of high, low/,
    ],
  ] as const)
    await assert.rejects(async () => open(spec), { code, message }, spec);
});

test("lengths are counted in characters, bytes, words, lines and tokens; in the column they are thousands, and the longest is the end", async () => {
  const text = "Ünder the 🙂\n\nmill";
  const lengths = { characters: 17, bytes: 21, words: 4, lines: 3, tokens: 3 };
  for (const [unit, length] of Object.entries(lengths))
    assert.deepEqual(await valuesOf(`n=length:${unit}:low`, text), [length], unit);
  const words = await open("n=length:words:low,cut=200");
  assert.equal(ownScore(words, 1500), 1.5 * SCORE_UNIT);
  assert.equal(ownScore(words, 9_999_999), 2 ** 24 - 1);
  assert.equal(new Set([0, 1, 2, 255_998, 255_999].map((value) => ownScore(words, value))).size, 5);
  assert.equal(ownColumn(words).flagAt, ownScore(words, 200));
  assert.deepEqual(words.why!(document("a b")), ["2 words"]);
  assert.equal(codePoints("\ud800\ud83d\ude42\ude42"), 3);
});

test("a regular expression gives its matches, the share of characters that it matches, or of lines", async () => {
  const text = "buy now\nnothing here\nBUY it, buy it";
  assert.deepEqual(await valuesOf("r=regex:buy", text, "no"), [2, 0]);
  assert.deepEqual(await valuesOf("r=regex:buy,flags=iu", text), [3]);
  assert.deepEqual(await valuesOf("r=regex:^buy:low,flags=imu", text), [2]);
  assert.deepEqual(await valuesOf("r=regex:buy,measure=share,flags=i", text), [9 / 35]);
  assert.deepEqual(await valuesOf("r=regex:buy,measure=lines", text), [2 / 3]);
  assert.deepEqual(await valuesOf(`r=regex:@${written("p.txt", "buy\nnothing|here\n\n")}`, text), [4]);
  const many = await open("r=regex:x");
  assert.equal(ownScore(many, 1000), 2 ** 24 - 1);
  assert.deepEqual((await open("r=regex:b.y,flags=i")).why!(document(text)), ['"buy"', '"BUY"', '"buy"']);
});

test("a domain list covers the domains below it and no namesake; an address of any form has its host found", async () => {
  const list = written("domains.txt", "Example.com  # all of it\n\nsub.other.org\nbücher.example\n");
  const filter = await open(`d=url-domains:${list}`);
  const cases = [
    ["https://example.com/x", 1],
    ["http://WWW.EXAMPLE.com:8080/", 1],
    ["example.com.", 1],
    ["https://notexample.com/?q=example.com", 0],
    ["https://example.com.evil.net/", 0],
    ["https://other.org/", 0],
    ["https://a.sub.other.org/", 1],
    ["https://xn--bcher-kva.example/", 1],
    ["http://[bad", null],
    [null, null],
  ] as const;
  assert.deepEqual(
    filter.values(cases.map(([url]) => document("x", url))),
    cases.map(([, value]) => value),
  );
  assert.deepEqual(filter.why!(document("x", "https://a.sub.other.org/")), ["sub.other.org"]);
  assert.equal(ownScore(filter, null), 1 - 2 ** 24);
  assert.equal(ownScore(await open(`d=url-domains:${list}:low`), null), 2 ** 24 - 1);
  assert.equal(hostOf("ftp://a.b/c"), "a.b");
});

test("words of an address are whole words, decoded and in lower case", async () => {
  const filter = await open(`w=url-words:${written("words.txt", "casino\nПокер\n")}`);
  assert.deepEqual(
    filter.values(
      [
        "https://x.com/Casino-casino",
        "https://casinos.com/",
        "https://x.com/%D0%BF%D0%BE%D0%BA%D0%B5%D1%80?a=100%",
      ].map((url) => document("x", url)),
    ),
    [2, 0, 0],
  );
  assert.deepEqual(
    filter.values([document("x", "https://x.com/%D0%BF%D0%BE%D0%BA%D0%B5%D1%80"), document("x")]),
    [1, null],
  );
});

test("an expression that backtracks without end is stopped, and only the document that it fails on has no value", async () => {
  const filter = await regexFilter(parseOwnSpec("r=regex:(?:a|a)*c"), 0.2);
  const values = await filter.values([document("aac"), document("a".repeat(40)), document("c")]);
  const failed =
    "took longer than 0.2 s on this document: the expression backtracks without end; write it without nested repetition";
  assert.deepEqual(values, [1, { failed }, 1]);
});

test("a module is a filter: its numbers are values, the option goes before what it says, and what it throws is told", async () => {
  const path = join(ROOT, "fixtures/own/shouting.ts");
  const filter = await open(`loud=${path}`);
  assert.deepEqual(await filter.values([document("BUY it"), document("123")]), [3 / 5, 0]);
  assert.deepEqual(filter.why!(document("BUY it")), ["BUY"]);
  assert.deepEqual([filter.dropWhen, filter.cut], ["high", 0.3]);
  const turned = await open(`loud=${path}:low,cut=0.1`);
  assert.deepEqual([turned.dropWhen, turned.cut], ["low", 0.1]);
  assert.notEqual(filter.sha256, turned.sha256);

  const bad = await open(
    `bad=${written(
      "bad.ts",
      `export const filter = { dropWhen: "high", score({ text }) {
         if (text === "throw") throw new Error("no\\nway");
         return { nan: NaN, big: 300, word: "x", none: undefined, ok: 1.5 }[text];
       } };`,
    )}`,
  );
  const texts = ["throw", "nan", "big", "word", "none", "ok"];
  const values = await bad.values(texts.map((text) => document(text)));
  const reason = (value: (typeof values)[number]) => {
    const score = ownScore(bad, value);
    return typeof score === "number" ? score : `${score.code}: ${score.detail}`;
  };
  assert.deepEqual(values.map(reason), [
    'filter-failed: `bad` threw "no way"',
    "score-not-number: `bad` holds NaN, not a number; missing=keep lets such a record pass",
    "score-out-of-range: `bad` is 300, and with scale 1 a score lies between -256 and 256; give a larger scale",
    "score-not-number: `bad` holds a string, not a number; missing=keep lets such a record pass",
    "no-score: `bad` gave no value; missing=keep lets such a document pass",
    1.5 * SCORE_UNIT,
  ]);
});

test("a batch function that fails is asked document by document, so that the others keep their values", async () => {
  const filter = await open(
    `b=${written(
      "batch.ts",
      `export const filter = { dropWhen: "low", async scoreBatch(documents) {
         if (documents.some(({ text }) => text === "poison")) throw new Error("poison");
         return documents.map(({ text }) => text.length);
       } };`,
    )}`,
  );
  assert.deepEqual(await filter.values(["a", "bb"].map((text) => document(text))), [1, 2]);
  assert.deepEqual(await filter.values(["a", "poison", "bb"].map((text) => document(text))), [
    1,
    { failed: 'threw "poison"' },
    2,
  ]);
});

test("identity is what decides the values: the module, what it imports and names, name and options; not where it lies", async () => {
  const source = (more: string) =>
    `import { N } from "./part.ts";\nexport const filter = { dropWhen: "high", files: ["data.txt"], score: () => N };${more}`;
  const hashes = new Map<string, string>();
  const open1 = async (label: string, module: string, part: string, data: string, options = "") => {
    const folder = join(root, label);
    mkdirSync(folder);
    writeFileSync(join(folder, "m.ts"), module);
    writeFileSync(join(folder, "part.ts"), part);
    writeFileSync(join(folder, "data.txt"), data);
    hashes.set(label, (await open(`f=${join(folder, "m.ts")}${options}`)).sha256);
  };
  const part = "export const N = 1;";
  await open1("a", source(""), part, "x");
  await open1("same", source(""), part, "x");
  await open1("module", source("\n"), part, "x");
  await open1("import", source(""), `${part}\n`, "x");
  await open1("data", source(""), part, "y");
  await open1("cut", source(""), part, "x", ",cut=1");
  await open1("band", source(""), part, "x", ",band=ads:0..1");
  assert.equal(hashes.get("a"), hashes.get("same"));
  assert.equal(new Set(hashes.values()).size, hashes.size - 1);
});
