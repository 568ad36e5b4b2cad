/**
 * The graded documents of a corpus, tokenized: what train-filter and evaluate-filter start from, and the flags that name them.
 */
import type { Argv } from "yargs";
import {
  collectLabelled,
  type LabelledCorpus,
  type LabelledDocument,
  type Labels,
  piecesOf,
  type Recipe,
  type TrainingRequest,
} from "../filters/index.ts";
import type { Tokenizer } from "../pipeline/index.ts";

/** Adds `<labels>`, `--documents` and `--tokenizer`. */
export function labelledFlags<T>(args: Argv<T>) {
  return args
    .positional("labels", {
      type: "string",
      demandOption: true,
      describe:
        "tab-separated file or JSON lines with the columns sha1_16 (or, in JSON, text) and the filter's name, grades 0 to 3",
    })
    .option("documents", {
      type: "string",
      array: true,
      demandOption: true,
      describe: "files, folders or patterns that hold the graded documents",
    })
    .option("tokenizer", {
      type: "string",
      default: "llama-2",
      describe: "llama-2, or a tokenizer.model or tokenizer.json",
    });
}

/** Reads the corpus once; documents of the domains in `assumed` count with that grade when nobody graded them. Throws what its files throw, and ERR_INPUT when it holds no graded document. */
export async function readLabelled(
  labels: Labels,
  inputs: readonly string[],
  tokenizer: Tokenizer,
  assumed: Readonly<Record<string, number>> = {},
): Promise<LabelledCorpus> {
  const { planInputs, readSource } = await import("../pipeline/index.ts");
  const { files } = await planInputs(inputs);
  async function* documents() {
    for (const file of files) for await (const chunk of readSource(file)) yield* chunk.documents;
  }
  return collectLabelled(labels, documents(), (text) => tokenizer.encode(text), assumed);
}

/** What a recipe is trained on. */
export function trainingRequest(
  recipe: Recipe,
  documents: readonly LabelledDocument[],
  tokenizer: Tokenizer,
  labels: Labels,
): TrainingRequest {
  return {
    recipe,
    documents,
    pieces: piecesOf((ids) => tokenizer.decode(ids), tokenizer.vocabularySize, tokenizer.encode("a")[0]!),
    tokenizer: tokenizer.sha256,
    labels: labels.sha256,
  };
}
