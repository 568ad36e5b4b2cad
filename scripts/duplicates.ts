/**
 * `headrace duplicates`: the list of documents whose text an earlier one has, for `build --filter dup=duplicates:LIST`.
 */
import { writeFileWhole } from "../shards/index.ts";
import { sourceFlags, sourceOptions } from "./build-options.ts";
import { command } from "./command.ts";
import { grouped, Progress, printJson, say } from "./display.ts";

/** The command. */
export const duplicates = command({
  command: "duplicates <inputs..>",
  describe: "list the documents whose text an earlier one has, for --filter dup=duplicates:LIST",
  flags: (args) =>
    sourceFlags(args)
      .positional("inputs", {
        type: "string",
        array: true,
        demandOption: true,
        describe: "files, folders or patterns, as build is given them",
      })
      .option("out", { type: "string", default: "duplicates.jsonl", describe: "the list to write" })
      .option("normalise", {
        type: "boolean",
        default: false,
        describe: "texts are the same that differ in letter case and white space alone",
      })
      .option("json", { type: "boolean", default: false, describe: "the counts on standard output" }),
  async run(args) {
    const pipeline = await import("../pipeline/index.ts");
    const { files } = await pipeline.planInputs(args.inputs);
    const progress = new Progress("duplicates");
    const found = await pipeline.findDuplicates(files, {
      source: sourceOptions(args),
      normalised: args.normalise,
      onProgress: (documents) => progress.show(0, 0, `${grouped(documents)} documents`),
    });
    progress.end();
    await writeFileWhole(args.out, found.text);
    const { documents, duplicates: repeated } = found.header;
    const { quarantined, incidents } = found;
    say(
      `${grouped(repeated)} of ${grouped(documents)} documents have the text of an earlier one; written to ${args.out}`,
    );
    if (quarantined + incidents > 0)
      say(
        `not read: ${grouped(quarantined)} records and ${grouped(incidents)} stretches of input; headrace build names them`,
      );
    if (args.json) printJson({ documents, duplicates: repeated, quarantined, incidents });
    if (incidents > 0) process.exitCode = 3;
  },
});
