import assert from "node:assert/strict";
import { test } from "node:test";
import { ahead } from "../../pipeline/ahead.ts";

/** Yields 0, 1, …, says what it was asked for, throws before `failAt`, and says when it is closed. */
async function* counting(log: string[], count: number, failAt = -1): AsyncGenerator<number> {
  try {
    for (let i = 0; i < count; i++) {
      log.push(`asked ${i}`);
      if (i === failAt) throw new Error(`no ${i}`);
      yield i;
    }
  } finally {
    log.push("closed");
  }
}

test("items come in order, each asked for while the one before is in hand", async () => {
  const log: string[] = [];
  for await (const item of ahead(counting(log, 3))) log.push(`got ${item}`);
  assert.deepEqual(log, ["asked 0", "asked 1", "got 0", "asked 2", "got 1", "closed", "got 2"]);
});

test("an error comes after the items before it", async () => {
  const log: string[] = [];
  const read = async () => {
    for await (const item of ahead(counting(log, 3, 2))) {
      await new Promise((resolve) => setImmediate(resolve));
      log.push(`got ${item}`);
    }
  };
  await assert.rejects(read, /^Error: no 2$/);
  assert.deepEqual(
    log.filter((line) => line.startsWith("got")),
    ["got 0", "got 1"],
  );
});

test("ending early closes the source", async () => {
  const log: string[] = [];
  for await (const item of ahead(counting(log, 9))) if (item === 1) break;
  assert.deepEqual(log, ["asked 0", "asked 1", "asked 2", "closed"]);
});
