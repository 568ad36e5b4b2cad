/**
 * `headrace stage`: changes a run under way from a batch on, as a stage of its schedule.
 */
import { readFile } from "node:fs/promises";
import { HeadraceError } from "../index.ts";
import type { Change } from "../samplers/index.ts";
import { given } from "./build-options.ts";
import { command } from "./command.ts";
import { grouped, printJson, say } from "./display.ts";
import { showPlan } from "./plan-table.ts";

/** The command. */
export const stage = command({
  command: "stage <run>",
  describe:
    "change a run from a batch on: pass data over, another batch size, other weights, domains withdrawn, an earlier end",
  flags: (args) =>
    args
      .positional("run", {
        type: "string",
        demandOption: true,
        describe: "run folder; nobody may be training it",
      })
      .option("skip", {
        type: "string",
        describe: "A..B: pass over what the batches from A up to B, not included, would hold",
      })
      .option("from", {
        type: "string",
        describe:
          "batch, or part of the run such as 90%, at which --batch, --weights, --policy, --withdraw or --end applies",
      })
      .option("batch", { type: "number", describe: "rows of a batch from there on" })
      .option("weights", { type: "string", describe: "weights from there on, as JSON by domain" })
      .option("policy", {
        type: "string",
        describe: "a module of your own that exports weights(state): weights from there on by its --losses",
      })
      .option("losses", { type: "string", describe: "loss report for --policy, a file" })
      .option("as-published", { type: "boolean", default: false, describe: "--policy without guard rails" })
      .option("withdraw", {
        type: "string",
        array: true,
        describe: "domains that are never served again from there on",
      })
      .option("end", { type: "boolean", default: false, describe: "end the run there" })
      .option("note", { type: "string", describe: "why, for people; recorded" })
      .option("world", {
        type: "number",
        describe: "data-parallel size, to check that it shares out the new batches",
      })
      .option("micro-batch", { type: "number", describe: "rows of a step of a rank, for the same check" })
      .option("json", { type: "boolean", default: false, describe: "the outcome as one JSON object" }),
  async run(args) {
    const samplers = await import("../samplers/index.ts");
    const before = await samplers.readSchedule(samplers.runPaths(args.run).schedule);
    const { batches } = before.header;
    const change =
      args.policy === undefined
        ? changeOf(args, batches)
        : samplers.ownChange(
            before,
            batchOf(args.from, batches),
            await lossesFor(args),
            await samplers.loadPolicy(args.policy),
            args.asPublished ? null : samplers.DEFAULT_RAILS,
          );
    const schedule = await samplers.reviseRun(
      args.run,
      change,
      given({ note: args.note, world: args.world, microBatch: args.microBatch }),
    );
    const { stages, hash } = samplers.scheduleState(schedule);
    const end = samplers.decidedEnd(schedule);
    showPlan(schedule, samplers);
    say(
      `\n${grouped(stages)} stages on record, ${end.final ? `${grouped(end.batch)} batches in all` : `decided for ${grouped(end.batch)} batches`}; trainers go on with it when they open the run`,
    );
    if (args.json) printJson({ change, stages, hash, decidedUntil: end.batch, final: end.final });
  },
});

function changeOf(
  args: {
    readonly skip: string | undefined;
    readonly from: string | undefined;
    readonly batch: number | undefined;
    readonly weights: string | undefined;
    readonly withdraw: readonly string[] | undefined;
    readonly end: boolean;
  },
  batches: number | null,
): Change {
  const asked = [args.skip, args.batch, args.weights, args.withdraw, args.end || undefined].filter(
    (x) => x !== undefined,
  );
  if (asked.length !== 1)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `${asked.length === 0 ? "no change is asked for" : `${asked.length} changes are asked for at once`}; give one of --skip, --batch, --weights, --withdraw and --end`,
    );
  if (args.skip !== undefined) return skipOf(args.skip);
  const fromBatch = batchOf(args.from, batches);
  if (args.batch !== undefined) return { kind: "batch", fromBatch, batchRows: args.batch };
  if (args.withdraw !== undefined) return { kind: "withdraw", fromBatch, domains: args.withdraw };
  if (args.weights === undefined) return { kind: "end", fromBatch };
  try {
    return { kind: "weights", fromBatch, weights: JSON.parse(args.weights) };
  } catch (cause) {
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--weights is ${args.weights}: ${(cause as Error).message}; write JSON such as '{"c4": 0.6, "book": 0.4}'`,
      { cause },
    );
  }
}

/** The loss report that a policy of one's own goes by; nothing else may be asked for beside it. */
async function lossesFor(args: Readonly<Record<string, unknown>>): Promise<unknown> {
  const other = ["skip", "batch", "weights", "withdraw"].find((flag) => args[flag] !== undefined);
  if (other !== undefined || args["end"] || typeof args["losses"] !== "string")
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--policy takes --losses REPORT and --from, ${other === undefined && !args["end"] ? "--losses is absent" : `not --${other ?? "end"}`}; one change at a time`,
    );
  try {
    return JSON.parse(await readFile(args["losses"], "utf8"));
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `cannot read the loss report ${args["losses"]}: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** A..B as a change. Throws ERR_ARGUMENT. */
export function skipOf(text: string): Extract<Change, { kind: "skip" }> {
  const [, from, until] = /^(\d+)\.\.(\d+)$/.exec(text.replaceAll(/[,_]/g, "")) ?? [];
  if (from === undefined)
    throw new HeadraceError("ERR_ARGUMENT", `--skip is "${text}"; write two batches such as 5200..5400`);
  return { kind: "skip", fromBatch: Number(from), untilBatch: Number(until) };
}

/** A batch by its number, or as a part of the run. */
function batchOf(text: string | undefined, batches: number | null): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text?.replaceAll(/[,_]/g, "") ?? "") ?? [];
  if (number === undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--from is ${text === undefined ? "absent" : `"${text}"`}; write a batch such as 5200, or a part of the run such as 90%`,
    );
  if (percent === "") return Number(number);
  if (batches === null)
    throw new HeadraceError("ERR_ARGUMENT", `--from is ${text} of a run without an end; write a batch`);
  return Math.floor((Number(number) / 100) * batches);
}
