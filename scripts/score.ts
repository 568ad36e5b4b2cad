/**
 * `headrace score`: one JSON line a document on standard output.
 */
import { once } from "node:events";
import { curateFlags, curateOptions } from "./build-options.ts";
import { command } from "./command.ts";
import { say } from "./display.ts";

/** The command. */
export const score = command({
  command: "score <inputs..>",
  describe: "one JSON line a document: source, line, one score a filter",
  flags: (args) =>
    curateFlags(args)
      .positional("inputs", {
        type: "string",
        array: true,
        demandOption: true,
        describe: "files, folders or patterns",
      })
      .option("why", {
        type: "boolean",
        default: false,
        describe: "beside the scores what made them, where a filter of --filter can say so",
      })
      .option("json", { type: "boolean", default: true, describe: "JSON lines are the only form" }),
  async run(args) {
    const pipeline = await import("../pipeline/index.ts");
    const options = curateOptions(args);
    const { files, skipped } = await pipeline.planInputs(args.inputs);
    for (const { source, reason } of skipped) say(`not read: ${source}: ${reason}`);
    for await (const line of pipeline.scoreDocuments(
      files,
      options.source,
      await pipeline.curateSetup(options),
      { why: args.why },
    ))
      switch (line.kind) {
        case "scores": {
          const { source, line: number, domain, scores, why } = line;
          if (!process.stdout.write(`${JSON.stringify({ source, line: number, domain, ...scores, why })}\n`))
            await once(process.stdout, "drain");
          break;
        }
        case "quarantined":
          say(`quarantined: ${line.record.source}:${line.record.line}: ${line.record.reason}`);
          break;
        case "incident":
          say(`unreadable: ${line.incident.source}: ${line.incident.reason}`);
          process.exitCode = 3;
          break;
        default:
          line satisfies never;
      }
  },
});
