/**
 * `headrace train`: drives a trainer over shards, and moves the weights of the domains by the losses it reports.
 */
import type { TrainProgress, TrainReport } from "../trainer/index.ts";
import { given } from "./build-options.ts";
import { command } from "./command.ts";
import { duration, grouped, Progress, percent, printJson, say, sparkline, table } from "./display.ts";
import { planFlags, planOptions, runFlags, runOptions, untilInterrupted } from "./train-flags.ts";

/** The command. */
export const train = command({
  command: "train <shards>",
  describe: "drive a trainer, re-weighting the domains from its losses",
  flags: (args) =>
    planFlags(runFlags(args))
      .positional("shards", { type: "string", demandOption: true, describe: "folder of shards" })
      .option("out", { type: "string", demandOption: true, describe: "run folder: made, or gone on with" })
      .option("trainer", {
        type: "string",
        default: "embedded",
        describe: "embedded, torch, or a command that speaks the protocol",
      })
      .option("attach", {
        type: "boolean",
        default: false,
        describe: "start nothing; print where to connect",
      })
      .option("listen", { type: "string", describe: "tcp:host:port or unix:/path [a private socket]" })
      .option("tensorboard", {
        type: "string",
        describe: "folder for TensorBoard's event files (none without this flag)",
      })
      .option("prometheus", {
        type: "string",
        describe: "file of live numbers in Prometheus' text format, replaced whole",
      })
      .option("metrics-port", {
        type: "string",
        describe: "[host:]port at which Prometheus may ask for them",
      })
      .option("metrics-seconds", { type: "number", describe: "seconds between live numbers [10]" })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the report as one JSON object on standard output",
      }),
  async run(args) {
    const trainer = await import("../trainer/index.ts");
    const progress = new Progress("train");
    const report = await trainer.train({
      ...runOptions(args),
      ...planOptions(args),
      shards: args.shards,
      out: args.out,
      trainer: args.attach ? null : args.trainer,
      signal: untilInterrupted(),
      onAttach: ({ address, token }) => {
        say(`${trainer.ADDRESS_VARIABLE}=${address}`);
        say(`${trainer.TOKEN_VARIABLE}=${token}`);
        say(`put these two into the trainer's environment and start it (or source ${args.out}/attach.env)`);
      },
      onMetrics: (url) => say(`live numbers at ${url}`),
      onProgress: showProgress(progress),
      ...given({
        listen: args.listen,
        tensorboard: args.tensorboard,
        prometheus: args.prometheus,
        metricsListen: args.metricsPort,
        metricsSeconds: args.metricsSeconds,
      }),
    });
    progress.end();
    printTrainReport(report);
    if (args.json) printJson(report);
    if (!report.finished) process.exitCode = 130;
  },
});

/** The progress line of a run: the rate is of what this call trained. */
export function showProgress(progress: Progress): (at: TrainProgress) => void {
  let first: TrainProgress | null = null;
  let loss = "";
  return (at) => {
    first ??= at;
    if (at.loss !== null) loss = `, loss ${at.loss.toFixed(3)}`;
    const rate = grouped(Math.round((at.tokens - first.tokens) / Math.max(0.001, progress.seconds)));
    progress.show(
      at.batch,
      at.batches,
      `batch ${grouped(at.batch)} of ${grouped(at.batches)}, ${rate} tokens/s${loss}, ${at.stages} stages`,
    );
  };
}

/** Weights by stage, losses by domain, and where everything is. */
export function printTrainReport(report: TrainReport): void {
  const { stages, losses, shares } = report;
  const names = Object.keys(shares);
  const last = stages.findLast(({ cause }) => cause !== "stop") ?? stages.at(-1)!;
  const rows = names.map((name) => {
    const measured = losses.flatMap(({ domains }) => (domains[name] === undefined ? [] : [domains[name]]));
    return [
      name,
      percent(stages[0]!.weights[name]!),
      percent(last.weights[name]!),
      sparkline(stages.map(({ weights }) => weights[name]!)),
      percent(shares[name]!),
      measured[0]?.toFixed(3) ?? "",
      measured.at(-1)?.toFixed(3) ?? "",
      measured.length > 1 ? sparkline(measured) : "",
    ];
  });
  say(table([["domain", "weight", "now", "by stage", "share", "loss", "now", "by report"], ...rows]));
  say();
  const railed = stages.filter(({ rails }) => rails.length > 0).length;
  if (railed > 0) say(`guard rails acted in ${railed} of ${stages.length} stages; the schedule says on what`);
  for (const warning of report.warnings) say(`warning: ${warning}`);
  if (report.resumedAt !== null) say(`gone on with from batch ${grouped(report.resumedAt)}`);
  say(
    `${grouped(report.batches)} batches, ${grouped(report.tokens)} tokens, ${stages.length} stages in ${duration(report.seconds)} (${grouped(Math.round(report.tokensPerSecond))} tokens/s)`,
  );
  if (!report.finished) say("not finished: the same command goes on");
  say(`run in ${report.run}; prove it with: headrace replay ${report.run} --verify`);
}
