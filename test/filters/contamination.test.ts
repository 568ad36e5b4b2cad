import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mix32 } from "../../core/random.ts";
import { type OwnDocument, openOwnFilter, parseOwnSpec } from "../../filters/index.ts";
import { temporaryFolder } from "../support.ts";

const root = temporaryFolder();
const QUESTION =
  "Which of the two wheels, the upper or the lower one, turns first when the sluice is opened?";

function document(text: string): OwnDocument {
  return { text, url: null, source: "a.jsonl", line: 1, domain: "c4", tokens: Uint16Array.of() };
}

function written(name: string, content: string): string {
  const path = join(root, name);
  writeFileSync(path, content);
  return path;
}

function open(path: string, more = "") {
  return openOwnFilter(parseOwnSpec(`seen=contamination:${path}${more}`));
}

test("13 words in a row of an evaluation text are found, in any case and punctuation; 12 are not; what matched is said", async () => {
  const path = written(
    "eval.jsonl",
    `${JSON.stringify({ id: 7, question: QUESTION, choices: ["upper", "lower"] })}\n`,
  );
  const filter = await open(path);
  const words = QUESTION.toLowerCase().match(/\w+/g)!;
  const texts = [
    `before ${QUESTION.toUpperCase().replaceAll(" ", " - ")} after`,
    `x ${words.slice(2, 15).join(" ")} y`,
    `x ${words.slice(2, 14).join(" ")} y ${words.slice(3, 15).join("\n")}`,
    `${words.slice(0, 6).join(" ")} not ${words.slice(6).join(" ")}`,
  ];
  assert.deepEqual(await filter.values(texts.map(document)), [words.length - 12, 1, 0, 0]);
  assert.deepEqual(filter.why!(document(texts[1]!)), [`${path}:1: ${words.slice(2, 15).join(" ")}`]);
  assert.deepEqual(filter.why!(document(texts[2]!)), []);
});

test("a text of 8 to 12 words is looked for whole, a shorter one not at all; n and least can be said", async () => {
  const nine = "the mill race runs dry every year in may";
  const path = written("short.txt", `${nine}\n\nfive words and no more\n`);
  const texts = [`so ${nine} they say`, nine.slice(4), "five words and no more"].map(document);
  assert.deepEqual(await (await open(path)).values(texts), [1, 0, 0]);
  assert.deepEqual(await (await open(path, ",n=5")).values(texts), [5, 4, 1]);
  assert.deepEqual(await (await open(path, ",least=5")).values(texts), [1, 0, 1]);
  assert.notEqual((await open(path)).sha256, (await open(path, ",n=12")).sha256);
});

test("the count is what comparing every run of words with every other gives", async () => {
  const say = (seed: number, count: number) =>
    Array.from({ length: count }, (_, i) => "abc"[mix32(seed * 7919 + i) % 3]!).join(" ");
  const items = [1, 2, 3, 4].map((seed) => say(seed, 9 + seed));
  const filter = await open(written("random.txt", items.join("\n")), ",n=5,least=3");
  for (let seed = 10; seed < 40; seed++) {
    const text = say(seed, 60).split(" ");
    const isIn = (from: number) => {
      const run = text.slice(from, from + 5);
      return run.length === 5 && items.some((item) => ` ${item} `.includes(` ${run.join(" ")} `));
    };
    assert.deepEqual(await filter.values([document(text.join(" "))]), [
      text.filter((_, i) => isIn(i)).length,
    ]);
  }
});

test("a folder stands for its files; nothing to look for and lines that are no JSON are refused", async () => {
  const folder = join(root, "sets");
  mkdirSync(join(folder, "a"), { recursive: true });
  writeFileSync(join(folder, "a", "one.txt"), QUESTION);
  writeFileSync(join(folder, "notes.md"), "the notes are not looked at by anybody here at all, never once");
  assert.ok(((await (await open(folder)).values([document(QUESTION)]))[0] as number) > 0);
  mkdirSync(join(root, "none"));
  for (const [path, code, message] of [
    [join(root, "none"), "ERR_FILTER", /holds no \.txt or \.jsonl file/],
    [join(root, "absent"), "ERR_INPUT", /absent cannot be read \(ENOENT/],
    [written("few.txt", "too few words"), "ERR_FILTER", /the 1 texts of .* have fewer than 8 words each/],
    [written("bad.jsonl", "{}\n{"), "ERR_PARSE", /bad\.jsonl:2 is not JSON/],
  ] as const)
    await assert.rejects(open(path), { code, message });
  await assert.rejects(open(folder, ",n=5,least=6"), {
    code: "ERR_ARGUMENT",
    message: /has n=5 and least=6/,
  });
  await assert.rejects(open(folder, ",n=2.5"), {
    code: "ERR_ARGUMENT",
    message: /give a whole number from 1/,
  });
});
