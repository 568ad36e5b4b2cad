import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../support.ts";

const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

test("the nouns refuse at compile time what they must refuse", () => {
  const run = spawnSync(process.execPath, [TSC, "-p", "test/types/tsconfig.json"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.equal(run.stdout, "");
  assert.equal(run.status, 0);
});
