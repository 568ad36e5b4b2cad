/**
 * `headrace verify`: whether a folder of shards is whole and is what its manifest says.
 */
import { command } from "./command.ts";
import { grouped, Progress, printJson, say, size } from "./display.ts";

/** The command. */
export const verify = command({
  command: "verify <shards>",
  describe: "check every shard against the manifest, and the account of the build",
  flags: (args) =>
    args
      .positional("shards", { type: "string", demandOption: true, describe: "folder of shards" })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the report as one JSON object on standard output",
      }),
  async run(args) {
    const shards = await import("../shards/index.ts");
    const progress = new Progress("verify");
    const report = await shards.verifyShards(args.shards, {
      onProgress: ({ bytesDone, bytes }) =>
        progress.show(bytesDone, bytes, `${size(bytesDone)} of ${size(bytes)}`),
    });
    progress.end();
    for (const { message, code } of report.problems) say(`${message}  [${code}]`);
    say(
      report.ok
        ? `whole: ${grouped(report.files)} files, ${grouped(report.documents)} documents, ${grouped(report.tokens)} tokens`
        : `${grouped(report.problems.length)} problems in ${args.shards}`,
    );
    if (args.json) printJson(report);
    if (!report.ok) process.exitCode = 1;
  },
});
