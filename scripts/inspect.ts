/**
 * `headrace inspect`: documents of a build to read, either side of a threshold or spread over the scores.
 */
import type { Inspected } from "../pipeline/index.ts";
import { command } from "./command.ts";
import { grouped, printJson, say } from "./display.ts";

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
      .option("characters", { type: "number", default: 400, describe: "of each text to show" })
      .option("tokenizer", { type: "string", default: "llama-2", describe: "the tokenizer of the build" })
      .option("json", { type: "boolean", default: false, describe: "whole documents as a JSON list" })
      .conflicts("kept", "dropped"),
  async run(args) {
    const pipeline = await import("../pipeline/index.ts");
    const documents = await pipeline.inspect(
      {
        dir: args.shards,
        filter: args.filter,
        nearThreshold: args.nearThreshold,
        documents: args.sample,
        ...(args.dropped && { splits: ["dropped"] as const }),
        ...(args.kept && { splits: ["train"] as const }),
        ...(args.domain !== undefined && { domain: args.domain }),
      },
      await pipeline.loadTokenizer(args.tokenizer),
    );
    if (args.json) return printJson(documents);
    for (const document of documents) show(document, args.filter, args.characters);
    if (documents.length === 0) say("no document matches");
  },
});

function show(document: Inspected, filter: string, characters: number): void {
  const { split, domain, source, line, tokens, score, threshold, text } = document;
  const cut = threshold === null ? "" : `, cut at ${threshold.toFixed(4)}`;
  const verdict = split === "dropped" ? "dropped" : "kept";
  process.stdout.write(
    `\u2500\u2500 ${verdict}  ${filter} ${score.toFixed(4)}${cut}  ${domain}  ${source}:${line}  ${grouped(tokens)} tokens\n`,
  );
  const shown = text.replaceAll(/\s+/g, " ").trim();
  process.stdout.write(`${shown.length > characters ? `${shown.slice(0, characters)}\u2026` : shown}\n\n`);
}
