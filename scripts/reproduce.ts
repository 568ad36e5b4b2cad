/**
 * `node scripts/reproduce.ts OUT`: LLaMA-MoE's comparisons, small: a dense LLaMA trained on the fixture corpus, divided into experts in four ways, with and
 * without scaling, its training continued under four sampling strategies, each with several seeds (docs/moe.md). Every step is kept: run again, it goes on.
 * Not part of the package: the corpus comes from development packages. Needs Python with torch, safetensors and tokenizers.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { makeFixtureCorpus } from "../fixtures/corpus/corpus.ts";
import { HeadraceError } from "../index.ts";
import { build } from "../pipeline/index.ts";
import { convertToMoe, measureReference, train } from "../trainer/index.ts";
import { tokensOf } from "./amount.ts";
import { grouped, say } from "./display.ts";
import { configuration, type Outcome, resultsPage } from "./reproduce-table.ts";

/** 32 rows of 128 tokens a batch: small, so that a few hundred thousand tokens are enough steps to learn by. */
const SHAPE = { rowTokens: 128, batchRows: 32 } as const;
const EXPERTS = 16;
const SELECT = 4;
const METHODS = ["independent-random", "independent-clustering", "sharing-inner", "sharing-inter"];
const POLICIES = ["sheared", "llama", "dynamic-llama", "dynamic-uniform"];
const VOCABULARY = 4096;
/** Evaluated tokens of a domain; the smallest has about 10,000 in its validation split. */
const EVALUATION = { rowTokens: SHAPE.rowTokens, tokensPerDomain: 16_384 };

const args = await yargs(hideBin(process.argv))
  .scriptName("reproduce")
  .usage("$0 <out>", "LLaMA-MoE's comparisons at a size for CPUs", (flags) =>
    flags
      .positional("out", { type: "string", demandOption: true, describe: "folder for everything" })
      .option("grid", {
        choices: ["cross", "full"] as const,
        default: "cross" as const,
        describe: "cross: one factor at a time; full: every combination",
      })
      .option("seeds", { type: "number", default: 3 })
      .option("dense-tokens", { type: "string", default: "4M", describe: "that the dense model learns from" })
      .option("tokens", { type: "string", default: "1M", describe: "that each run goes on for" })
      .option("threads", { type: "number", default: 1, describe: "of a run" }),
  )
  .strict()
  .parseAsync();

const out = String(args["out"]);
const folder = (...names: readonly string[]) => join(out, ...names);
const threads = `--device cpu --threads ${Number(args["threads"])}`;

/** Does a step unless what it makes is there. */
async function once(path: string, what: string, act: () => Promise<unknown> | unknown): Promise<void> {
  if (existsSync(path)) return;
  say(what);
  await act();
}

/** Runs Python, and gives what it prints. */
function python(...words: readonly string[]): string {
  const command = process.env["HEADRACE_PYTHON"] ?? "python3";
  const { status, stdout, stderr } = spawnSync(command, words, {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: join(import.meta.dirname, "../trainer/python") },
  });
  if (status !== 0)
    throw new HeadraceError("ERR_RUNTIME", `${command} ${words[0]}: ${stderr.trim().split("\n").at(-1)}`);
  return stdout;
}

const TOKENIZER = `
import json, sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
def texts():
    for line in open(sys.argv[1], encoding="utf-8"):
        yield json.loads(line)["text"]
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
tokenizer.train_from_iterator(texts(), trainers.BpeTrainer(vocab_size=int(sys.argv[3]), initial_alphabet=alphabet, special_tokens=["<s>"], show_progress=False))
tokenizer.save(sys.argv[2])
`;

async function prepare(): Promise<void> {
  mkdirSync(out, { recursive: true });
  await once(folder("corpus"), "the fixture corpus", () => makeFixtureCorpus(folder("corpus")));
  await once(folder("tokenizer.json"), `a byte-level BPE of ${grouped(VOCABULARY)} ids`, () => {
    // Python before 3.14 reads no zstd.
    writeFileSync(folder("texts.jsonl"), plainLines(folder("corpus", "train")));
    python("-c", TOKENIZER, folder("texts.jsonl"), folder("tokenizer.json"), String(VOCABULARY));
  });
  await once(folder("shards", "manifest.json"), "shards", () =>
    build({
      inputs: [folder("corpus", "train")],
      out: folder("shards"),
      tokenizer: folder("tokenizer.json"),
    }),
  );
  await once(folder("dense"), "the dense model", async () => {
    await train({
      ...SHAPE,
      evaluation: EVALUATION,
      shards: folder("shards"),
      out: folder("dense-run"),
      trainer: `torch --dim 64 --layers 4 --heads 4 --hidden 192 --tied --lr 0.004 ${threads}`,
      policy: "llama",
      tokens: tokensOf("dense-tokens", String(args["dense-tokens"])),
    });
    python("-m", "headrace", "model-export", folder("dense-run", "checkpoints"), "--out", folder("dense"));
  });
  await once(folder("reference.json"), "the dense model's losses, which dynamic weights go by", () =>
    measureReference({
      shards: folder("shards"),
      out: folder("reference.json"),
      trainer: `torch ${threads}`,
      model: "the dense model",
      checkpoints: folder("dense-run", "checkpoints"),
      evaluation: EVALUATION,
    }),
  );
}

/** The lines of every `.zst` under a folder. */
function plainLines(dir: string): Buffer {
  const names = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".zst"),
  );
  return Buffer.concat(names.sort().map((name) => zstdDecompressSync(readFileSync(join(dir, name)))));
}

/** A run's folder name. */
function nameOf({ method, scaled, policy, seed }: Omit<Outcome, "loss">): string {
  return `${method}-${scaled ? "scaled" : "plain"}-${policy}-${seed}`;
}

async function runOne(of: Omit<Outcome, "loss">): Promise<Outcome> {
  const result = folder("results", `${nameOf(of)}.json`);
  if (existsSync(result)) return JSON.parse(readFileSync(result, "utf8"));
  const model = folder("models", `${of.method}-${of.scaled ? "scaled" : "plain"}-${of.seed}`);
  if (!existsSync(model))
    await convertToMoe([
      ...[folder("dense"), "--out", model, "--method", of.method, "--seed", String(of.seed)],
      ...["--experts", String(EXPERTS), "--select", String(SELECT), "--shards", folder("shards")],
      ...["--importance-rows", "128", "--importance-row", String(SHAPE.rowTokens)],
      ...(of.scaled ? [] : ["--scale", "1"]),
    ]);
  const tokens = tokensOf("tokens", String(args["tokens"]));
  const { losses } = await train({
    ...SHAPE,
    evaluation: EVALUATION,
    shards: folder("shards"),
    out: folder("runs", nameOf(of)),
    trainer: `torch --from ${model} --seed ${of.seed} --lr 0.002 ${threads}`,
    policy: of.policy,
    ...(of.policy.startsWith("dynamic") && { reference: folder("reference.json"), everyTokens: tokens / 10 }),
    tokens,
    seed: of.seed,
  });
  const last = Object.values(losses.at(-1)!.domains);
  const outcome = { ...of, loss: last.reduce((sum, loss) => sum + loss, 0) / last.length };
  mkdirSync(folder("results"), { recursive: true });
  writeFileSync(result, JSON.stringify(outcome));
  return outcome;
}

function grid(): readonly Omit<Outcome, "seed" | "loss">[] {
  const all = METHODS.flatMap((method) =>
    [true, false].flatMap((scaled) => POLICIES.map((policy) => ({ method, scaled, policy }))),
  );
  if (args["grid"] === "full") return all;
  return all.filter(
    ({ method, scaled, policy }) =>
      Number(method !== METHODS[0]) + Number(!scaled) + Number(policy !== POLICIES[0]) <= 1,
  );
}

try {
  await prepare();
  const outcomes: Outcome[] = [];
  const list = Array.from({ length: Number(args["seeds"]) }, (_, seed) =>
    grid().map((one) => ({ ...one, seed })),
  ).flat();
  for (const [i, one] of list.entries()) {
    const outcome = await runOne(one);
    outcomes.push(outcome);
    say(`${i + 1} of ${list.length}: ${configuration(one)}, seed ${one.seed}: ${outcome.loss.toFixed(4)}`);
    const about = `A dense LLaMA of 4 layers of width 64 (192 neurons) after ${args["dense-tokens"]} tokens, divided ${SELECT}/${EXPERTS}, ${args["tokens"]} tokens more; the fixture corpus, ${grouped(VOCABULARY)} ids.`;
    writeFileSync(folder("results.md"), resultsPage(outcomes, about));
    writeFileSync(folder("results.json"), JSON.stringify(outcomes, null, 1));
  }
  process.stdout.write(readFileSync(folder("results.md"), "utf8"));
} catch (error) {
  say(`reproduce: ${error instanceof HeadraceError ? String(error) : ((error as Error).stack ?? error)}`);
  process.exitCode = 1;
}
