import assert from "node:assert/strict";
import { test } from "node:test";
import { gathered } from "../../pipeline/progress.ts";
import type { TaskProgress } from "../../pipeline/task.ts";

const step = (n: number): TaskProgress => ({
  bytes: n,
  documents: 10 * n,
  tokens: 100 * n,
  dropped: 1_000 * n,
  quarantined: 10_000 * n,
});

test("steps that come close together are passed on as their sum, and none is lost", () => {
  const passed: TaskProgress[] = [];
  const steps = gathered((sum) => passed.push(sum), Number.POSITIVE_INFINITY);
  for (const n of [1, 2, 3]) steps.add(step(n));
  assert.deepEqual(passed, []);
  steps.rest();
  steps.rest();
  steps.add(step(4));
  steps.rest();
  assert.deepEqual(passed, [step(6), step(4)]);
});

test("a step that comes when it is time is passed on with those before it", () => {
  const passed: TaskProgress[] = [];
  const steps = gathered((sum) => passed.push(sum), 0);
  steps.add(step(1));
  steps.add(step(2));
  assert.deepEqual(passed, [step(1), step(2)]);
});
