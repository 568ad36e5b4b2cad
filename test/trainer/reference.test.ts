import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { hashOf } from "../../core/hash.ts";
import { readManifest, type ShardManifest } from "../../samplers/index.ts";
import { measureReference, readReference, referenceFor } from "../../trainer/index.ts";
import { writeTinyShards } from "../samplers/tiny.ts";
import { temporaryFolder } from "../support.ts";
import { fakeTrainer, tinyRuns } from "./runs.ts";

const dir = temporaryFolder();
const shards = join(dir, "shards");
let manifest: ShardManifest;
let options: Awaited<ReturnType<typeof tinyRuns>>;
before(async () => {
  options = await tinyRuns(dir);
  manifest = await readManifest(shards);
});

// 128 tokens of validation in rows of 16 are 8 rows with 15 losses each.
const UNTRAINED = {
  web: { lossSum: 3 * 120, tokens: 120 },
  code: { lossSum: 3.25 * 120, tokens: 120 },
  books: { lossSum: 3.5 * 120, tokens: 120 },
};

describe("measureReference", () => {
  it("measures a model as it starts, and says what the losses belong to", async () => {
    const out = join(dir, "fresh.json");
    const report = await measureReference({
      shards,
      out,
      trainer: fakeTrainer("good"),
      model: "fake, untrained",
      evaluation: { rowTokens: 16 },
    });
    assert.deepEqual(report.losses, { web: 3, code: 3.25, books: 3.5 });
    assert.deepEqual(await readReference(out), {
      format: "headrace-reference/1",
      model: "fake, untrained",
      tokenizer: manifest.tokenizer.sha256,
      validation: hashOf(
        manifest.shards.filter(({ split }) => split === "validation").map(({ sha256 }) => sha256),
      ),
      domains: UNTRAINED,
    });
  });

  it("takes no more tokens of a domain than it is told", async () => {
    const report = await measureReference({
      shards,
      out: join(dir, "short.json"),
      trainer: fakeTrainer("good"),
      evaluation: { rowTokens: 10, tokensPerDomain: 39 },
    });
    assert.deepEqual(report.tokens, { web: 27, code: 27, books: 27 });
  });

  it("measures the end of a training on a fixed mix, or the checkpoint that it left", async () => {
    const { out: run, policy: _, trainer: __, shards: ___, reference: ____, ...training } = options("good");
    const trained = await measureReference({
      shards,
      out: join(dir, "trained.json"),
      trainer: fakeTrainer("good"),
      train: { ...training, out: run, policy: "uniform" },
    });
    assert.ok(trained.losses["web"]! < 3 && trained.losses["web"]! > 2.9, JSON.stringify(trained.losses));
    const again = await measureReference({
      shards,
      out: join(dir, "again.json"),
      trainer: fakeTrainer("good"),
      checkpoints: join(run, "checkpoints"),
      evaluation: { rowTokens: 16 },
    });
    assert.deepEqual(again.losses, trained.losses);
  });

  it("writes nothing when the trainer fails or misses a domain", async () => {
    for (const [mode, expected] of [
      ["nan", { code: "ERR_LOSS", message: /has loss NaN for domain "code"/ }],
      ["forgets", { code: "ERR_LOSS", message: /no loss for domain "code"/ }],
      ["exits-at-once", { code: "ERR_TRAINER", message: /exited with code 3 before its loss report/ }],
    ] as const) {
      const out = join(dir, `${mode}.json`);
      await assert.rejects(measureReference({ shards, out, trainer: fakeTrainer(mode) }), expected);
      assert.ok(!existsSync(out));
    }
  });

  it("refuses a mix that moves, and shards without validation", async () => {
    const { trainer: _, shards: __, ...training } = options("good");
    await assert.rejects(
      measureReference({ shards, out: join(dir, "x.json"), trainer: fakeTrainer("good"), train: training }),
      { code: "ERR_ARGUMENT", message: /dynamic-uniform moves/ },
    );
    const blind = join(dir, "blind");
    await writeTinyShards(blind, undefined, { web: 0, code: 0, books: 0 });
    await assert.rejects(
      measureReference({ shards: blind, out: join(dir, "x.json"), trainer: fakeTrainer("good") }),
      { code: "ERR_DOMAIN", message: /no validation stream in any domain/ },
    );
  });
});

describe("referenceFor", () => {
  it("warns of a preset, which was measured elsewhere", async () => {
    const { reference, warning } = await referenceFor("llama-2-7b", manifest);
    assert.ok(reference.losses["c4" as never]! > 1);
    assert.match(warning!, /belong to another model, tokenizer and validation set/);
  });

  it("takes a file that was measured here, and refuses one of another tokenizer or validation split", async () => {
    const path = join(dir, "reference.json");
    const { reference, warning } = await referenceFor(path, manifest);
    assert.deepEqual(reference.losses, { web: 3, code: 3, books: 3 });
    assert.equal(warning, null);
    for (const [field, message] of [
      ["tokenizer", /was measured with tokenizer abab.*these shards have 0000/],
      ["validation", /was measured with validation split abab/],
    ] as const) {
      const other = join(dir, `other-${field}.json`);
      writeFileSync(
        other,
        JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), [field]: "ab".repeat(32) }),
      );
      await assert.rejects(referenceFor(other, manifest), { code: "ERR_LOSS", message });
    }
  });

  it("says what is there when nothing of that name is", async () => {
    await assert.rejects(referenceFor("lama", manifest), {
      code: "ERR_INPUT",
      message: /or name one of llama-2-7b/,
    });
  });
});
