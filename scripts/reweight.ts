/**
 * `headrace reweight`: one loss report in, one stage appended, for trainers that headrace does not start.
 */
import { readFile } from "node:fs/promises";
import { HeadraceError } from "../index.ts";
import { command } from "./command.ts";
import { percent, printJson, say, table } from "./display.ts";

/** The command. */
export const reweight = command({
  command: "reweight <run>",
  describe: "append the stage that a loss report leads to",
  flags: (args) =>
    args
      .positional("run", { type: "string", demandOption: true, describe: "run folder" })
      .option("report", {
        type: "string",
        demandOption: true,
        describe: "loss report, or - for standard input",
      })
      .option("wait", { type: "number", default: 60, describe: "seconds to wait for another caller" })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the outcome as one JSON object on standard output",
      }),
  async run(args) {
    const samplers = await import("../samplers/index.ts");
    const report = await readReport(args.report);
    const { schedule, stage, appended } = await samplers.reweight(args.run, report, {
      waitSeconds: args.wait,
    });
    const { stages, hash } = samplers.scheduleState(schedule);
    if (stage === null) say("the report is recorded; no stage follows from it");
    else {
      const before = schedule.stages[schedule.stages.indexOf(stage) - 1];
      say(
        table([
          ["domain", "before", "now"],
          ...schedule.header.domains.map(({ name }, i) => [
            name,
            before ? percent(before.weights[i]! / samplers.PARTS) : "",
            percent(stage.weights[i]! / samplers.PARTS),
          ]),
        ]),
      );
      say();
      say(
        `stage ${schedule.stages.indexOf(stage)}${appended ? "" : " (recorded before)"}: batches ${stage.fromBatch} to ${stage.untilBatch ?? "the end"}`,
      );
    }
    if (args.json)
      printJson({ appended, stage, stages, hash, decidedUntil: samplers.decidedEnd(schedule).batch });
  },
});

async function readReport(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path === "-" ? "/dev/stdin" : path, "utf8");
  } catch (cause) {
    throw new HeadraceError("ERR_INPUT", `cannot read the loss report ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HeadraceError("ERR_PARSE", `loss report ${path} is not JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
}
