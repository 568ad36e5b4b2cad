/**
 * `headrace evaluate-filter`: what a model does on graded documents, by domain.
 */
import {
  type DomainEvaluation,
  evaluateFilter as evaluate,
  loadFilter,
  readLabels,
  readModel,
  SCORE_UNIT,
} from "../filters/index.ts";
import { command } from "./command.ts";
import { percent, printJson, say, table } from "./display.ts";
import { labelledFlags, readLabelled } from "./labelled.ts";

/** The command. */
export const evaluateFilter = command({
  command: "evaluate-filter <model> <labels>",
  describe: "AUC, precision and recall, confusion by domain and reliability of a filter on graded documents",
  flags: (args) =>
    labelledFlags(
      args.positional("model", {
        type: "string",
        demandOption: true,
        describe: "ads, fluency, or the path of a model file",
      }),
    )
      .option("threshold", {
        type: "number",
        default: 0,
        describe: "the cut, as in a score column; 0 is even odds",
      })
      .option("json", { type: "boolean", default: false, describe: "the evaluation on standard output" }),
  async run(args) {
    const { loadTokenizer } = await import("../pipeline/index.ts");
    const tokenizer = await loadTokenizer(args.tokenizer);
    const filter = loadFilter(args.model, tokenizer.sha256);
    const labels = readLabels(args.labels, filter.name);
    const { documents, missing } = await readLabelled(labels, args.documents, tokenizer);
    const { training } = readModel(args.model).model;
    const evaluation = evaluate(
      documents,
      Int32Array.from(documents, ({ tokens }) => filter.score("", tokens, tokens.length)),
      training.soughtGrades,
      filter.dropWhen,
      Math.round(args.threshold * SCORE_UNIT),
    );
    if (missing > 0) say(`${missing} rows of ${args.labels} name documents that are not in the corpus`);
    if (labels.sha256 === training.labels)
      say(
        "the model was trained on these labels: this is how well it fits; what it does elsewhere is in the model file",
      );
    const head = [
      "domain",
      "documents",
      training.sought,
      "dropped",
      "of them right",
      "found",
      "AUC",
      "95 % from",
      "to",
    ];
    say(
      table([
        head,
        ...Object.entries(evaluation.domains).map(([name, at]) => row(name, at)),
        row("all", evaluation.all),
      ]),
    );
    say(`\n${training.sought}: stated probability against what is so`);
    say(
      table([
        ["probability", "documents", "stated", "observed"],
        ...evaluation.reliability.map(({ from, to, documents, stated, observed }) => [
          `${from.toFixed(1)} to ${to.toFixed(1)}`,
          documents,
          percent(stated),
          percent(observed),
        ]),
      ]),
    );
    if (args.json) printJson({ filter: filter.name, sha256: filter.sha256, ...evaluation });
  },
});

function row(name: string, { ranking, cut }: DomainEvaluation): readonly (string | number)[] {
  const { truePositives, falsePositives, falseNegatives, trueNegatives, precision, recall } = cut;
  return [
    name,
    truePositives + falsePositives + falseNegatives + trueNegatives,
    truePositives + falseNegatives,
    truePositives + falsePositives,
    Number.isNaN(precision) ? "" : percent(precision),
    Number.isNaN(recall) ? "" : percent(recall),
    ...(ranking
      ? [ranking.auc, ranking.aucFrom, ranking.aucTo].map((area) => area.toFixed(3))
      : ["", "", ""]),
  ];
}
