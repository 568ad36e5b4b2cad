/**
 * The graded documents of a corpus, tokenized: what train-filter and evaluate-filter start from.
 */
import { collectLabelled, type LabelledCorpus, type Labels } from "../filters/index.ts";
import type { Tokenizer } from "../pipeline/index.ts";

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
