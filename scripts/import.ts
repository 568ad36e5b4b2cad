/**
 * `headrace import`: token files that other tools wrote, as a folder of shards.
 */
import { tokensOf } from "./amount.ts";
import { bytesOf, given } from "./build-options.ts";
import { command } from "./command.ts";
import { duration, grouped, Progress, printJson, say, table } from "./display.ts";

/** The command. */
export const importTokens = command({
  command: "import <inputs..>",
  describe: "Megatron's .bin and .idx or datatrove's .ds files as shards",
  flags: (args) =>
    args
      .positional("inputs", {
        type: "string",
        array: true,
        demandOption: true,
        describe:
          "[validation/]domain=PATH, or PATH (then its name is the domain); PATH: X.bin with X.idx, X.ds, a folder of them, an export",
      })
      .option("out", { type: "string", demandOption: true, describe: "folder for the shards, new or empty" })
      .option("tokenizer", {
        type: "string",
        describe: "llama-2, or the tokenizer.model or tokenizer.json that made the ids [that of the export]",
      })
      .option("tokenizer-engine", {
        choices: ["headrace", "transformers"] as const,
        default: "headrace" as const,
        describe: "transformers: for a tokenizer that headrace's own cannot read",
      })
      .option("reference", {
        type: "boolean",
        default: false,
        describe: "refer to the tokens where they lie, instead of copying them",
      })
      .option("shard-size", { type: "string", default: "512MB", describe: "bytes of token values a shard" })
      .option("validation-tokens", {
        type: "string",
        default: "0",
        describe: "tokens to hold out of a domain without validation input, at most 5 % of it",
      })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the report as one JSON object on standard output",
      }),
  async run(args) {
    const shards = await import("../shards/index.ts");
    const tokenizer =
      args.tokenizer === undefined
        ? undefined
        : await (await import("../pipeline/index.ts")).loadTokenizer(args.tokenizer, {
            engine: args.tokenizerEngine,
          });
    const progress = new Progress("import");
    const report = await shards.importTokens({
      inputs: args.inputs,
      out: args.out,
      shardBytes: bytesOf("shard-size", args.shardSize),
      reference: args.reference,
      validationTokens: tokensOf("validation-tokens", args.validationTokens),
      ...given({ tokenizer }),
      onProgress: ({ domain, tokensDone, tokens }) => progress.show(tokensDone, tokens, domain),
    });
    const seconds = progress.end();
    say(
      table([
        ["domain", "documents", "train tokens", "validation"],
        ...report.domains.map(({ name, documents, train, validation }) => [
          name,
          documents,
          train,
          validation,
        ]),
      ]),
    );
    say(
      `\n${grouped(report.shards)} shards in ${args.out} after ${duration(seconds)}, fingerprint ${report.fingerprint.slice(0, 16)}`,
    );
    if (args.json) printJson({ ...report, seconds });
  },
});
