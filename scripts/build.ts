/**
 * `headrace build`: corpus files to filtered Arrow shards.
 */
import { availableParallelism } from "node:os";
import { HeadraceError } from "../index.ts";
import type { BuildProgress, BuildReport, ShardReport } from "../pipeline/index.ts";
import { bytesOf, curateFlags, curateOptions, given } from "./build-options.ts";
import { printBuildReport, printShardReport, sayMissing } from "./build-report.ts";
import { command } from "./command.ts";
import { compact, grouped, Progress, printJson, say, size, type Words } from "./display.ts";
import { printForecast } from "./forecast.ts";

/** The command. */
export const build = command({
  command: "build [inputs..]",
  describe: "corpus files to filtered Arrow shards",
  flags: (args) =>
    curateFlags(args)
      .positional("inputs", {
        type: "string",
        array: true,
        default: [] as string[],
        describe: "files, folders or patterns",
      })
      .option("from", {
        type: "string",
        describe: "finished shards to filter anew, instead of inputs: no input is read, nothing tokenized",
      })
      .option("out", { type: "string", demandOption: true, describe: "folder for the shards" })
      .option("drop", { type: "string", describe: "what to drop: ads=0.5:documents,fluency=0.15:documents" })
      .option("calibration", {
        type: "string",
        describe: "thresholds from headrace calibrate, instead of --drop",
      })
      .option("tag-only", {
        type: "boolean",
        default: false,
        describe: "drop nothing: the score table says what would have been dropped",
      })
      .option("calibration-documents", {
        type: "number",
        describe: "documents to calibrate on [50,000; with --from all]",
      })
      .option("workers", {
        type: "number",
        default: availableParallelism(),
        describe: "threads; no number changes a byte",
      })
      .option("task-size", {
        type: "string",
        describe: "text a worker takes at a time: bigger files are cut, smaller ones grouped [256MiB]",
      })
      .option("section-records", {
        type: "number",
        describe: "records between commits of a task, all that a killed build repeats a worker [65,536]",
      })
      .option("shard-size", { type: "string", describe: "bytes of token values a shard [512MB]" })
      .option("keep-dropped", {
        type: "boolean",
        describe: "keep dropped documents as a split [below 100 GB of input]",
      })
      .option("validation", {
        type: "string",
        array: true,
        describe: "the corpus' own validation set instead of holding out",
      })
      .option("validation-tokens", {
        type: "number",
        describe: "tokens to hold out a domain, at most 5 % of it [2,048,000]",
      })
      .option("validation-row", {
        type: "number",
        describe: "row at which a domain of few documents is split [256]",
      })
      .option("replace", {
        type: "boolean",
        default: false,
        describe: "build over the finished shards of another build, reusing nothing of them (--from does)",
      })
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "say what the build would come to, from a sample, and write nothing",
      })
      .option("shard", {
        type: "string",
        describe:
          "i/N: run the tasks of the i-th of N machines (from 1), beside the others; then --finish once",
      })
      .option("finish", {
        type: "boolean",
        default: false,
        describe: "make the shards of a build whose tasks were run with --shard",
      })
      .option("json", {
        type: "boolean",
        default: false,
        describe: "the report as one JSON object on standard output",
      }),
  async run(args) {
    const pipeline = await import("../pipeline/index.ts");
    const progress = new Progress("build");
    const { applyTo, ...curate } = curateOptions(args);
    const common = {
      out: args.out,
      workers: args.workers,
      replace: args.replace,
      tagOnly: args.tagOnly,
      onProgress: buildProgress(progress),
      onNote(sentence: string) {
        progress.end();
        say(`note: ${sentence}`);
      },
      ...given({
        applyTo,
        drop: args.drop,
        calibration: args.calibration,
        calibrationDocuments: args.calibrationDocuments,
        keepDropped: args.keepDropped,
        taskBytes: args.taskSize === undefined ? undefined : bytesOf("task-size", args.taskSize),
        sectionRecords: args.sectionRecords,
        shardBytes: args.shardSize === undefined ? undefined : bytesOf("shard-size", args.shardSize),
        validationTokens: args.validationTokens,
        validationRow: args.validationRow,
      }),
    };
    if (args.from !== undefined) refuseInputFlags(args);
    const shard = args.shard === undefined ? undefined : pipeline.parseBuildShard(args.shard);
    if (args.dryRun && (shard || args.finish))
      throw new HeadraceError(
        "ERR_ARGUMENT",
        "--dry-run was given with --shard or --finish; it says what the whole build comes to, so leave them out",
      );
    if (shard && args.finish)
      throw new HeadraceError(
        "ERR_ARGUMENT",
        "--shard and --finish were both given; run every shard first, then --finish once",
      );
    const inputs = { ...common, ...curate, inputs: args.inputs, ...given({ validation: args.validation }) };
    const refiltered = { ...common, from: args.from ?? "" };
    if (args.dryRun) {
      const forecast =
        args.from === undefined
          ? await pipeline.forecastBuild(inputs)
          : await pipeline.forecastRefilter(refiltered);
      progress.end();
      printForecast(forecast);
      if (args.json) printJson(forecast);
      return;
    }
    if (shard) {
      const report = await pipeline.buildShard(inputs, shard);
      progress.end();
      printShardReport(report);
      return ended(report, args.json);
    }
    const report =
      args.from !== undefined
        ? await pipeline.refilter(refiltered)
        : args.finish
          ? await pipeline.finishBuild(inputs).catch(sayMissing)
          : await pipeline.build(inputs);
    progress.end();
    printBuildReport(report);
    ended(report, args.json);
  },
});

/** Prints the report for machines, and says by the exit status whether all input could be read. */
function ended(report: BuildReport | ShardReport, json: boolean): void {
  if (json) printJson(report);
  if (report.incidents > 0 || report.quarantine.some(({ domain }) => domain)) process.exitCode = 3;
}

/** Flags that only mean something where an input is read. */
const INPUT_FLAGS = {
  shard: undefined,
  finish: false,
  tokenizer: "llama-2",
  "tokenizer-engine": "headrace",
  "special-tokens": "spell",
  bos: true,
  eos: false,
  filters: undefined,
  filter: undefined,
  "url-field": undefined,
  "score-field": undefined,
  text: undefined,
  "domain-field": undefined,
  domain: undefined,
  "map-domain": undefined,
  "max-document-bytes": undefined,
  "task-size": undefined,
  "section-records": undefined,
  validation: undefined,
} as const;

/** Throws ERR_ARGUMENT where `--from` comes with what it cannot change, or without thresholds. */
function refuseInputFlags(args: Readonly<Record<string, unknown>>): void {
  const inputs = args["inputs"] as readonly string[];
  if (inputs.length > 0)
    throw new HeadraceError("ERR_ARGUMENT", `--from and the input ${inputs[0]} were both given; keep one`);
  const flag = Object.entries(INPUT_FLAGS).find(([name, usual]) => args[name] !== usual)?.[0];
  if (flag !== undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `--${flag} was given with --from, which reads no text; leave it out, or build again from the input`,
    );
  if (args["drop"] === undefined && args["calibration"] === undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      "--from was given without --drop or --calibration; name one (--drop ads=0:documents drops nothing)",
    );
}

/** The progress line of a build; rates and ETA are those of the phase, without what an earlier run had done. */
export function buildProgress(progress: Progress): (step: BuildProgress) => void {
  let phase = "";
  return (step) => {
    if (step.phase !== phase) progress.restart();
    phase = step.phase;
    const { done, words } = progressWords(step, progress.seconds);
    progress.show(done, step.total, words, step.reused.bytes);
  };
}

/** How far a phase is, in the unit of its total, and what there is to say of it, the most important first. */
export function progressWords(
  step: BuildProgress,
  seconds: number,
): { readonly done: number; readonly words: readonly Words[] } {
  const rates = (verb: string): readonly Words[] => {
    if (seconds < 1) return [verb];
    const bytes = `${size((step.bytes - step.reused.bytes) / seconds)}/s`;
    const tokens = compact((step.tokens - step.reused.tokens) / seconds);
    return [
      [`${verb} ${bytes}`, bytes],
      [`${tokens} tokens/s`, `${tight(tokens)} tok/s`],
    ];
  };
  const documents = `${grouped(step.documents)} documents`;
  const [gone, bad] = [compact(step.dropped), compact(step.quarantined)];
  const dropped: Words = [`${gone} dropped`, `${tight(gone)} dropped`];
  const quarantined: Words = [`${bad} quarantined`, `${tight(bad)} bad`];
  switch (step.phase) {
    case "calibrate":
      return { done: step.documents, words: [`calibrating: ${documents} scored`] };
    case "judge": {
      const rate = `${compact(step.documents / Math.max(1, seconds))}/s`;
      return { done: step.documents, words: [[`judging ${rate}`, rate], dropped, documents] };
    }
    case "scan":
      return { done: step.bytes, words: ["scanning big files for places to cut them"] };
    case "compact":
      return { done: step.bytes, words: rates("compacting") };
    case "read":
      return { done: step.bytes, words: [...rates("reading"), dropped, quarantined, documents] };
    default:
      return step.phase satisfies never;
  }
}

/** A number without the space before its unit. */
function tight(number: string): string {
  return number.replace(" ", "");
}
