/**
 * `headrace replay`: serves again what a run was served, or proves with --verify that record and shards are those of the run.
 */
import { once } from "node:events";
import { join } from "node:path";
import type { EditReport, ReplayReport } from "../samplers/index.ts";
import { given } from "./build-options.ts";
import { command } from "./command.ts";
import { grouped, Progress, percent, printJson, say, size, table } from "./display.ts";

/** Differences printed for a person; damage to one batch often shows in all that follow. */
const SHOWN = 12;

/** The command. */
export const replay = command({
  command: "replay <run>",
  describe: "serve a run again as JSON lines, or prove it with --verify",
  flags: (args) =>
    args
      .positional("run", { type: "string", demandOption: true, describe: "run folder" })
      .option("verify", {
        type: "boolean",
        default: false,
        describe: "check stages, batches and shards; status 1 if any differs",
      })
      .option("edit", {
        type: "string",
        describe: "an edited copy of schedule.json: where it departs from the run, and what differs",
      })
      .option("shards", { type: "string", describe: "folder of shards [the one in run.json]" })
      .option("from", { type: "number", describe: "first batch [0]" })
      .option("until", { type: "number", describe: "batch to end before [the end of the served log]" })
      .option("rows", {
        type: "boolean",
        default: false,
        describe: "each row as [domain, epoch, row, first token]",
      })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the report of --verify or --edit as one JSON object on standard output",
      }),
  async run(args) {
    const samplers = await import("../samplers/index.ts");
    const range = given({ from: args.from, until: args.until });
    if (args.edit !== undefined) {
      const recorded = await samplers.readSchedule(join(args.run, "schedule.json"));
      const report = samplers.compareSchedules(recorded, await samplers.readEdited(args.edit), args.until);
      printEditReport(report, samplers.readServedLog(join(args.run, "served.log")).hashes.size);
      if (args.json) printJson(report);
      return;
    }
    if (!args.verify) {
      const schedule = await samplers.readSchedule(join(args.run, "schedule.json"));
      const log = join(args.run, "served.log");
      for (const batch of samplers.replayBatches(schedule, { ...range, log, rows: args.rows }))
        if (!process.stdout.write(`${JSON.stringify(batch)}\n`)) await once(process.stdout, "drain");
      return;
    }
    const shards = args.shards ?? (await samplers.readRun(args.run)).shards;
    const progress = new Progress("replay");
    const report = await samplers.verifyReplay(args.run, shards, {
      ...range,
      onProgress: ({ phase, done, total }) =>
        progress.show(done, total, phase === "plan" ? `${grouped(done)} batches` : `${size(done)} of shards`),
    });
    progress.end();
    printReplayReport(report);
    if (args.json) printJson(report);
    if (!report.identical) process.exitCode = 1;
  },
});

/** What was checked, every difference, and the verdict as the last line. */
export function printReplayReport(report: ReplayReport): void {
  say(
    `${report.stages} stages (${report.updates} recomputed from losses), ${grouped(report.batches)} batches, ${report.shards} shards (${size(report.bytes)})`,
  );
  for (const { where, expected, seen } of report.differences.slice(0, SHOWN))
    say(`differs: ${where}: expected ${expected}; seen ${seen}`);
  const more = report.differences.length - SHOWN;
  if (more > 0) say(`and ${grouped(more)} more; --json lists them all`);
  say(report.identical ? "replay: identical" : `replay: ${report.differences.length} differences`);
}

/** Where an edited schedule departs, and what each domain gives under both. `acknowledged` batches were trained on already. */
export function printEditReport(report: EditReport, acknowledged: number): void {
  const { departs, compared, same } = report;
  if (report.header.length > 0) say(`the headers differ in ${report.header.join(", ")}`);
  if (report.recordedEnd !== report.editedEnd)
    say(
      `the run is decided up to batch ${grouped(report.recordedEnd)}, the edit up to ${grouped(report.editedEnd)}`,
    );
  if (departs === null) {
    say(`edit: the same rows in all ${grouped(compared)} batches`);
    return;
  }
  const total = (field: "recordedRows" | "editedRows") =>
    report.domains.reduce((sum, domain) => sum + domain[field], 0);
  const [recorded, edited] = [total("recordedRows"), total("editedRows")];
  say(
    table([
      ["domain", `batch ${departs.batch}`, "edited", "share", "edited", "epochs", "edited", "rows more"],
      ...report.domains.map((domain) => [
        domain.name,
        grouped(domain.recorded),
        grouped(domain.edited),
        percent(domain.recordedRows / recorded),
        percent(domain.editedRows / edited),
        domain.recordedEpochs.toFixed(2),
        domain.editedEpochs.toFixed(2),
        grouped(domain.editedRows - domain.recordedRows),
      ]),
    ]),
  );
  say();
  say(
    `edit: departs at batch ${grouped(departs.batch)} (${grouped(departs.tokens)} tokens; stage ${departs.recordedStage}, edited ${departs.editedStage}) in ${departs.domains.join(", ")}; ${grouped(same)} of ${grouped(compared)} batches hold the same rows`,
  );
  if (acknowledged > departs.batch)
    say(`${grouped(acknowledged - departs.batch)} of the batches from there on were trained on already`);
}
