/**
 * `headrace branch`: a new run that shares another's batches up to one of them.
 */
import { HeadraceError } from "../index.ts";
import { given } from "./build-options.ts";
import { command } from "./command.ts";
import { grouped, printJson, say } from "./display.ts";
import { showPlan } from "./plan-table.ts";
import { skipOf } from "./stage.ts";

/** The command. */
export const branch = command({
  command: "branch <run>",
  describe: "make a run that shares another's batches up to one of them: RUN@BATCH",
  flags: (args) =>
    args
      .positional("run", {
        type: "string",
        demandOption: true,
        describe: "RUN@BATCH: run folder, and the first batch that is the branch's own",
      })
      .option("out", { type: "string", demandOption: true, describe: "folder of the branch, empty or new" })
      .option("skip", {
        type: "string",
        describe: "A..B: pass over what the batches from A up to B, not included, held",
      })
      .option("note", { type: "string", describe: "why, for people; recorded" })
      .option("json", { type: "boolean", default: false, describe: "the outcome as one JSON object" }),
  async run(args) {
    const samplers = await import("../samplers/index.ts");
    const [, run, at] = /^(.+)@(\d+)$/.exec(args.run) ?? [];
    if (run === undefined)
      throw new HeadraceError("ERR_ARGUMENT", `the run is "${args.run}"; write RUN@BATCH, such as run@5000`);
    const skip = args.skip === undefined ? null : skipOf(args.skip);
    const made = await samplers.branchRun(
      run,
      Number(at),
      args.out,
      given({ note: args.note, change: skip ?? undefined }),
    );
    const { schedule } = made;
    const { stages, hash } = samplers.scheduleState(schedule);
    showPlan(schedule, samplers);
    say(
      `\n${made.run} shares ${grouped(made.shared)} stages and ${grouped(made.acknowledged)} served batches with ${run}; put the trainer's checkpoint at batch ${at} or before into ${samplers.runPaths(made.run).checkpoints}`,
    );
    if (args.json) printJson({ ...made, schedule: undefined, stages, hash });
  },
});
