/**
 * `headrace simulate`: what a policy would serve of a corpus, batch by batch, without shards or a trainer.
 */
import type { SimulationReport, WeightStage } from "../samplers/index.ts";
import { tokensOf } from "./amount.ts";
import { given } from "./build-options.ts";
import { command } from "./command.ts";
import { grouped, percent, printJson, say, sparkline, table } from "./display.ts";
import { RULE_CHOICES } from "./train-flags.ts";

/** Stages shown of a long schedule. */
const STAGES_SHOWN = 12;

/** The command. */
export const simulate = command({
  command: "simulate [shards]",
  describe: "run a policy over a corpus on paper: weights by stage, rows, epochs, what runs dry",
  flags: (args) =>
    args
      .positional("shards", {
        type: "string",
        describe: "folder of shards; without it, SlimPajama's 627 B tokens in seven domains",
      })
      .option("policy", {
        type: "string",
        default: "sheared",
        describe:
          "llama, sheared, uniform, proportional, temperature=T, unimax=N, dynamic-llama, dynamic-uniform, or JSON: weights, or weights at points of the run",
      })
      .option("tokens", {
        type: "string",
        default: "200B",
        describe: "tokens of the run, floored to batches",
      })
      .option("row", { type: "number", default: 4096, describe: "tokens a row" })
      .option("batch", { type: "number", default: 3584, describe: "rows a batch" })
      .option("every", { type: "string", describe: "tokens between updates [2.5B]" })
      .option("lag", { type: "number", default: 0, describe: "batches between a loss and its weights" })
      .option("seed", { type: "number", default: 0, describe: "of the order; the mixture has none" })
      .option("exhaustion", {
        choices: ["repeat", "redistribute", "stop", "error"] as const,
        default: "repeat" as const,
        describe: "when a domain has no more rows",
      })
      .option("epochs", {
        type: "number",
        describe: "passes over a domain that are allowed [repeat: no limit, else 1]",
      })
      .option("supply", {
        type: "string",
        array: true,
        describe: "DOMAIN=TOKENS instead of what there is, such as c4=83.7e9",
      })
      .option("rule", { choices: RULE_CHOICES, describe: "of a dynamic policy [softmax]" })
      .option("reference", { type: "string", describe: "reference losses: llama-2-7b, sheared-1.3b, …" })
      .option("as-published", { type: "boolean", default: false, describe: "no guard rails" })
      .option("losses", { type: "string", describe: "JSON list of loss reports, for a dynamic policy" })
      .option("svg", {
        type: "string",
        describe:
          "write a picture of it to this file: weights and epochs over the tokens, where domains run dry",
      })
      .option("json", { type: "boolean", default: false, describe: "the whole report as one JSON object" }),
  async run(args) {
    const samplers = await import("../samplers/index.ts");
    const { domains, shards } = await samplers.corpusOf(args.shards, args.supply);
    const report = samplers.simulate({
      domains,
      shards,
      policy: args.policy,
      tokens: tokensOf("tokens", args.tokens),
      rowTokens: args.row,
      batchRows: args.batch,
      seed: args.seed,
      lag: args.lag,
      exhaustion: { policy: args.exhaustion, epochs: args.epochs ?? null },
      policyOptions: {
        asPublished: args.asPublished,
        ...given({
          everyTokens: args.every === undefined ? undefined : tokensOf("every", args.every),
          rule: args.rule,
          reference: args.reference,
        }),
      },
      ...(args.losses !== undefined && { reports: await samplers.readLossLog(args.losses) }),
    });
    if (args.svg !== undefined) {
      const { writeFileWhole } = await import("../shards/index.ts");
      await writeFileWhole(args.svg, samplers.simulationChart(report));
      say(`picture in ${args.svg}`);
    }
    if (args.json) return printJson(report);
    show(report, samplers.PARTS);
  },
});

function show(report: SimulationReport, parts: number): void {
  const { schedule, batches, tokens, deviation, losses, hash } = report;
  const { header, stages } = schedule;
  say(
    `${grouped(batches)} batches of ${grouped(header.batchRows)} rows of ${grouped(header.rowTokens)} tokens: ${grouped(tokens)} tokens, policy ${header.policy.name}`,
  );
  if (header.batches !== batches)
    say(`the run stops before batch ${grouped(batches)}: asked were ${grouped(header.batches ?? 0)}`);
  if (losses !== null) say(`losses: ${losses}`);

  say(`\nweights by stage${stages.length > STAGES_SHOWN ? ` (${STAGES_SHOWN} of ${stages.length})` : ""}`);
  say(
    table([
      ["stage", "from batch", "from tokens", "why", ...header.domains.map(({ name }) => name)],
      ...spread(stages).map((index) => {
        const stage = stages[index]!;
        const weights = stage.weights.map((weight) => (weight / parts).toFixed(4));
        return [index, stage.fromBatch, billions(stage.fromTokens), why(stage), ...weights];
      }),
    ]),
  );
  say();
  say(
    table([
      [
        "domain",
        "weight",
        "tokens there are",
        "rows served",
        "tokens served",
        "share",
        "epochs",
        "runs dry after",
      ],
      ...report.domains.map(({ name, available, rows, tokens: given, share, epochs, dry }, i) => [
        name,
        sparkline(spread(stages).map((index) => stages[index]!.weights[i]!)),
        billions(available),
        rows,
        billions(given),
        percent(share),
        epochs.toFixed(3),
        dry === null ? "" : `${billions(dry.tokens)} (batch ${grouped(dry.batch)})`,
      ]),
    ]),
  );
  say(
    `\nnever more than ${deviation.rows.toFixed(3)} rows from its exact share after a batch (${deviation.domain}, batch ${grouped(deviation.batch)})`,
  );
  say(`schedule ${hash}`);
}

/** Indices of the stages to show: all, or some from the first to the last. */
function spread(stages: readonly WeightStage[]): number[] {
  const count = Math.min(stages.length, STAGES_SHOWN);
  return Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.round((i * (stages.length - 1)) / (count - 1)),
  );
}

function why({ cause }: WeightStage): string {
  const domains = cause["domains"] ?? cause["exhausted"];
  return Array.isArray(domains) ? `${cause.kind}: ${domains.join(" ")}` : cause.kind;
}

function billions(tokens: number): string {
  return `${(tokens / 1e9).toFixed(tokens > 0 && tokens < 1e9 ? 6 : 2)} B`;
}
