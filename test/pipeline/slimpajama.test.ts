import assert from "node:assert/strict";
import { test } from "node:test";
import { SLIMPAJAMA_DOMAINS } from "../../core/domain.ts";
import { DOMAIN_NAMES, domainOfPath } from "../../pipeline/slimpajama.ts";

const of = (source: string) => domainOfPath(source, DOMAIN_NAMES);

test("the names of SlimPajama, LLaMA-MoE and LLM-Shearing mean the seven domains, in one order", () => {
  for (const names of [
    [
      "RedPajamaCommonCrawl",
      "RedPajamaC4",
      "RedPajamaGithub",
      "RedPajamaWikipedia",
      "RedPajamaBook",
      "RedPajamaArXiv",
      "RedPajamaStackExchange",
    ],
    ["en_cc", "en_c4", "github", "en_wikipedia", "en_book", "en_arxiv", "en_stack"],
    ["cc", "c4-rp", "github", "wiki", "book", "arxiv", "stackexchange"],
    SLIMPAJAMA_DOMAINS,
  ])
    assert.deepEqual(
      names.map((name) => DOMAIN_NAMES.get(name)),
      SLIMPAJAMA_DOMAINS,
    );
});

test("a folder names the domain of the files under it", () => {
  assert.equal(of("train/RedPajamaArXiv/part-0/x.jsonl.zst"), "arxiv");
  assert.equal(of("en_stack/0001.jsonl"), "stackexchange");
  assert.equal(of("train/chunk1/example_train_0.jsonl.zst"), null);
});

test("a file's name names its domain, with or without a running number", () => {
  assert.equal(of("by-domain/cc.jsonl.zst"), "commoncrawl");
  assert.equal(of("c4.jsonl"), "c4");
  assert.equal(of("c4-00012-of-01024.json.gz"), "c4");
  assert.equal(of("en_book_3.jsonl.gz"), "book");
  assert.equal(of("c4-part-7.jsonl"), "c4");
  assert.equal(of("c4x.jsonl"), null);
  assert.equal(of("notebook.jsonl"), null);
});

test("the name nearest to the record wins", () => {
  assert.equal(of("github/wikipedia/book.jsonl"), "book");
  assert.equal(of("github/wikipedia/x.jsonl"), "wikipedia");
});
