import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { build, buildShard, ledgerSummary, rebuildLedger } from "../../pipeline/index.ts";
import { temporaryFolder } from "../support.ts";
import { writeCorpus } from "./corpus.ts";

test("a ledger rebuilt from the task manifests is the ledger of the build, also after its file was lost or broken", async () => {
  const folder = temporaryFolder();
  writeCorpus(join(folder, "in"), 3, 48);
  const out = join(folder, "out");
  const report = await build({ inputs: [join(folder, "in")], out, drop: "ads=0.5:documents" });
  const work = join(out, ".build");
  const rows = ledgerSummary(work);
  const documents = (outcome: string) =>
    rows.filter((row) => row.outcome === outcome).reduce((sum, row) => sum + row.documents, 0);
  assert.equal(documents("dropped:ads"), report.dropped["ads"]);
  assert.equal(documents("kept"), report.kept + report.heldOut);
  assert.equal(rebuildLedger(work), 3);
  assert.deepEqual(ledgerSummary(work), rows);
  writeFileSync(
    join(work, "ledger.sqlite"),
    "not a database, and longer than a hundred bytes so that SQLite looks at it ".repeat(4),
  );
  assert.equal(rebuildLedger(work), 3);
  rmSync(join(work, "ledger.sqlite"));
  rebuildLedger(work);
  assert.deepEqual(ledgerSummary(work), rows);
});

test("a ledger needs none of SQLite's locks: another that holds them stops neither a build nor a question", async () => {
  const folder = temporaryFolder();
  writeCorpus(join(folder, "in"), 3, 48);
  const options = { inputs: [join(folder, "in")], out: join(folder, "out") };
  await build(options);
  const work = join(options.out, ".build");
  const rows = ledgerSummary(work);
  const other = new Database(join(work, "ledger.sqlite"));
  other.exec("BEGIN EXCLUSIVE");
  assert.deepEqual(ledgerSummary(work), rows);
  await build({ ...options, replace: true });
  assert.deepEqual(ledgerSummary(work), rows);
  assert.equal(rebuildLedger(work), 3);
  other.close();
  assert.deepEqual(
    readdirSync(work).filter((name) => name.includes("ledger") && !name.endsWith("-journal")),
    ["ledger.sqlite"],
  );
});

test("the ledger of a build holds its tasks alone, not those of one with other options that was begun in its folder", async () => {
  const folder = temporaryFolder();
  writeCorpus(join(folder, "in"), 3, 48);
  const options = { inputs: [join(folder, "in")], out: join(folder, "out") };
  await buildShard({ ...options, eos: true }, { index: 1, count: 1 });
  const work = join(options.out, ".build");
  assert.equal(rebuildLedger(work), 3);
  writeCorpus(join(folder, "in"), 2, 48);
  rmSync(join(folder, "in/example_train_2.jsonl.zst"));
  const { read } = await build(options);
  assert.equal(
    ledgerSummary(work).reduce((sum, { documents }) => sum + documents, 0),
    read,
  );
});

test("a folder without tasks has no ledger to rebuild", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, ".build"));
  assert.throws(() => rebuildLedger(join(folder, ".build")), {
    code: "ERR_OUTPUT",
    message: /holds no tasks; name the output folder of a build/,
  });
  assert.throws(() => ledgerSummary(join(folder, ".build")), {
    code: "ERR_INPUT",
    message: /ledger\.sqlite cannot be read: ENOENT.*; make it again with "headrace ledger"$/,
  });
});
