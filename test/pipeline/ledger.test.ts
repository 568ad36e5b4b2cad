import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { build, ledgerSummary, rebuildLedger } from "../../pipeline/index.ts";
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

test("a folder without tasks has no ledger to rebuild", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, ".build"));
  assert.throws(() => rebuildLedger(join(folder, ".build")), {
    code: "ERR_OUTPUT",
    message: /holds no tasks; name the output folder of a build/,
  });
});
