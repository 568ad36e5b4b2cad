/**
 * The PyTorch trainer's own tests.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { it } from "node:test";
import { pytestDone, python, ROOT } from "../support.ts";

const pytest = python("numpy", "torch", "pytest", "safetensors", "transformers");

it("its own tests pass", { skip: pytest.missing || pytestDone }, () => {
  const flags = ["-q", "-p", "no:cacheprovider", "tests/test_train.py", "tests/test_moe.py"];
  const { status, stdout } = spawnSync(pytest.command, ["-B", "-m", "pytest", ...flags], {
    cwd: join(ROOT, "trainer/python"),
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /\d{2,} passed/);
});
