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

test("a task holds about 256 MB of text, a small corpus makes about 32 of them", () => {
  const large = planTasks(
    [{ role: "train", files: Array.from({ length: 1000 }, (_, i) => file(String(i), 100_000_000)) }],
    {},
  );
  assert.ok(large.every(({ files }) => files.length === 2));
  const small = planTasks(
    [{ role: "train", files: Array.from({ length: 64 }, (_, i) => file(String(i), 1000)) }],
    {},
  );
  assert.equal(small.length, 32);
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
