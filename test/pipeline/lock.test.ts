import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { takeLock } from "../../pipeline/lock.ts";
import { temporaryFolder } from "../support.ts";

test("a lock is held by one at a time, and gone when it is given back", () => {
  const path = join(temporaryFolder(), "deep/lock");
  const giveBack = takeLock(path);
  assert.throws(() => takeLock(path), {
    code: "ERR_LOCKED",
    message: new RegExp(`is held by process ${process.pid} on ${hostname()}; wait for it, or remove ${path}`),
  });
  giveBack();
  assert.equal(existsSync(path), false);
  takeLock(path)();
});

test("the lock of a process that is dead is taken over, that of another host is not, a torn one is", () => {
  const path = join(temporaryFolder(), "lock");
  const dead = spawnSync(process.execPath, ["-e", "console.log(process.pid)"], { encoding: "utf8" });
  writeFileSync(path, JSON.stringify({ process: Number(dead.stdout), host: hostname(), started: "1" }));
  takeLock(path)();
  writeFileSync(
    path,
    JSON.stringify({ process: process.pid, host: hostname(), started: "an earlier process of this number" }),
  );
  takeLock(path)();
  writeFileSync(path, '{"proc');
  takeLock(path)();
  writeFileSync(path, JSON.stringify({ process: 1, host: "elsewhere", started: "1" }));
  assert.throws(() => takeLock(path), { code: "ERR_LOCKED", message: /process 1 on elsewhere/ });
});
