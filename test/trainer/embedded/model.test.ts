import assert from "node:assert/strict";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  loadCheckpoint,
  loadNewest,
  saveCheckpoint,
  saveNewest,
} from "../../../trainer/embedded/checkpoint.ts";
import { TrigramModel } from "../../../trainer/embedded/model.ts";
import { temporaryFolder } from "../../support.ts";

const tiny = { vocabulary: 7, pairBits: 4, tripleBits: 5 };
const text = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 200 }).map((ids) => Uint16Array.from(ids));

/** The probability of each token after `context`. */
function distribution(model: TrigramModel, context: readonly number[]): number[] {
  return Array.from({ length: model.shape.vocabulary }, (_, token) => {
    const row = Uint16Array.from([...context, token]);
    const without = model.score(row, 0, context.length).lossSum;
    return Math.exp(without - model.score(row, 0, row.length).lossSum);
  });
}

test("a model that has learnt nothing gives every token 1 / vocabulary", () => {
  const model = new TrigramModel(tiny);
  for (const p of distribution(model, [3])) assert.ok(Math.abs(p - 1 / 7) < 1e-12);
});

test("probabilities sum to 1 after any context, also when the tables are full", () => {
  fc.assert(
    fc.property(
      text,
      fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 })),
      (ids, context) => {
        const model = new TrigramModel(tiny);
        model.learn(ids, 0, ids.length);
        const sum = distribution(model, context).reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - 1) < 1e-9, `sum ${sum}`);
      },
    ),
  );
});

test("smoothing follows Witten and Bell by hand on four tokens", () => {
  const model = new TrigramModel({ vocabulary: 3, pairBits: 4, tripleBits: 4 });
  model.learn(Uint16Array.from([0, 1, 0, 1]), 0, 4); // learns 1|0, 0|1, 1|0: unigrams 1:2, 0:1; pairs 01:2, 10:1; triples 010:1, 101:1
  const unigram = [(1 + 2 / 3) / 5, (2 + 2 / 3) / 5, (0 + 2 / 3) / 5];
  const after0 = [(0 + unigram[0]!) / 3, (2 + unigram[1]!) / 3, (0 + unigram[2]!) / 3];
  const after10 = after0.map((p, token) => ((token === 1 ? 1 : 0) + p) / 2);
  const seen = distribution(model, [1, 0]);
  for (const [token, p] of seen.entries())
    assert.ok(Math.abs(p - after10[token]!) < 1e-12, `token ${token}: ${p} is not ${after10[token]}`);
});

test("learning reports the loss before the row is learnt, and scoring changes nothing", () => {
  fc.assert(
    fc.property(text, (ids) => {
      const model = new TrigramModel(tiny);
      const before = model.score(ids, 0, Math.min(2, ids.length));
      assert.deepEqual(model.score(ids, 0, Math.min(2, ids.length)), before);
      assert.deepEqual(model.learn(ids, 0, Math.min(2, ids.length)), before);
    }),
  );
});

test("the loss of repeated text falls", () => {
  const model = new TrigramModel({ vocabulary: 100, pairBits: 8, tripleBits: 8 });
  const row = Uint16Array.from({ length: 64 }, (_, i) => (i * i) % 97);
  const first = model.learn(row, 0, 64).lossSum;
  const second = model.learn(row, 0, 64).lossSum;
  assert.ok(second < first / 2, `${second} after ${first}`);
});

test("a saved model goes on to the last bit", async () => {
  const path = join(temporaryFolder(), "model");
  const ids = Uint16Array.from({ length: 500 }, (_, i) => (i * 31 + ((i * i) % 7)) % 97);
  const through = new TrigramModel({ vocabulary: 97, pairBits: 7, tripleBits: 8 });
  through.learn(ids, 0, 250);
  const state = { batch: 3, stages: 1, hash: "h" };
  await saveCheckpoint(path, through, state);
  const loaded = await loadCheckpoint(path);
  assert.ok(loaded);
  assert.deepEqual(loaded.state, state);
  assert.deepEqual(loaded.model.learn(ids, 250, 500), through.learn(ids, 250, 500));
  assert.deepEqual(loaded.model.arrays(), through.arrays());
});

test("a cut or changed checkpoint is refused by name, an absent one is not there", async () => {
  const path = join(temporaryFolder(), "model");
  assert.equal(await loadCheckpoint(path), undefined);
  await saveCheckpoint(path, new TrigramModel(tiny), { batch: 0, stages: 0, hash: "" });
  const whole = readFileSync(path);
  for (const at of [0, 40, whole.length - 40, whole.length - 1]) {
    const flipped = Buffer.from(whole);
    flipped[at]! ^= 1;
    writeFileSync(path, flipped);
    await assert.rejects(loadCheckpoint(path), {
      code: "ERR_TRAINER",
      message: /is cut or changed; remove it/,
    });
  }
  writeFileSync(path, whole);
  truncateSync(path, whole.length - 100);
  await assert.rejects(loadCheckpoint(path), { code: "ERR_TRAINER" });
});

test("the newest two checkpoints are kept, and a damaged newest one is passed over and named", async () => {
  const folder = temporaryFolder();
  const heard: string[] = [];
  assert.equal(await loadNewest(join(folder, "absent"), (line) => heard.push(line)), undefined);
  for (const batch of [5, 10, 15])
    await saveNewest(folder, new TrigramModel(tiny), { batch, stages: 1, hash: "h" });
  assert.deepEqual(readdirSync(folder).sort(), ["model-00000010.bin", "model-00000015.bin"]);
  truncateSync(join(folder, "model-00000015.bin"), 100);
  assert.equal((await loadNewest(folder, (line) => heard.push(line)))?.state.batch, 10);
  assert.match(heard.join(), /model-00000015\.bin .100 bytes. is cut or changed/);
});
