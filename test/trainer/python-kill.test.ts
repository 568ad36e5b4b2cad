/**
 * The PyTorch trainer under headrace, killed with its host and started again: the same schedule, bit for bit.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { verifyReplay } from "../../samplers/index.ts";
import { train } from "../../trainer/index.ts";
import { python, temporaryFolder } from "../support.ts";
import { tinyRuns } from "./runs.ts";

const torch = python("numpy", "torch");
process.env["HEADRACE_PYTHON"] = torch.command;
const SMALL =
  "torch --dim 8 --layers 1 --heads 2 --hidden 16 --device cpu --threads 1 --lr 0.01 --checkpoint-batches 3";

it("killed with its host in the middle of a run, it ends with the same losses and the same schedule", {
  skip: torch.missing,
}, async () => {
  const options = await tinyRuns(temporaryFolder());
  const undisturbed = options("", { trainer: SMALL });
  await train(undisturbed);
  const killed = options("", { trainer: SMALL });
  const log = join(killed.out, "served.log");
  const host = spawn(process.execPath, [join(import.meta.dirname, "run-train.ts"), JSON.stringify(killed)], {
    stdio: "ignore",
  });
  const ended = new Promise((done) => host.once("exit", done));
  while (host.exitCode === null && !(existsSync(log) && readFileSync(log, "utf8").split("\n").length > 6))
    await sleep(5);
  host.kill("SIGKILL");
  await ended;
  const report = await train(killed);
  assert.ok(
    report.finished && report.resumedAt !== null && report.resumedAt >= 3,
    `resumed at ${report.resumedAt}`,
  );

  const reports = readdirSync(join(undisturbed.out, "reports")).sort();
  assert.equal(reports.length, 5);
  for (const name of ["schedule.json", "served.log", ...reports.map((report) => `reports/${report}`)])
    assert.equal(
      readFileSync(join(killed.out, name), "utf8"),
      readFileSync(join(undisturbed.out, name), "utf8"),
      name,
    );
  const [first, last] = [report.losses[0]!.domains, report.losses.at(-1)!.domains];
  for (const name of Object.keys(first)) assert.ok(last[name]! < first[name]!, `${name} did not learn`);
  assert.ok((await verifyReplay(killed.out, killed.shards)).identical);
});
