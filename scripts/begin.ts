/**
 * `headrace begin`: the folder of a run for a trainer that headrace does not start.
 */
import { command } from "./command.ts";
import { grouped, percent, printJson, say, table } from "./display.ts";
import { planFlags, planOptions, shapeFlags, shapeOptions } from "./train-flags.ts";

/** The command. */
export const begin = command({
  command: "begin <shards>",
  describe: "make a run folder for a trainer of your own: its schedule, no training",
  flags: (args) =>
    planFlags(shapeFlags(args))
      .positional("shards", { type: "string", demandOption: true, describe: "folder of shards" })
      .option("out", {
        type: "string",
        demandOption: true,
        describe: "run folder: made, or found to be the same",
      })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the run as one JSON object on standard output",
      }),
  async run(args) {
    const trainer = await import("../trainer/index.ts");
    const { decidedEnd } = await import("../samplers/index.ts");
    const begun = await trainer.beginRun({
      ...shapeOptions(args),
      ...planOptions(args),
      shards: args.shards,
      out: args.out,
    });
    const { header, stages } = begun.schedule;
    const decided = decidedEnd(begun.schedule);
    const first = stages[0]!.weights;
    say(
      table([
        ["domain", "tokens there are", "weight at first"],
        ...header.domains.map(({ name, tokens }, i) => [name, tokens, percent(first[i]! / 2 ** 24)]),
      ]),
    );
    for (const warning of begun.warnings) say(`warning: ${warning}`);
    say(
      `${grouped(header.batches ?? 0)} batches of ${grouped(header.batchRows)} rows of ${grouped(header.rowTokens)} tokens, policy ${header.policy.name}, ${begun.resumed ? "was there before" : "made"} in ${begun.run}`,
    );
    say(
      decided.final
        ? "decided to its end: no loss report is due"
        : `decided for ${grouped(decided.batch)} batches; then: headrace reweight ${begun.run} --report report.json`,
    );
    if (args.json)
      printJson({
        run: begun.run,
        resumed: begun.resumed,
        warnings: begun.warnings,
        stages: stages.length,
        decided,
        header,
      });
  },
});
