/**
 * `headrace evaluate-filter`: what a model does on graded documents, by domain.
 */

import {
  type DomainEvaluation,
  evaluateFilter as evaluate,
  heldOutScores,
  type LabelledDocument,
  loadFilter,
  RECIPES,
  readLabels,
  readModel,
  SCORE_UNIT,
} from "../filters/index.ts";
import { HeadraceError } from "../index.ts";
import { command } from "./command.ts";
import { percent, printJson, say, table } from "./display.ts";
import { labelledFlags, readLabelled, trainingRequest } from "./labelled.ts";

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
        array: true,
        default: [0],
        describe: "cuts, as in a score column; 0 is even odds. Domains are judged at the first",
      })
      .option("held-out", {
        type: "boolean",
        default: false,
        describe:
          "train the recipe of this name on these labels, in five folds, and judge each document by the model of the other four",
      })
      .option("json", { type: "boolean", default: false, describe: "the evaluation on standard output" }),
  async run(args) {
    const { loadTokenizer } = await import("../pipeline/index.ts");
    const tokenizer = await loadTokenizer(args.tokenizer);
    const filter = loadFilter(args.model, tokenizer.sha256);
    const labels = readLabels(args.labels, filter.name);
    const { training } = readModel(args.model).model;
    const { scored, missing } = args.heldOut ? await heldOut() : await judged();
    const [threshold = 0, ...others] = args.threshold.map((cut) => Math.round(cut * SCORE_UNIT));
    const evaluation = evaluate(
      scored,
      Int32Array.from(scored, ({ score }) => score),
      training.soughtGrades,
      filter.dropWhen,
      threshold,
      others,
    );
    if (missing > 0) say(`${missing} rows of ${args.labels} name documents that are not in the corpus`);
    if (args.heldOut) say("each document is judged by a model that was trained on the other four folds");
    else if (labels.sha256 === training.labels)
      say(
        "the model was trained on these labels: this is how well it fits; --held-out says what it does on documents that it was not trained on",
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
    say(`\n${training.sought}: what each cut does`);
    say(
      table([
        ["cut", "dropped rightly", "dropped wrongly", "missed", "kept rightly", "precision", "recall"],
        ...evaluation.cuts.map(({ threshold, cut }) => [
          (threshold / SCORE_UNIT).toFixed(4),
          cut.truePositives,
          cut.falsePositives,
          cut.falseNegatives,
          cut.trueNegatives,
          shareOf(cut.precision),
          shareOf(cut.recall),
        ]),
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
    if (args.json)
      printJson({
        filter: filter.name,
        sha256: filter.sha256,
        labels: labels.sha256,
        heldOut: args.heldOut,
        ...evaluation,
      });

    async function judged() {
      const { documents, missing } = await readLabelled(labels, args.documents, tokenizer);
      const scoreOf = ({ tokens }: LabelledDocument) => filter.score("", tokens, tokens.length);
      return { missing, scored: documents.map((document) => ({ ...document, score: scoreOf(document) })) };
    }

    async function heldOut() {
      const recipe = RECIPES[filter.name];
      if (!recipe)
        throw new HeadraceError(
          "ERR_ARGUMENT",
          `--held-out trains a recipe, and there is none of the name "${filter.name}"; there are ${Object.keys(RECIPES).join(", ")}`,
        );
      const { documents, missing } = await readLabelled(labels, args.documents, tokenizer, recipe.assumed);
      const scores = new Map(
        heldOutScores(trainingRequest(recipe, documents, tokenizer, labels)).map(({ id, score }) => [
          id,
          score,
        ]),
      );
      const graded = documents.filter(({ assumed }) => assumed !== true);
      return { missing, scored: graded.map((one) => ({ ...one, score: scores.get(one.id)! })) };
    }
  },
});

function row(name: string, { ranking, cut }: DomainEvaluation): readonly (string | number)[] {
  const { truePositives, falsePositives, falseNegatives, trueNegatives, precision, recall } = cut;
  return [
    name,
    truePositives + falsePositives + falseNegatives + trueNegatives,
    truePositives + falseNegatives,
    truePositives + falsePositives,
    shareOf(precision),
    shareOf(recall),
    ...(ranking
      ? [ranking.auc, ranking.aucFrom, ranking.aucTo].map((area) => area.toFixed(3))
      : ["", "", ""]),
  ];
}

function shareOf(part: number): string {
  return Number.isNaN(part) ? "" : percent(part);
}
