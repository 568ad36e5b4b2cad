/**
 * `headrace ledger`: makes the ledger of a build again from its task manifests, and prints it.
 */
import { join } from "node:path";
import { command } from "./command.ts";
import { printJson, say, table } from "./display.ts";

/** The command. */
export const ledger = command({
  command: "ledger <shards>",
  describe: "rebuild the ledger of a build from its task manifests",
  flags: (args) =>
    args
      .positional("shards", {
        type: "string",
        demandOption: true,
        describe: "output folder of a build, finished or not",
      })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the rows as one JSON object on standard output",
      }),
  async run(args) {
    const pipeline = await import("../pipeline/index.ts");
    const folder = join(args.shards, ".build");
    const tasks = pipeline.rebuildLedger(folder);
    const rows = pipeline.ledgerSummary(folder);
    say(
      table([
        ["domain", "outcome", "documents", "tokens"],
        ...rows.map(({ domain, outcome, documents, tokens }) => [domain, outcome, documents, tokens]),
      ]),
    );
    say(`${tasks} finished tasks`);
    if (args.json) printJson({ tasks, rows });
  },
});
