/**
 * The flags that `train` and `reference` share, and what they mean to the trainer.
 */
import type { ArgumentsCamelCase, Argv } from "yargs";
import type { RuleName } from "../samplers/index.ts";
import type { TrainOptions } from "../trainer/index.ts";
import { tokensOf } from "./amount.ts";
import { given } from "./build-options.ts";

/** The rules of a dynamic policy, named here so that the command line starts without the samplers. */
export const RULE_CHOICES = [
  "softmax",
  "clamp",
  "doremi",
  "bandit",
  "velocitune",
  "odm",
] as const satisfies readonly RuleName[];

/** Flags on the shape of batches, what is evaluated, and how long to wait for a trainer. */
export function runFlags(args: Argv) {
  return args
    .option("row", { type: "number", default: 4096, describe: "tokens a row" })
    .option("batch", { type: "number", default: 3584, describe: "rows a global batch" })
    .option("seed", { type: "number", default: 0, describe: "of the order of rows" })
    .option("evaluation-row", { type: "number", describe: "tokens a row of evaluation [--row]" })
    .option("evaluation-tokens", { type: "string", describe: "tokens a domain to evaluate on [131,072]" })
    .option("start-timeout", { type: "number", describe: "seconds until the trainer connects [300]" })
    .option("timeout", { type: "number", describe: "seconds of silence after which a trainer hangs [60]" })
    .option("stall-timeout", { type: "number", describe: "seconds without a batch or a report [3600]" });
}

/** The parsed flags of `runFlags`. */
export type RunArguments = ArgumentsCamelCase<ReturnType<typeof runFlags> extends Argv<infer T> ? T : never>;

/** Options of a run from the flags. Throws ERR_ARGUMENT. */
export function runOptions(
  args: RunArguments,
): Pick<
  TrainOptions,
  "rowTokens" | "batchRows" | "seed" | "evaluation" | "startSeconds" | "timeoutSeconds" | "stallSeconds"
> {
  return {
    rowTokens: args.row,
    batchRows: args.batch,
    seed: args.seed,
    evaluation: given({
      rowTokens: args.evaluationRow,
      tokensPerDomain:
        args.evaluationTokens === undefined
          ? undefined
          : tokensOf("evaluation-tokens", args.evaluationTokens),
    }),
    ...given({
      startSeconds: args.startTimeout,
      timeoutSeconds: args.timeout,
      stallSeconds: args.stallTimeout,
    }),
  };
}

/** Aborts at the first Ctrl-C or SIGTERM; a second one is left to the system. */
export function untilInterrupted(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
