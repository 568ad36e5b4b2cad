import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { InputFile } from "../../pipeline/inputs.ts";
import { planTasks } from "../../pipeline/plan.ts";

function file(source: string, bytes: number): InputFile {
  return { path: `/in/${source}`, source, bytes, modified: 7, format: "jsonl" };
}

test("tasks hold every file once, in order, and their keys differ", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 300_000_000 }), { maxLength: 60 }), (sizes) => {
      const files = sizes.map((bytes, i) => file(String(i), bytes));
      const tasks = planTasks([{ role: "train", files }], {});
      assert.deepEqual(
        tasks.flatMap((task) => task.files),
        files,
      );
      assert.deepEqual(
        tasks.map(({ task }) => task),
        tasks.map((_, i) => i),
      );
      assert.equal(new Set(tasks.map(({ key }) => key)).size, tasks.length);
    }),
  );
});

test("a task holds about 268 MB of text, and a small corpus makes some dozens of them", () => {
  const textOf = (files: readonly InputFile[]) => files.reduce((sum, { bytes }) => sum + bytes, 0);
  const planned = (count: number, bytes: number) =>
    planTasks(
      [{ role: "train", files: Array.from({ length: count }, (_, i) => file(String(i), bytes)) }],
      {},
    );
  const large = planned(4000, 20_000_000);
  const mean = 80_000_000_000 / large.length;
  assert.ok(mean > 0.6 * 2 ** 28 && mean < 1.1 * 2 ** 28, `${mean}`);
  assert.ok(large.every(({ files }) => textOf(files) <= 1.5 * 2 ** 28));
  for (const count of [64, 100, 1000]) {
    const { length } = planned(count, 1000);
    assert.ok(length >= 16 && length <= 64, `${length} tasks`);
  }
  assert.equal(planned(3, 2 ** 40).length, 3);
});

test("a file that is added or removed leaves nearly all other tasks alone, wherever it is", () => {
  const files = Array.from({ length: 600 }, (_, i) =>
    file(String(10_000 + 2 * i), 5_000_000 + 37_000 * (i % 900)),
  );
  const keysOf = (of: readonly InputFile[]) =>
    planTasks([{ role: "train", files: of }], {}).map(({ key }) => key);
  const before = keysOf(files);
  let most = 0;
  let sum = 0;
  for (let at = 0; at <= files.length; at++) {
    const added = keysOf([
      ...files.slice(0, at),
      file(String(10_001 + 2 * at), 12_345_678),
      ...files.slice(at),
    ]);
    const fresh = added.filter((key) => !before.includes(key)).length;
    most = Math.max(most, fresh);
    sum += fresh;
    assert.ok(fresh > 0);
  }
  assert.ok(before.length > 30, `${before.length} tasks`);
  assert.ok(sum / 601 < 3, `${sum / 601} new tasks on average`);
  assert.ok(most <= 10, `${most} new tasks`);
});

test("a key changes with the size, the time and the name of an input, the role, and what was decided, and with nothing else", () => {
  const key = (
    files: InputFile[],
    decided: unknown = { a: 1, b: 2 },
    role: "train" | "validation" = "train",
  ) => planTasks([{ role, files }], decided)[0]!.key;
  const base = key([file("x", 5)]);
  assert.equal(key([{ ...file("x", 5), path: "/elsewhere/x" }], { b: 2, a: 1 }), base);
  const changed = [
    key([file("x", 6)]),
    key([file("y", 5)]),
    key([{ ...file("x", 5), modified: 8 }]),
    key([file("x", 5)], { a: 1 }),
    key([file("x", 5)], undefined, "validation"),
  ];
  assert.equal(new Set([base, ...changed]).size, 6);
});
