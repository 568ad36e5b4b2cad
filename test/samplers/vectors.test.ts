import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatted, vectors } from "../../fixtures/plan/make.ts";
import { parseSchedule } from "../../samplers/index.ts";
import { ROOT } from "../support.ts";

test("the committed plan vectors are what the code computes, to the byte", () => {
  assert.equal(readFileSync(join(ROOT, "fixtures/plan/vectors.json"), "utf8"), formatted());
});

test("every schedule of the vectors parses", () => {
  for (const { schedule } of vectors.schedules)
    assert.deepEqual(parseSchedule(JSON.parse(JSON.stringify(schedule))), schedule);
});
