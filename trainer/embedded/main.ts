/**
 * The embedded trainer: a process of its own that trains the trigram model of `model.ts` through the trainer protocol, as any trainer does.
 * Needs nothing but Node. Deterministic: killed and started again it goes on to the last bit.
 */
import { messageOf } from "../../core/errors.ts";
import { readManifest, type SampleBatch, type TokenIds } from "../../samplers/index.ts";
import { connectTrainer } from "../client.ts";
import { runTrainer } from "../loop.ts";
import { loadNewest, saveNewest } from "./checkpoint.ts";
import { type LossSum, TrigramModel } from "./model.ts";

async function runEmbedded(): Promise<void> {
  const client = await connectTrainer({ client: "headrace-embedded/1" });
  const { tokenizer } = await readManifest(client.welcome.shards);
  let model = new TrigramModel({ vocabulary: tokenizer.vocabularySize });
  await runTrainer(client, {
    async load(checkpoints) {
      const loaded =
        checkpoints === null ? undefined : await loadNewest(checkpoints, (line) => console.error(line));
      if (loaded === undefined) return null;
      model = loaded.model;
      return loaded.state;
    },
    train: (batch) => learnBatch(model, batch),
    evaluate: (rows) => scoreRows(model, rows),
    save: (state, checkpoints) => saveNewest(checkpoints, model, state),
  });
}

function learnBatch(
  model: TrigramModel,
  { tokens, rows, width, packed, stretches }: SampleBatch,
): { readonly loss: number; readonly tokens: number } {
  let sum: LossSum = { lossSum: 0, tokens: 0 };
  for (let row = 0; row < rows; row++) {
    // Pieces of a packed row have nothing to do with each other, and padding is nothing to learn.
    let from = row * width;
    for (const piece of packed ? stretches(row) : [{ tokens: width }]) {
      sum = add(sum, model.learn(tokens, from, from + piece.tokens));
      from += piece.tokens;
    }
  }
  return { loss: sum.lossSum / Math.max(1, sum.tokens), tokens: sum.tokens };
}

function scoreRows(model: TrigramModel, rows: Iterable<TokenIds>): LossSum {
  let sum: LossSum = { lossSum: 0, tokens: 0 };
  for (const row of rows) sum = add(sum, model.score(row, 0, row.length));
  return sum;
}

function add(a: LossSum, b: LossSum): LossSum {
  return { lossSum: a.lossSum + b.lossSum, tokens: a.tokens + b.tokens };
}

runEmbedded().catch((error) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
