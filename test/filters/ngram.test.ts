import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type OwnDocument, openOwnFilter, parseOwnSpec } from "../../filters/index.ts";
import { readArpa } from "../../filters/own/ngram/arpa.ts";
import { ROOT, temporaryFolder } from "../support.ts";

const FOLDER = join(ROOT, "fixtures/own/ngram");
const MODEL = join(FOLDER, "trigrams.arpa");
const { answers } = JSON.parse(readFileSync(join(FOLDER, "answers.json"), "utf8")) as {
  readonly answers: readonly {
    readonly text: string;
    readonly log10: readonly number[];
    readonly total: number;
  }[];
};
const root = temporaryFolder();

function document(text: string): OwnDocument {
  return { text, url: null, source: "a.jsonl", line: 1, domain: "c4", tokens: Uint16Array.of() };
}

function written(name: string, content: string | Uint8Array): string {
  const path = join(root, name);
  writeFileSync(path, content);
  return path;
}

test("the scores of kenlm: every text's sum, with back-off, unknown words and marks in the text", async () => {
  const model = await readArpa(MODEL);
  let backedOff = 0;
  for (const { text, log10, total } of answers) {
    // kenlm takes a mark in the text for the mark itself; here it is a word that is not known.
    if (text.includes("<s>")) continue;
    const found = model.log10Of(text.split(" "));
    assert.equal(found.count, log10.length);
    assert.ok(Math.abs(found.log10 - total) < 1e-5 * found.count, `${text}: ${found.log10}, not ${total}`);
    if (log10.length > 5) backedOff++;
  }
  assert.ok(backedOff > 20);
  assert.equal(model.log10Of(["<s>", "</s>"]).log10, model.log10Of(["zz", "qq"]).log10);
});

test("a model made by hand: the formula, word by word", async () => {
  const path = written(
    "hand.arpa",
    "\\data\\\nngram 1=4\nngram 2=2\nngram 3=1\n\n\\1-grams:\n-1\t<unk>\t-0.25\n-99\t<s>\t-0.5\n-0.7\t</s>\n-0.4 a -0.125\n\n\\2-grams:\n-0.3\t<s> a\t-0.0625\n-0.2\ta a\n\n\\3-grams:\n-0.1\t<s> a a\n\n\\end\\\n",
  );
  const model = await readArpa(path);
  const sums = [
    // p(</s> | <s>) = backoff(<s>) p(</s>)
    ["", -0.5 - 0.7],
    // p(a|<s>), then backoff(<s> a) + backoff(a) + p(</s>)
    ["a", -0.3 + (-0.0625 - 0.125 - 0.7)],
    // p(a|<s>), p(a|<s> a), then a a: no weight; backoff(a) + p(</s>)
    ["a a", -0.3 - 0.1 + (-0.125 - 0.7)],
    // z is unknown after <s>; after z: p(a) with the weight of <unk>; then </s> after a
    ["z a", -0.5 - 1 + (-0.25 - 0.4) + (-0.125 - 0.7)],
  ] as const;
  for (const [text, sum] of sums) {
    const { log10 } = model.log10Of(text === "" ? [] : text.split(" "));
    assert.ok(Math.abs(log10 - sum) < 1e-6, `${text}: ${log10}, not ${sum}`);
  }
});

test("bits a token and a character of a document whose lines are sentences; letter case and blank lines", async () => {
  const [first, second] = [answers[0]!, answers[1]!];
  const text = `${first.text.toUpperCase()}\n\n${second.text}`;
  const bits = -(first.total + second.total) / Math.log10(2);
  const open = async (more: string) =>
    (
      await (
        await openOwnFilter(parseOwnSpec(`p=${MODEL}:high${more}`))
      ).values([document(text), document(" \n")])
    )[0] as number;
  assert.ok(Math.abs((await open(",case=lower")) - bits / (first.log10.length + second.log10.length)) < 1e-4);
  assert.ok(
    Math.abs(
      (await open(",case=lower,per=character")) - bits / (first.text.length + second.text.length + 2),
    ) < 1e-4,
  );
  assert.notEqual(await open(""), await open(",case=lower"));
  const filter = await openOwnFilter(parseOwnSpec(`p=${MODEL}:high`));
  assert.deepEqual((await filter.values([document(" \n")]))[0], null);
  const characters = await openOwnFilter(
    parseOwnSpec(
      `p=ngram:${written("c.arpa", "\\data\\\nngram 1=3\n\\1-grams:\n-1 <unk>\n-1 </s>\n-2 ▁\n\\end\\\n")}:high,by=characters`,
    ),
  );
  assert.ok(
    Math.abs(((await characters.values([document(" a  b ")]))[0] as number) - 5 / 4 / Math.log10(2)) < 1e-6,
  );
});

test("a gzipped model is the same model, and unlike an other one", async () => {
  const zipped = await openOwnFilter(
    parseOwnSpec(`p=${written("z.arpa.gz", gzipSync(readFileSync(MODEL)))}:high`),
  );
  const plain = await openOwnFilter(parseOwnSpec(`p=${MODEL}:high`));
  const texts = answers.map(({ text }) => document(text));
  assert.deepEqual(await zipped.values(texts), await plain.values(texts));
  const other = await openOwnFilter(parseOwnSpec(`p=${MODEL}:high,per=character`));
  assert.notEqual(plain.sha256, other.sha256);
});

test("what is no model, cut or damaged is one line with its place", async () => {
  const good = readFileSync(MODEL, "utf8");
  for (const [name, content, message] of [
    ["empty", "", /holds no \\data\\: it is no model in ARPA form/],
    ["text", "just some text\n", /holds no \\data\\/],
    ["half", good.slice(0, good.length / 2), /ends before \\end\\: it is cut/],
    ["few", good.replace(/^-.*\n/m, ""), /has \d+ 1-grams and says \d+: it is cut or damaged/],
    [
      "positive",
      good.replace(/^-\d[^\t]*\t<\/s>/m, "0.5\t</s>"),
      /has "0\.5\\t<\/s>.* expected log10 of a probability, 1 words/,
    ],
    ["word", good.replace(/^-(\d[^\t]*)\t<\/s>/m, "x\t</s>"), /has "x\\t<\/s>/],
    ["order", good.replace("\\2-grams:", "\\3-grams:"), /has "\\\\3-grams:" at line \d+, out of its order/],
    ["counts", good.replace("ngram 2=", "ngram 4="), /expected ngram 2=COUNT/],
  ] as const)
    await assert.rejects(readArpa(written(`${name}.arpa`, content)), { code: "ERR_FILTER", message }, name);
  await assert.rejects(readArpa(join(root, "none.arpa")), {
    code: "ERR_INPUT",
    message: /cannot be read \(ENOENT/,
  });
  await assert.rejects(readArpa(written("bad.arpa.gz", "no gzip")), {
    code: "ERR_INPUT",
    message: /incorrect header check/,
  });
});
