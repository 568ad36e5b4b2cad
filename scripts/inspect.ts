/**
 * `headrace inspect`: documents of a build to read, either side of a threshold or spread over the scores.
 */
import { command } from "./command.ts";
import { printJson, say } from "./display.ts";

/** The command. */
export const inspect = command({
  command: "inspect <shards>",
  describe: "read documents of a build beside their scores",
  flags: (args) =>
    args
      .positional("shards", { type: "string", demandOption: true, describe: "folder of shards" })
      .option("filter", {
        type: "string",
        default: "ads",
        describe: "the filter whose scores order the documents",
      })
      .option("near-threshold", { type: "boolean", default: false, describe: "either side of the cut" })
      .option("dropped", { type: "boolean", describe: "only dropped documents" })
      .option("kept", { type: "boolean", describe: "only kept documents" })
      .option("domain", { type: "string", describe: "one domain" })
      .option("sample", { type: "number", default: 5, describe: "documents, a side with --near-threshold" })
      .option("characters", { type: "number", default: 600, describe: "of each text to show" })
      .option("model", { type: "string", describe: "file of the filter's model, where it is one of yours" })
      .option("tokenizer", { type: "string", default: "llama-2", describe: "the tokenizer of the build" })
      .option("json", { type: "boolean", default: false, describe: "whole documents as a JSON list" })
      .conflicts("kept", "dropped"),
  async run(args) {
    const pipeline = await import("../pipeline/index.ts");
    const { filter, characters } = args;
    const { documents, dropWhen, unexplained } = await pipeline.inspect(
      {
        dir: args.shards,
        filter,
        nearThreshold: args.nearThreshold,
        documents: args.sample,
        characters,
        ...(args.model !== undefined && { model: args.model }),
        ...(args.dropped && { splits: ["dropped"] as const }),
        ...(args.kept && { splits: ["train"] as const }),
        ...(args.domain !== undefined && { domain: args.domain }),
      },
      await pipeline.loadTokenizer(args.tokenizer),
    );
    // What a person reads and what a program reads differ: runs repeat the text.
    if (args.json) return printJson(documents.map(({ runs: _, ...document }) => document));
    const { readingOf, legend } = await import("./reading.ts");
    const { stdout, env } = process;
    const colour = stdout.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
    const reading = {
      filter,
      dropWhen,
      colour,
      width: Math.min(100, stdout.isTTY ? stdout.columns || 80 : 80),
    };
    if (documents.length > 0) say(unexplained ?? legend(reading));
    for (const document of documents) stdout.write(readingOf(document, reading));
    if (documents.length === 0) say("no document matches");
  },
});
