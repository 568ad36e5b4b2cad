import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { acquireLock, withLock } from "../../core/lock.ts";
import { ROOT, temporaryFolder } from "../support.ts";

test("a lock is held by one at a time, and gone when it is given back", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "deep/lock");
  const lock = await acquireLock(path);
  await assert.rejects(acquireLock(path), {
    code: "ERR_LOCKED",
    message: `${path} is held by process ${process.pid} on ${hostname()}; wait for it to end, or remove the file if it has`,
  });
  lock.release();
  lock.release();
  assert.equal(existsSync(path), false);
  (await acquireLock(path)).release();
  assert.deepEqual(readdirSync(join(folder, "deep")), []);
});

test("the lock of a process that is dead is taken over, that of another host or of nobody known is not", async () => {
  const path = join(temporaryFolder(), "lock");
  const dead = Number(
    spawnSync(process.execPath, ["-e", "console.log(process.pid)"], { encoding: "utf8" }).stdout,
  );
  writeFileSync(path, JSON.stringify({ pid: dead, host: hostname(), started: "1" }));
  (await acquireLock(path)).release();
  writeFileSync(
    path,
    JSON.stringify({ pid: process.pid, host: hostname(), started: "an earlier process of this number" }),
  );
  (await acquireLock(path)).release();
  writeFileSync(path, JSON.stringify({ pid: 1, host: "elsewhere", started: "1" }));
  await assert.rejects(acquireLock(path), {
    code: "ERR_LOCKED",
    message: /is held by process 1 on elsewhere/,
  });
  writeFileSync(path, "rubbish");
  await assert.rejects(acquireLock(path), { code: "ERR_LOCKED", message: /is held by "rubbish"/ });
});

test("what a process left that was killed on its way to the lock is removed, and what belongs to a living one is not", async () => {
  const folder = temporaryFolder();
  const dead = Number(
    spawnSync(process.execPath, ["-e", "console.log(process.pid)"], { encoding: "utf8" }).stdout,
  );
  const left = (name: string, pid: number, host: string) =>
    writeFileSync(join(folder, name), JSON.stringify({ pid, host, started: "1" }));
  left("lock.0123456789ab.tmp", dead, hostname());
  left("lock.0123456789ac.tmp", dead, "elsewhere");
  writeFileSync(
    join(folder, "lock.0123456789ad.tmp"),
    JSON.stringify({ pid: process.ppid, host: hostname(), started: null }),
  );
  left("other.0123456789ab.tmp", dead, hostname());
  (await acquireLock(join(folder, "lock"))).release();
  assert.deepEqual(readdirSync(folder).sort(), [
    "lock.0123456789ac.tmp",
    "lock.0123456789ad.tmp",
    "other.0123456789ab.tmp",
  ]);
});

test("processes that raise a counter under the lock lose no count", { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  const path = join(folder, "count");
  writeFileSync(path, "0");
  const script = `
    import { readFileSync, writeFileSync } from "node:fs";
    import { withLock } from ${JSON.stringify(join(ROOT, "core/lock.ts"))};
    for (let i = 0; i < 20; i++)
      await withLock(${JSON.stringify(join(folder, "lock"))}, 50, async () => {
        const seen = Number(readFileSync(${JSON.stringify(path)}, "utf8"));
        await new Promise((go) => setTimeout(go, 1));
        writeFileSync(${JSON.stringify(path)}, String(seen + 1));
      });`;
  const processes = Array.from({ length: 3 }, () =>
    spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "inherit" }),
  );
  const codes = await Promise.all(
    processes.map((child) => new Promise((ended) => child.once("exit", ended))),
  );
  assert.deepEqual(codes, [0, 0, 0]);
  assert.equal(readFileSync(path, "utf8"), "60");
});

test("the lock is given back when the work throws", async () => {
  const path = join(temporaryFolder(), "lock");
  await assert.rejects(
    withLock(path, 0, () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(existsSync(path), false);
});
