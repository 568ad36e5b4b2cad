/**
 * A dense LLaMA to experts to a run whose weights follow their losses: the whole way, through the command line and the PyTorch trainer.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { it } from "node:test";
import { verifyReplay } from "../../samplers/index.ts";
import { readManifest } from "../../shards/index.ts";
import { convertToMoe, train } from "../../trainer/index.ts";
import { python, ROOT, temporaryFolder } from "../support.ts";
import { tinyRuns } from "./runs.ts";

const torch = python("numpy", "torch", "safetensors");
process.env["HEADRACE_PYTHON"] = torch.command;

/** Writes a dense model of 24 neurons a layer. */
function writeDense(folder: string, vocabulary: number): void {
  const script = `
import sys, torch
from headrace.model_folder import write_model
from headrace.torch_llama import Llama, Shape
torch.manual_seed(0)
shape = Shape(vocabulary=int(sys.argv[2]), dim=8, layers=2, heads=2, kv_heads=2, hidden=24)
write_model(sys.argv[1], shape, ((name, p.detach()) for name, p in Llama(shape).named_parameters()))
`;
  const { status, stderr } = spawnSync(torch.command, ["-c", script, folder, String(vocabulary)], {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: join(ROOT, "trainer/python") },
  });
  assert.equal(status, 0, stderr);
}

it("is converted, trained and replayed, and refused in one line where it cannot be", {
  skip: torch.missing,
}, async () => {
  const dir = temporaryFolder();
  const options = await tinyRuns(dir);
  const shards = join(dir, "shards");
  writeDense(join(dir, "dense"), (await readManifest(shards)).tokenizer.vocabularySize);
  const moe = join(dir, "moe");
  const command = [
    ...["moe-convert", join(dir, "dense"), "--out", moe, "--experts", "6", "--select", "4"],
    ...["--method", "sharing-inter", "--shards", shards, "--importance-rows", "24", "--importance-row", "16"],
  ];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, "scripts/headrace.ts"), ...command, "--json"],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
  const report = JSON.parse(stdout);
  assert.deepEqual(
    [report.routed, report.routedSelect, report.residual, report.size, report.scale],
    [4, 2, 2, 4, 2],
  );
  assert.ok(report.active < report.dense && report.dense < report.parameters);

  const run = options("", {
    trainer: `torch --from ${moe} --device cpu --threads 1 --lr 0.01 --micro-batch 4`,
  });
  const { losses } = await train(run);
  const [first, last] = [losses[0]!.domains, losses.at(-1)!.domains];
  for (const name of Object.keys(first)) assert.ok(last[name]! < first[name]!, `${name} did not learn`);
  assert.ok((await verifyReplay(run.out, run.shards)).identical);

  const again = [join(dir, "dense"), "--out", join(dir, "other")];
  await assert.rejects(convertToMoe([...again, "--experts", "5"]), {
    code: "ERR_ARGUMENT",
    message: /24 neurons do not divide by 5 experts; those that do up to 64: 2, 3, 4, 6, 8, 12, 24/,
  });
  await assert.rejects(
    convertToMoe([...again, "--experts", "4", "--select", "2", "--method", "sharing-inner"]),
    {
      code: "ERR_ARGUMENT",
      message: /sharing-inner goes by how much neurons matter to texts; name shards with --shards/,
    },
  );
  await assert.rejects(convertToMoe([shards, "--out", join(dir, "other")]), {
    code: "ERR_INPUT",
    message: /is no folder of a model: config.json cannot be read/,
  });
});
