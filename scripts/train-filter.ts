/**
 * `headrace train-filter`: a model file from graded documents, with its figures.
 */
import { RECIPES, readLabels, trainFilter as train, writeModel } from "../filters/index.ts";
import { command } from "./command.ts";
import { percent, printJson, say, table } from "./display.ts";
import { labelledFlags, readLabelled, trainingRequest } from "./labelled.ts";

/** The command. */
export const trainFilter = command({
  command: "train-filter <labels>",
  describe: "train a filter on graded documents: a model file with recipe, data hash and figures",
  flags: (args) =>
    labelledFlags(args)
      .option("filter", { choices: Object.keys(RECIPES), demandOption: true, describe: "the recipe" })
      .option("out", { type: "string", default: "model.json", describe: "the model file to write" })
      .option("json", { type: "boolean", default: false, describe: "hash and figures on standard output" }),
  async run(args) {
    const { loadTokenizer } = await import("../pipeline/index.ts");
    const tokenizer = await loadTokenizer(args.tokenizer);
    const recipe = RECIPES[args.filter]!;
    const labels = readLabels(args.labels, args.filter);
    const { documents, missing } = await readLabelled(labels, args.documents, tokenizer, recipe.assumed);
    const model = train(trainingRequest(recipe, documents, tokenizer, labels));
    const sha256 = await writeModel(args.out, model);
    const { metrics, sought, positives, assumed } = model.training;
    const { ranking, within, folds, domains } = metrics;
    if (missing > 0) say(`${missing} rows of ${args.labels} name documents that are not in the corpus`);
    say(
      table([
        ["domain", "documents", sought, "flagged", "false alarms", "of the others"],
        ...Object.entries(domains).map(([domain, flags]) => [
          domain,
          flags.documents,
          flags.positives,
          flags.flagged,
          flags.falseAlarms,
          flags.falseAlarmRate === null ? "" : percent(flags.falseAlarmRate),
        ]),
      ]),
    );
    say(
      `within ${within}, ${folds} folds: AUC ${ranking.auc} (95 % from ${ranking.aucFrom} to ${ranking.aucTo}), average precision ${ranking.averagePrecision}, ${ranking.positives} of ${ranking.documents} documents are ${sought}`,
    );
    say(
      `${model.training.documents} graded documents, ${positives} of them ${sought}${assumed > 0 ? `, and ${assumed} whose grade was assumed from their domain` : ""}; ${args.out} has sha256 ${sha256}`,
    );
    if (args.json) printJson({ out: args.out, sha256, training: model.training });
  },
});
