import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs, {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { hostname } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
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

test("a lock with signs of life from elsewhere is taken over after its silence alone, and told", async () => {
  const path = join(temporaryFolder(), "lock");
  const foreign = {
    pid: process.pid,
    host: hostname(),
    started: null,
    everySeconds: 10,
    place: "another boot",
  };
  const notes: string[] = [];
  const options = { silenceSeconds: 0.5, onNote: (sentence: string) => void notes.push(sentence) };
  writeFileSync(path, JSON.stringify(foreign));
  const beats = setInterval(() => utimesSync(path, new Date(), new Date()), 60);
  await assert.rejects(acquireLock(path, 0.3, options), {
    code: "ERR_LOCKED",
    message: `${path} is held by process ${process.pid} on ${hostname()}; wait for it to end, or remove the file if it has`,
  });
  const waiting = acquireLock(path, 30, options);
  await sleep(1000);
  assert.equal(notes.length, 2, "one sentence for each that asked, and nobody took it over");
  clearInterval(beats);
  const lock = await waiting;
  const doubt = `${path} is held by process ${process.pid} on ${hostname()}; unless it gives a sign of life within 0.5 s it is taken over`;
  assert.deepEqual(notes, [
    doubt,
    doubt,
    `${path} was held by process ${process.pid} on ${hostname()}, which has given no sign of life for 0.5 s; it is taken over`,
  ]);
  lock.requireHeld();
  lock.release();
  assert.equal(existsSync(path), false);
});

test("a holder gives its signs of life while its own thread computes, and no longer than it holds", {
  timeout: 60_000,
}, async () => {
  const path = join(temporaryFolder(), "lock");
  const lock = await acquireLock(path, 0, { heartbeat: true, everySeconds: 0.1 });
  utimesSync(path, 1, 1);
  const until = performance.now() + 20_000;
  while (statSync(path).mtimeMs === 1000 && performance.now() < until); // the thread of the test is busy
  assert.notEqual(statSync(path).mtimeMs, 1000);
  const other = JSON.stringify({ pid: 5, host: "node9", started: null });
  writeFileSync(path, other);
  assert.throws(() => lock.requireHeld(), {
    code: "ERR_LOCKED",
    message: `${path} was taken over by process 5 on node9 while this process gave no sign of life; nothing more is written here, run the same command again to go on`,
  });
  await sleep(300);
  utimesSync(path, 1, 1);
  await sleep(500);
  assert.equal(statSync(path).mtimeMs, 1000, "the lock of another is not kept alive");
  lock.release();
  assert.equal(readFileSync(path, "utf8"), other, "nor removed");
  rmSync(path);
  assert.throws(() => lock.requireHeld(), /was taken over while this process gave no sign of life/);
});

test("a brief lock is waited for by those who would not wait", async () => {
  const path = join(temporaryFolder(), "lock");
  const brief = await acquireLock(path, 0, { brief: true });
  const waiting = acquireLock(path);
  setTimeout(() => brief.release(), 100);
  const lock = await waiting;
  await assert.rejects(acquireLock(path), { code: "ERR_LOCKED" });
  lock.release();
});

test("a link that was made although the file server says that it exists is a lock that is held", async (t) => {
  const path = join(temporaryFolder(), "lock");
  const link = fs.linkSync;
  withSystem(t, "linkSync", (...args: Parameters<typeof link>) => {
    link(...args);
    throw Object.assign(new Error("EEXIST: file already exists, link"), { code: "EEXIST", syscall: "link" });
  });
  const lock = await acquireLock(path);
  lock.requireHeld();
  await assert.rejects(acquireLock(path), { code: "ERR_LOCKED" });
  lock.release();
  assert.equal(existsSync(path), false);
});

test("a folder that takes no lock is refused in one line with the way out, and nothing is left in it", async (t) => {
  const folder = temporaryFolder();
  const path = join(folder, "lock");
  for (const [call, code, message] of [
    [
      "linkSync",
      "EPERM",
      "its file system makes no hard links, which a lock needs: choose a folder on another one",
    ],
    [
      "linkSync",
      "EXDEV",
      "its file system makes no hard links, which a lock needs: choose a folder on another one",
    ],
    ["linkSync", "EIO", "choose another folder, or permit writing there"],
    ["writeFileSync", "EROFS", "choose another folder, or permit writing there"],
    ["writeFileSync", "ENOSPC", "choose another folder, or permit writing there"],
  ] as const) {
    const restore = withSystem(t, call, () => {
      throw Object.assign(new Error(`${code}: it fails`), { code, syscall: call.replace("Sync", "") });
    });
    const verb = message.startsWith("its") ? "lock" : "write";
    await assert.rejects(acquireLock(path), {
      name: "HeadraceError",
      code: "ERR_OUTPUT",
      message: `cannot ${verb} ${folder}: ${code}: it fails; ${message}`,
    });
    restore();
  }
  mkdirSync(path);
  await assert.rejects(acquireLock(path), {
    code: "ERR_LOCKED",
    message: /lock cannot be read: EISDIR.*; permit reading it, or remove it if its holder has ended$/,
  });
  rmSync(path, { recursive: true });
  symlinkSync(join(folder, "nowhere"), path);
  await assert.rejects(acquireLock(path), {
    code: "ERR_LOCKED",
    message: /is there and cannot be read; remove/,
  });
  assert.deepEqual(readdirSync(folder), ["lock"]);
});

/** Replaces a function of `node:fs` until the test ends, or until what it returns is called. */
function withSystem(
  t: TestContext,
  name: "linkSync" | "writeFileSync",
  act: (...args: never[]) => void,
): () => void {
  const mocked = t.mock.method(fs, name, act as never);
  syncBuiltinESMExports();
  const restore = () => {
    mocked.mock.restore();
    syncBuiltinESMExports();
  };
  t.after(restore);
  return restore;
}
