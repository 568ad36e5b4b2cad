import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { openSampler } from "../../samplers/index.ts";
import { beginRun } from "../../trainer/index.ts";
import { lineOf, writeFile } from "../pipeline/corpus.ts";
import { ROOT, temporaryFolder } from "../support.ts";

function where(...args: readonly string[]) {
  const run = spawnSync(process.execPath, [join(ROOT, "scripts/headrace.ts"), "where", ...args], {
    encoding: "utf8",
  });
  return { status: run.status, out: run.stdout, said: run.stderr.trim() };
}

/** Shards of two small domains with a text that occurs once, and a run of 50 batches over them. */
async function makeRun(folder: string): Promise<{ readonly run: string; readonly shards: string }> {
  const shards = join(folder, "shards");
  const text = (i: number) => `document number ${i} of a plain little corpus ${"word ".repeat(i % 9)}`;
  const lines = Array.from({ length: 60 }, (_, i) =>
    lineOf(i === 17 ? "zebra quagga okapi" : text(i), "RedPajamaC4"),
  );
  writeFile(join(folder, "in/a.jsonl"), lines.join(""));
  writeFile(join(folder, "in/b.jsonl"), lineOf("a book about something", "RedPajamaBook").repeat(40));
  const built = spawnSync(
    process.execPath,
    [
      join(ROOT, "scripts/headrace.ts"),
      "build",
      join(folder, "in"),
      "--out",
      shards,
      "--validation-tokens",
      "0",
    ],
    { encoding: "utf8" },
  );
  assert.equal(built.status, 0, built.stderr);
  const run = join(folder, "run");
  await beginRun({
    shards,
    out: run,
    policy: "uniform",
    tokens: 16 * 4 * 50,
    rowTokens: 16,
    batchRows: 4,
    seed: 3,
  });
  return { run, shards };
}

test("where names the rows that hold a document's tokens, and which of their batches were acknowledged", async () => {
  const { run, shards } = await makeRun(temporaryFolder());
  const { status, out } = where(run, "a.jsonl:18", "--shards", shards, "--json");
  assert.equal(status, 0);
  const { places, rows } = JSON.parse(out);
  assert.equal(places.length, 1);
  assert.deepEqual([places[0].split, places[0].domain], ["train", "c4"]);
  assert.ok(rows.length > 1);

  const sampler = await openSampler({ run, shards });
  const stream = new Map<string, number[]>();
  for (let k = 0; k < 50; k++) {
    const batch = await sampler.batch(k);
    for (let row = 0; row < batch.rows; row++)
      stream.set(`${k}:${row}`, [...batch.tokens.subarray(row * batch.width, (row + 1) * batch.width)]);
  }
  sampler.close();
  const counts = (tokens: readonly number[]) => tokens.filter((token) => rare.has(token)).length;
  // Ids that only this document has: the rows that hold them are those that were named for them.
  const named = new Set(
    rows.map(({ batch, place }: { batch: number; place: number }) => `${batch}:${place}`),
  );
  const elsewhere = new Set([...stream].filter(([key]) => !named.has(key)).flatMap(([, tokens]) => tokens));
  const rare = new Set(
    [...named].flatMap((key) => stream.get(key as string)!).filter((token) => !elsewhere.has(token)),
  );
  assert.ok(rare.size >= 3, `${rare.size}`);
  assert.ok([...named].some((key) => counts(stream.get(key as string)!) >= 3));

  const shown = where(run, "a.jsonl:18", "--shards", shards);
  assert.match(shown.said, /^train {2}c4 {2}\d+ tokens from \d+ of the stream, train\/c4\/00000\.arrow\n/);
  assert.match(shown.said, /\nserved in 0 batches, planned in \d+ more$/);
});

test("where says what it does not find, and refuses what names no document", async () => {
  const { run, shards } = await makeRun(temporaryFolder());
  const absent = where(run, "a.jsonl:999", "--shards", shards);
  assert.equal(absent.status, 0);
  assert.match(absent.said, /^a\.jsonl:999 is in no shard of .*\nserved in 0 batches$/);
  const wrong = where(run, "a.jsonl", "--shards", shards);
  assert.equal(wrong.status, 2);
  assert.match(wrong.said, /document is "a\.jsonl"; write SOURCE:LINE/);
});
