/**
 * `headrace inspect`: documents of a build to read, either side of a threshold or spread over the scores.
 */
import { command } from "./command.ts";
import { grouped, printJson, say, size } from "./display.ts";

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
      .option("sample", {
        type: "number",
        describe: "documents, a side with --near-threshold [5]; a side in each domain of the page [30]",
      })
      .option("characters", { type: "number", describe: "of each text to show [600, in the page 2000]" })
      .option("html", {
        type: "string",
        describe: "a page for a browser, in one file, with the cut as a slider",
      })
      .option("model", { type: "string", describe: "file of the filter's model, where it is one of yours" })
      .option("tokenizer", { type: "string", default: "llama-2", describe: "the tokenizer of the build" })
      .option("json", { type: "boolean", default: false, describe: "whole documents as a JSON list" })
      .conflicts("kept", "dropped"),
  async run(args) {
    const pipeline = await import("../pipeline/index.ts");
    const { filter, nearThreshold, html } = args;
    const tokenizer = await pipeline.loadTokenizer(args.tokenizer);
    const request = {
      dir: args.shards,
      filter,
      nearThreshold,
      ...(args.model !== undefined && { model: args.model }),
      ...(args.dropped && { splits: ["dropped"] as const }),
      ...(args.kept && { splits: ["train"] as const }),
      ...(args.domain !== undefined && { domain: args.domain }),
    };
    if (html !== undefined) {
      const { sample: documents = 30, characters = 2000 } = args;
      const page = await pipeline.writeInspectPage(html, { ...request, documents, characters }, tokenizer);
      return say(
        `${html}: ${grouped(page.documents)} documents, ${size(page.bytes)}; open it in any browser`,
      );
    }
    const { sample: documents = 5, characters = 600 } = args;
    const found = await pipeline.inspect({ ...request, documents, characters }, tokenizer);
    // What a person reads and what a program reads differ: runs repeat the text.
    if (args.json) return printJson(found.documents.map(({ runs: _, ...document }) => document));
    const { readingOf, legend } = await import("./reading.ts");
    const { stdout, env } = process;
    const colour = stdout.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
    const width = Math.min(100, stdout.isTTY ? stdout.columns || 80 : 80);
    const reading = { filter, dropWhen: found.dropWhen, colour, width };
    if (found.documents.length === 0) return say("no document matches");
    say(found.unexplained ?? legend({ colour: colour && process.stderr.isTTY === true }));
    for (const document of found.documents) stdout.write(readingOf(document, reading));
  },
});
