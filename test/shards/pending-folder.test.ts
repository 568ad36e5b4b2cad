import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { openPendingFolder } from "../../shards/pending-folder.ts";
import { temporaryFolder } from "../support.ts";

/** The number of a process that has ended. */
function deadProcess(): string {
  return spawnSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }).stdout.trim();
}

test("what a dead process left of a folder is removed by the next that fills it; what a living one, another machine or another folder has is not", async () => {
  const parent = temporaryFolder();
  const host = encodeURIComponent(hostname());
  const dead = deadProcess();
  const living = [
    `.out.${host}-${process.ppid}-.0123456789ab.tmp`, // its start is unknown
    `.out.elsewhere-${dead}-1.0123456789ab.tmp`,
    `.other.${host}-${dead}-1.0123456789ab.tmp`,
    ".out.0123456789ab.tmp", // nobody's
    `.out.${host}-${dead}-1.txt`,
  ];
  const abandoned = [
    `.out.${host}-${dead}-1.0123456789ab.tmp`,
    `.out.${host}-${dead}-.fedcba987654.tmp`,
    `.out.${host}-${process.pid}-1.0123456789ab.tmp`, // an earlier process of this number
  ];
  for (const name of [...living, ...abandoned]) {
    mkdirSync(join(parent, name));
    writeFileSync(join(parent, name, "a"), "a");
  }
  const folder = await openPendingFolder(join(parent, "out"));
  const second = await openPendingFolder(join(parent, "out"));
  assert.deepEqual(
    readdirSync(parent).sort(),
    [...living, basename(folder.path), basename(second.path)].sort(),
  );
  const file = await folder.create("b");
  await file.write(Buffer.from("b"));
  await file.close();
  await folder.commit();
  await second.abort();
  assert.deepEqual(readdirSync(parent).sort(), [...living, "out"].sort());
  assert.equal(readFileSync(join(parent, "out/b"), "utf8"), "b");
  assert.equal(existsSync(second.path), false);
});
