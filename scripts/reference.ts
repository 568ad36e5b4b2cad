/**
 * `headrace reference`: measures the losses that a loss-driven policy compares with, on this validation split.
 */
import { tokensOf } from "./amount.ts";
import { given } from "./build-options.ts";
import { command } from "./command.ts";
import { duration, grouped, Progress, printJson, say, table } from "./display.ts";
import { showProgress } from "./train.ts";
import { runFlags, runOptions, untilInterrupted } from "./train-flags.ts";

/** The command. */
export const reference = command({
  command: "reference <shards>",
  describe: "measure reference losses on this validation split",
  flags: (args) =>
    runFlags(args)
      .positional("shards", { type: "string", demandOption: true, describe: "folder of shards" })
      .option("out", { type: "string", default: "reference.json", describe: "file to write" })
      .option("trainer", { type: "string", default: "embedded", describe: "embedded, torch, or a command" })
      .option("model", { type: "string", describe: "whose losses these are, for people" })
      .option("checkpoints", { type: "string", describe: "folder whose newest checkpoint is measured" })
      .option("tokens", { type: "string", describe: "train on a fixed mix for so many tokens first" })
      .option("policy", { type: "string", default: "uniform", describe: "the fixed mix of --tokens" })
      .option("run", { type: "string", describe: "run folder of --tokens [OUT.run]" })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the report as one JSON object on standard output",
      }),
  async run(args) {
    const { measureReference } = await import("../trainer/index.ts");
    const progress = new Progress("reference");
    const { evaluation, rowTokens, ...shape } = runOptions(args);
    const { startSeconds, timeoutSeconds, stallSeconds } = shape;
    const signal = untilInterrupted();
    const report = await measureReference({
      shards: args.shards,
      out: args.out,
      trainer: args.trainer,
      evaluation: { ...(rowTokens ? { rowTokens } : {}), ...evaluation },
      signal,
      ...given({
        startSeconds,
        timeoutSeconds,
        stallSeconds,
        model: args.model,
        checkpoints: args.checkpoints,
      }),
      ...(args.tokens === undefined
        ? {}
        : {
            train: {
              ...shape,
              ...(rowTokens ? { rowTokens } : {}),
              out: args.run ?? `${args.out.replace(/\.json$/, "")}.run`,
              policy: args.policy,
              tokens: tokensOf("tokens", args.tokens),
              onProgress: showProgress(progress),
            },
          }),
    });
    progress.end();
    say(
      table([
        ["domain", "nats a token", "tokens"],
        ...Object.entries(report.losses).map(([name, loss]) => [name, loss.toFixed(4), report.tokens[name]!]),
      ]),
    );
    say();
    for (const name of report.unmeasured) say(`${name} has no validation stream and no reference loss`);
    say(
      `${grouped(Object.values(report.tokens).reduce((sum, n) => sum + n, 0))} tokens of ${report.model} in ${duration(report.seconds)}: ${report.out}`,
    );
    if (args.json) printJson(report);
  },
});
