import assert from "node:assert/strict";
import fs, { readdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { writeFileOnce, writeFileWhole } from "../../core/commit.ts";
import { temporaryFolder } from "../support.ts";

/** Makes a function of `node:fs/promises` fail as a system does, until what it returns is called. */
function failing(t: TestContext, name: "rename" | "link" | "open", code: string, done = false): () => void {
  const original = fs.promises[name] as (...given: unknown[]) => Promise<unknown>;
  const mocked = t.mock.method(fs.promises, name, async (...given: unknown[]) => {
    if (done) await original(...given);
    throw Object.assign(new Error(`${code}: it fails`), { code });
  });
  syncBuiltinESMExports();
  return () => {
    mocked.mock.restore();
    syncBuiltinESMExports();
  };
}

test("of many that write a file once exactly one does, and all see its bytes", async () => {
  const path = join(temporaryFolder(), "deep/file");
  const made = await Promise.all(Array.from({ length: 8 }, (_, i) => writeFileOnce(path, `by ${i}`)));
  assert.equal(made.filter(Boolean).length, 1);
  assert.equal(readFileSync(path, "utf8"), `by ${made.indexOf(true)}`);
  assert.equal(await writeFileOnce(path, "late"), false);
  assert.deepEqual(readdirSync(join(path, "..")), ["file"]);
});

test("a link that was made although the file server says that it exists has made the file", async (t) => {
  const path = join(temporaryFolder(), "file");
  const restore = failing(t, "link", "EEXIST", true);
  assert.equal(await writeFileOnce(path, "mine"), true);
  restore();
  assert.equal(readFileSync(path, "utf8"), "mine");
});

test("what a file system refuses is one line that names the file, and what was there stays", async (t) => {
  const folder = temporaryFolder();
  const path = join(folder, "file");
  await writeFileWhole(path, "before");
  for (const [name, code] of [
    ["rename", "EXDEV"],
    ["rename", "EROFS"],
    ["open", "EACCES"],
    ["open", "ENOLCK"],
  ] as const) {
    const restore = failing(t, name, code);
    await assert.rejects(writeFileWhole(path, "after"), {
      name: "HeadraceError",
      code: "ERR_OUTPUT",
      message: `cannot write ${path}: ${code}: it fails; free space or permit writing there, then run again`,
    });
    restore();
  }
  const restore = failing(t, "link", "EPERM");
  await assert.rejects(writeFileOnce(join(folder, "other"), "x"), {
    code: "ERR_OUTPUT",
    message: /cannot write .*other: EPERM: it fails; /,
  });
  restore();
  assert.deepEqual(readdirSync(folder), ["file"]);
  assert.equal(readFileSync(path, "utf8"), "before");
});

test("a file system that cannot flush a folder is written to all the same, one whose flush fails is not", async (t) => {
  const folder = temporaryFolder();
  const handle = await open(folder);
  const prototype = Object.getPrototypeOf(handle) as { sync(this: typeof handle): Promise<void> };
  await handle.close();
  const sync = prototype.sync;
  let code = "EINVAL";
  t.mock.method(prototype, "sync", async function (this: typeof handle) {
    if ((await this.stat()).isDirectory()) throw Object.assign(new Error(`${code}: fsync`), { code });
    await sync.call(this);
  });
  await writeFileWhole(join(folder, "file"), "whole");
  assert.equal(readFileSync(join(folder, "file"), "utf8"), "whole");
  code = "EIO";
  await assert.rejects(writeFileWhole(join(folder, "file"), "again"), {
    code: "ERR_OUTPUT",
    message: /cannot write .*file: EIO: fsync; /,
  });
});
