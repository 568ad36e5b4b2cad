import assert from "node:assert/strict";
import { test } from "node:test";
import { keyOf, wordAt } from "../../core/random.ts";
import {
  areaUnderRoc,
  evaluateFilter,
  filterOf,
  formatModel,
  heldOutScores,
  type LabelledDocument,
  RECIPES,
  trainFilter,
} from "../../filters/index.ts";

/** A vocabulary of forty words; advertisements use the first ten more often. */
const PIECES = Array.from({ length: 40 }, (_, id) => ` word${id}`);

function documents(size: number): readonly LabelledDocument[] {
  return Array.from({ length: size }, (_, i) => {
    const key = keyOf("document", i);
    const sells = i % 3 === 0;
    const tokens = Uint16Array.from({ length: 30 + (wordAt(key, 99) % 40) }, (_, k) => {
      const word = wordAt(key, k);
      return word % 100 < (sells ? 45 : 25) ? word % 10 : 10 + (word % 30);
    });
    return {
      id: `${i}`.padStart(16, "0"),
      domain: i % 7 === 0 ? "book" : "c4",
      grade: sells ? 2 + (wordAt(key, 100) % 2) : wordAt(key, 100) % 2,
      tokens,
    };
  });
}
const REQUEST = { recipe: RECIPES["ads"]!, pieces: PIECES, tokenizer: "t", labels: "l" };

test("training finds what tells the documents apart, and its figures are of documents it did not see", () => {
  const labelled = documents(300);
  const model = trainFilter({ ...REQUEST, documents: labelled });
  const { ranking } = model.training.metrics;
  assert.equal(ranking.documents, labelled.filter(({ domain }) => domain === "c4").length);
  const unseen = documents(900).slice(300);
  const filter = filterOf(formatModel(model), "m");
  const scores = Int32Array.from(unseen, ({ tokens }) => filter.score("", tokens, tokens.length));
  const { all } = evaluateFilter(unseen, scores, [2, 3], "high", 0);
  assert.ok(all.ranking!.auc > 0.75, `AUC on unseen documents ${all.ranking!.auc}`);
  assert.ok(all.ranking!.auc > ranking.aucFrom - 0.03 && all.ranking!.auc < ranking.aucTo + 0.03);
});

test("the same documents give the same bytes, in whatever order and however often they come", () => {
  const labelled = documents(120);
  const once = formatModel(trainFilter({ ...REQUEST, documents: labelled }));
  const again = formatModel(
    trainFilter({ ...REQUEST, documents: [...labelled, ...labelled.slice(0, 9)].reverse() }),
  );
  assert.equal(again, once);
  const [first, ...rest] = labelled;
  const regraded = formatModel(
    trainFilter({ ...REQUEST, documents: [{ ...first!, grade: 3 - first!.grade }, ...rest] }),
  );
  assert.notEqual(regraded, once);
});

test("too few documents of a kind is an error that says how many there are", () => {
  assert.throws(() => trainFilter({ ...REQUEST, documents: documents(20) }), {
    code: "ERR_INPUT",
    message: /^\d graded documents of c4 are ads >= 2; at least 10 are needed, of each kind$/,
  });
});

test("labels that the words say nothing about are refused rather than learnt by heart", () => {
  const noise = documents(200).map((document, i) => ({ ...document, grade: wordAt(keyOf("noise"), i) % 4 }));
  const train = () => trainFilter({ ...REQUEST, documents: noise }).training.metrics.ranking;
  try {
    const { aucFrom, aucTo } = train();
    assert.ok(aucFrom < 0.5 && aucTo > 0.5, `AUC from ${aucFrom} to ${aucTo} on noise`);
  } catch (error) {
    assert.match(String(error), /do not rank documents that were held out better than chance/);
  }
});

test("the figures of a model are those of its held-out scores: one a document, in order of id, five folds", () => {
  const labelled = documents(300);
  const { ranking } = trainFilter({ ...REQUEST, documents: labelled }).training.metrics;
  const held = heldOutScores({ ...REQUEST, documents: labelled });
  assert.deepEqual(
    held.map(({ id }) => id),
    labelled.map(({ id }) => id).sort(),
  );
  assert.deepEqual([...new Set(held.map(({ fold }) => fold))].sort(), [0, 1, 2, 3, 4]);
  const within = held.filter(({ domain }) => domain === "c4");
  const area = areaUnderRoc(
    within.map(({ score }) => score),
    within.map(({ sought }) => sought),
  );
  assert.equal(Math.round(area * 1e4) / 1e4, ranking.auc);
});

test("of several strengths that is taken which ranks held-out documents best", () => {
  const labelled = documents(300);
  const trained = (...strengths: readonly number[]) =>
    trainFilter({ ...REQUEST, recipe: { ...REQUEST.recipe, strengths }, documents: labelled }).training;
  const candidates = [1, 1000];
  const alone = candidates.map((strength) => trained(strength).metrics.ranking.auc);
  assert.ok(Math.abs(alone[0]! - alone[1]!) > 0.01, `${alone}`);
  const better = candidates[alone[0]! > alone[1]! ? 0 : 1];
  assert.equal(trained(...candidates).recipe["strength"], better);
});
