/**
 * `headrace moe-convert`: a dense LLaMA's folder to a LLaMA-MoE's.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { command } from "./command.ts";
import { grouped, printJson, say, table } from "./display.ts";

/** The command. */
export const moeConvert = command({
  command: "moe-convert <dense>",
  describe: "a LLaMA-MoE out of a dense LLaMA: its neurons become experts (needs Python with torch)",
  flags: (args) =>
    args
      .positional("dense", {
        type: "string",
        demandOption: true,
        describe: "folder in Hugging Face's layout: config.json and safetensors",
      })
      .option("out", { type: "string", demandOption: true, describe: "folder for the model, new or empty" })
      .option("experts", { type: "number", default: 16, describe: "parts of each feed-forward layer" })
      .option("select", {
        type: "number",
        default: 4,
        describe: "experts that a token passes, those that all tokens pass included",
      })
      .option("method", {
        choices: ["independent-random", "independent-clustering", "sharing-inner", "sharing-inter"] as const,
        default: "independent-random" as const,
        describe: "which neurons make an expert",
      })
      .option("seed", { type: "number", default: 1227, describe: "of the division and of the new routers" })
      .option("scale", { type: "number", describe: "of routed outputs [routed experts over selected ones]" })
      .option("gate", {
        choices: ["mlp", "linear"] as const,
        default: "mlp" as const,
        describe: "the router",
      })
      .option("noise", { type: "boolean", default: true, describe: "learnt noise on the router's logits" })
      .option("balance", { type: "number", default: 0.01, describe: "weight of the balance losses" })
      .option("load", {
        choices: ["logit", "noise"] as const,
        default: "logit" as const,
        describe: "noise: the smooth load as the published code has it",
      })
      .option("shards", {
        type: "string",
        describe: "texts that say which neurons matter (sharing methods)",
      })
      .option("importance-rows", { type: "number", default: 256, describe: "rows of them" })
      .option("importance-row", { type: "number", default: 512, describe: "tokens a row" })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the report as one JSON object on standard output",
      }),
  async run(args) {
    const { convertToMoe } = await import("../trainer/index.ts");
    const tokenizer = await tokenizerHash(args.dense);
    const named = {
      out: args.out,
      experts: args.experts,
      select: args.select,
      method: args.method,
      seed: args.seed,
      scale: args.scale,
      gate: args.gate,
      balance: args.balance,
      load: args.load,
      shards: args.shards,
      "importance-rows": args.importanceRows,
      "importance-row": args.importanceRow,
      "tokenizer-sha256": tokenizer,
    };
    const flags = Object.entries(named).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, String(value)],
    );
    const report = await convertToMoe([args.dense, ...flags, ...(args.noise ? [] : ["--no-noise"])]);
    const used = Math.min(...report.neuronsUsed);
    say(
      table([
        ["experts", "of neurons", "selected", "for all", "scale", "parameters", "active"],
        [
          report.routed,
          report.size,
          report.routedSelect,
          report.residual,
          String(report.scale),
          report.parameters,
          report.active,
        ],
      ]),
    );
    say(
      `\n${args.out}: ${grouped(report.active)} parameters a token of the dense model's ${grouped(report.dense)}; at least ${grouped(used)} of ${grouped(report.neurons)} neurons a layer are in some expert`,
    );
    say(`train it: headrace train SHARDS --trainer "torch --from ${args.out}"`);
    if (args.json) printJson(report);
  },
});

/** The hash of a model's tokenizer as manifests have it, where its folder has one that headrace reads. */
async function tokenizerHash(folder: string): Promise<string | undefined> {
  const path = ["tokenizer.model", "tokenizer.json"].map((name) => join(folder, name)).find(existsSync);
  if (path === undefined) return undefined;
  const { loadTokenizer } = await import("../pipeline/index.ts");
  return (await loadTokenizer(path).catch(() => undefined))?.sha256;
}
