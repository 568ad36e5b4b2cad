/**
 * `headrace calibrate`: thresholds that meet a target drop rate, as a file that builds take.
 */
import { SCORE_UNIT, type TargetReadings, targetText, unreached } from "../filters/index.ts";
import { curateFlags, curateOptions } from "./build-options.ts";
import { command } from "./command.ts";
import { grouped, Progress, percent, printJson, say, table } from "./display.ts";

/** The command. */
export const calibrate = command({
  command: "calibrate <inputs..>",
  describe: "thresholds that drop a target share, as a file for build --calibration",
  flags: (args) =>
    curateFlags(args)
      .positional("inputs", {
        type: "string",
        array: true,
        demandOption: true,
        describe: "files, folders or patterns",
      })
      .option("drop", {
        type: "string",
        demandOption: true,
        describe: "targets in order: ads=0.5:documents,fluency=0.15:documents",
      })
      .option("out", { type: "string", default: "calibration.json", describe: "the file to write" })
      .option("documents", {
        type: "number",
        default: 50_000,
        describe: "about how many documents to sample",
      })
      .option("json", { type: "boolean", default: false, describe: "the calibration on standard output" }),
  async run(args) {
    const pipeline = await import("../pipeline/index.ts");
    const options = curateOptions(args);
    const { files } = await pipeline.planInputs(args.inputs);
    const progress = new Progress("calibrate");
    const { calibration, readings } = await pipeline.calibrateAndRead({
      targets: args.drop,
      files,
      source: options.source,
      curator: await pipeline.openCurator(await pipeline.curateSetup({ ...options, drop: args.drop })),
      documents: args.documents,
      ...(options.applyTo && { applyTo: options.applyTo }),
      onProgress: (done, total) => progress.show(done, total, `${grouped(done)} documents`),
    });
    progress.end();
    await pipeline.writeCalibration(args.out, calibration);
    const rows = calibration.filters.flatMap(({ name, target, domains }) =>
      domains.map(({ domain, threshold, chosenOn, reached, predicted }) => [
        targetText({ filter: name, ...target }),
        domain,
        (threshold / SCORE_UNIT).toFixed(4),
        chosenOn,
        reached.documents,
        percent(predicted.documents.rate),
        `${percent(predicted.documents.from)} to ${percent(predicted.documents.to)}`,
        percent(predicted.tokens.rate),
      ]),
    );
    say(
      table([
        ["target", "domain", "threshold", "chosen on", "documents", "drops", "99 % of builds", "of tokens"],
        ...rows,
      ]),
    );
    for (const note of unreached(calibration)) say(note);
    for (const both of readings) printReadings(both);
    const { sample } = calibration;
    say(
      `${grouped(sample.documents)} documents${sample.whole ? ", the whole input" : " sampled"}; written to ${args.out}`,
    );
    if (args.json) printJson(calibration);
  },
});

/** What a rate drops, whichever of the two ways it is meant. */
function printReadings({ filter, rate, readings }: TargetReadings): void {
  say();
  say(`${rate} of ${filter} can be read in two ways, here with one threshold for all of its domains:`);
  const rows = readings.map(({ unit, threshold, documents, tokens, mistaken }) => [
    `${filter}=${rate}:${unit}`,
    Math.abs(threshold) < 2 ** 24 ? (threshold / SCORE_UNIT).toFixed(4) : "none",
    percent(documents),
    percent(tokens),
    percent(mistaken),
  ]);
  say(table([["read as", "threshold", "drops", "of tokens", "of which not, by its own odds"], ...rows]));
}
