/**
 * `headrace pack`: the plan by which documents are packed into rows, made once for a folder of shards.
 */
import { given } from "./build-options.ts";
import { command } from "./command.ts";
import { duration, grouped, Progress, percent, printJson, say, table } from "./display.ts";

/** The command. */
export const pack = command({
  command: "pack <shards>",
  describe: "plan rows that hold whole documents where they fit, for runs with --packing packed",
  flags: (args) =>
    args
      .positional("shards", { type: "string", demandOption: true, describe: "folder of shards" })
      .option("row", { type: "number", default: 4096, describe: "tokens a row" })
      .option("lookahead", {
        choices: [0, 1] as const,
        default: 0 as const,
        describe: "1: rows of L + 1 tokens",
      })
      .option("padding", { type: "number", describe: "id behind the last document of a row [EOS, else BOS]" })
      .option("group", {
        type: "number",
        describe: "pieces of documents that are packed together; more need more memory [1048576]",
      })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the report as one JSON object on standard output",
      }),
  async run(args) {
    const shards = await import("../shards/index.ts");
    const progress = new Progress("pack");
    const report = await shards.packShards(args.shards, {
      rowTokens: args.row,
      lookahead: args.lookahead === 1 ? 1 : 0,
      ...given({ padding: args.padding, groupPieces: args.group }),
      onProgress: ({ domain, documentsDone, documents }) =>
        progress.show(documentsDone, documents, `${domain}, ${grouped(documentsDone)} documents`),
    });
    const seconds = progress.end();
    say(
      table([
        ["domain", "documents", "rows", "padding", "cut", "cut if concatenated"],
        ...report.domains.map(({ name, documents, rows, cut, concatCut, paddingTokens, tokens }) => [
          name,
          documents,
          rows,
          percent(rows === 0 ? 0 : paddingTokens / (paddingTokens + tokens)),
          percent(documents === 0 ? 0 : cut / documents),
          percent(documents === 0 ? 0 : concatCut / documents),
        ]),
      ]),
    );
    say(
      `\nplan ${report.hash.slice(0, 16)} for rows of ${grouped(args.row)}${args.lookahead === 1 ? " + 1" : ""} tokens ${report.existed ? "was there before" : "made"} in ${report.folder} after ${duration(seconds)}`,
    );
    if (args.json) printJson({ ...report, seconds });
  },
});
