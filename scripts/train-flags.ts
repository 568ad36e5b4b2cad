/**
 * The flags that `train` and `reference` share, and what they mean to the trainer.
 */
import type { ArgumentsCamelCase, Argv } from "yargs";
import { HeadraceError } from "../index.ts";
import type { RuleName } from "../samplers/index.ts";
import type { RunOptions, TrainOptions } from "../trainer/index.ts";
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

/** Flags on the shape of batches and what is evaluated. */
export function shapeFlags(args: Argv) {
  return args
    .option("row", { type: "number", default: 4096, describe: "tokens a row" })
    .option("batch", { type: "number", default: 3584, describe: "rows a global batch" })
    .option("seed", { type: "number", default: 0, describe: "of the order of rows" })
    .option("evaluation-row", { type: "number", describe: "tokens a row of evaluation [--row]" })
    .option("evaluation-tokens", { type: "string", describe: "tokens a domain to evaluate on [131,072]" });
}

/** `shapeFlags`, and how long to wait for a trainer. */
export function runFlags(args: Argv) {
  return shapeFlags(args)
    .option("start-timeout", { type: "number", describe: "seconds until the trainer connects [300]" })
    .option("timeout", { type: "number", describe: "seconds of silence after which a trainer hangs [60]" })
    .option("stall-timeout", { type: "number", describe: "seconds without a batch or a report [3600]" });
}

/** The parsed flags of `shapeFlags`. */
export type ShapeArguments = ArgumentsCamelCase<
  ReturnType<typeof shapeFlags> extends Argv<infer T> ? T : never
>;
/** The parsed flags of `runFlags`. */
export type RunArguments = ArgumentsCamelCase<ReturnType<typeof runFlags> extends Argv<infer T> ? T : never>;

/** Options of a run from the flags of its shape. Throws ERR_ARGUMENT. */
export function shapeOptions(
  args: ShapeArguments,
): Pick<RunOptions, "rowTokens" | "batchRows" | "seed" | "evaluation"> {
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
  };
}

/** `shapeOptions`, and the waits. Throws ERR_ARGUMENT. */
export function runOptions(
  args: RunArguments,
): ReturnType<typeof shapeOptions> & Pick<TrainOptions, "startSeconds" | "timeoutSeconds" | "stallSeconds"> {
  return {
    ...shapeOptions(args),
    ...given({
      startSeconds: args.startTimeout,
      timeoutSeconds: args.timeout,
      stallSeconds: args.stallTimeout,
    }),
  };
}

/** Flags on the weights of a run and its length, which `train` and `begin` share. */
export function planFlags<T>(args: Argv<T>) {
  return args
    .option("policy", {
      type: "string",
      default: "dynamic-llama",
      describe:
        "llama, sheared, uniform, proportional, temperature=T, unimax=N, dynamic-llama, dynamic-uniform, average=RUN, or JSON: weights, or weights at points of the run",
    })
    .option("tokens", { type: "string", demandOption: true, describe: "length of the run: 200B, 10M" })
    .option("every", {
      type: "string",
      describe: "tokens between two loss reports [2.5B if the policy needs them]",
    })
    .option("reference", { type: "string", describe: "reference.json, or a published model [llama-2-7b]" })
    .option("rule", { choices: RULE_CHOICES, describe: "of a dynamic policy [softmax]" })
    .option("as-published", { type: "boolean", default: false, describe: "without guard rails" })
    .option("lag", {
      type: "number",
      default: 0,
      describe: "batches the trainer fetches ahead of a report",
    })
    .option("lookahead", {
      choices: [0, 1] as const,
      default: 0 as const,
      describe: "1: rows of L + 1 tokens",
    })
    .option("packing", {
      type: "string",
      default: "concat",
      describe: "concat, packed, or the first digits of a pack plan's hash (headrace pack)",
    })
    .option("order", {
      type: "string",
      default: "global",
      describe:
        "global, local, or local=BLOCKSxROWS: the window of a domain, for disks and object stores [16x1024]",
    })
    .option("exhaustion", {
      choices: ["repeat", "redistribute", "stop", "error"] as const,
      default: "repeat" as const,
      describe: "when a domain has given all its rows",
    })
    .option("epochs", {
      type: "number",
      describe: "passes over a domain before that [no limit; 1 unless repeat]",
    });
}

/** The parsed flags of `planFlags`. */
export type PlanArguments = ArgumentsCamelCase<
  ReturnType<typeof planFlags<object>> extends Argv<infer T> ? T : never
>;

/** Options of a run from the flags. Throws ERR_ARGUMENT. */
export function planOptions(args: PlanArguments): Omit<RunOptions, "shards" | "out"> {
  return {
    policy: args.policy,
    tokens: tokensOf("tokens", args.tokens),
    lookahead: args.lookahead === 1 ? 1 : 0,
    packing: args.packing,
    exhaustion: { policy: args.exhaustion, epochs: args.epochs ?? null },
    asPublished: args.asPublished,
    lag: args.lag,
    ...given({
      everyTokens: args.every === undefined ? undefined : tokensOf("every", args.every),
      rule: args.rule,
      reference: args.reference,
      window: windowOf(args.order),
    }),
  };
}

/** The window of an order as it is written; undefined for the global one. Throws ERR_ARGUMENT. */
function windowOf(order: string): RunOptions["window"] {
  if (order === "global") return undefined;
  const [, blocks, blockRows] = /^local=([1-9]\d{0,6})x([1-9]\d{0,6})$/.exec(
    order === "local" ? "local=16x1024" : order,
  ) ?? ["", 0, 0];
  if (Number(blocks) > 0) return { blocks: Number(blocks), blockRows: Number(blockRows) };
  throw new HeadraceError(
    "ERR_ARGUMENT",
    `the order is "${order}"; write global, local, or local=BLOCKSxROWS such as local=16x1024`,
  );
}

/** Aborts at the first Ctrl-C or SIGTERM; a second one is left to the system. */
export function untilInterrupted(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
