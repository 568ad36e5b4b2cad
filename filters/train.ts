/**
 * Graded documents in, a model with integer weights and honest figures out. The same documents give the same bytes.
 * Figures come from nested cross-validation: what a fold is scored with (weights, strength, odds) was learnt without it, and
 * the scores that are ranked are those of quantised models, as builds compute them.
 */
import { HeadraceError } from "../core/errors.ts";
import { hashOf, sha256 } from "../core/hash.ts";
import { type PieceTable, pieceTable } from "./classes.ts";
import { type Example, exampleMaker, featureSpace, quantise, sparseRows } from "./design.ts";
import type { LabelledDocument } from "./labels.ts";
import { fitLogistic, type LinearModel } from "./logistic.ts";
import { areaUnderRoc, flagsByDomain, rankingOf } from "./metrics.ts";
import { type FilterModel, MODEL_FORMAT, type ScoringModel, scorerOf } from "./model.ts";
import { fitOdds, gateTables, type Odds, scoreWithOdds } from "./odds.ts";
import type { Recipe } from "./recipe.ts";
import { isFlagged } from "./threshold.ts";

/** What to train on. */
export interface TrainingRequest {
  readonly recipe: Recipe;
  readonly documents: readonly LabelledDocument[];
  /** The text of each id with the space before it (`" the"`), empty for control ids; see `classOfPiece`. */
  readonly pieces: readonly string[];
  /** SHA-256 of the tokenizer. */
  readonly tokenizer: string;
  /** SHA-256 of the label file's bytes. */
  readonly labels: string;
}

const FOLDS = [0, 1, 2, 3, 4];

/** The score of a document by a model that was learnt without the document's fold: weights, strength and odds. */
export interface HeldOutScore {
  readonly id: string;
  readonly domain: string;
  /** 0 to 4. */
  readonly fold: number;
  /** Whether it is what the filter looks for. */
  readonly sought: boolean;
  /** Nobody graded it. */
  readonly assumed: boolean;
  readonly score: number;
}

/** Scores of all documents, in order of id, each by the model of the other folds; what the figures of a model are made of. Throws ERR_INPUT as `trainFilter`. */
export function heldOutScores(request: TrainingRequest): readonly HeldOutScore[] {
  const learner = prepare(request);
  const { scores } = holdOut(learner);
  return learner.documents.map(({ id, domain }, i) => ({
    id,
    domain,
    fold: learner.folds[i]!,
    sought: learner.sought[i]!,
    assumed: !learner.graded[i]!,
    score: scores[i]!,
  }));
}

/** Trains a filter; some seconds for some thousand documents. Throws ERR_INPUT when there is too little to learn from. */
export function trainFilter(request: TrainingRequest): FilterModel {
  const { recipe, tokenizer, labels } = request;
  const learner = prepare(request);
  const { documents, sought, graded, inside } = learner;
  const { scores, odds, strength } = holdOut(learner);
  const sign = recipe.dropWhen === "high" ? 1 : -1;
  const trained = fitAll(
    learner,
    rowsOf(documents, (i) => graded[i]!),
    odds,
  )[recipe.strengths.indexOf(strength)]!;

  const { name, dropWhen, sought: soughtWords, soughtGrades, ...rest } = recipe;
  const ranked = rowsOf(documents, (i) => inside[i]!);
  return {
    format: MODEL_FORMAT,
    name,
    dropWhen,
    tokenizer,
    ...trained,
    measures: [...trained.measures, ...gateTables(odds, recipe.gates)],
    training: {
      sought: soughtWords,
      soughtGrades,
      documents: graded.filter(Boolean).length,
      positives: sought.filter(Boolean).length,
      assumed: graded.filter((is) => !is).length,
      labels,
      data: dataHash(documents),
      recipe: { ...rest, strength },
      metrics: {
        within: recipe.within,
        folds: FOLDS.length,
        ranking: rounded(
          rankingOf(
            ranked.map((i) => sign * scores[i]!),
            ranked.map((i) => sought[i]!),
          ),
        ),
        domains: Object.fromEntries(
          Object.entries(
            flagsByDomain(
              documents.map(({ domain }) => domain),
              Array.from(scores, (score) => isFlagged(dropWhen, score)),
              sought,
            ),
          ).map(([domain, flags]) => [domain, rounded(flags)]),
        ),
      },
    },
  };
}

/** Everything a fit needs, one entry a document in every list. */
interface Learner {
  readonly recipe: Recipe;
  readonly pieces: PieceTable;
  /** In order of id, each once. */
  readonly documents: readonly LabelledDocument[];
  readonly examples: readonly Example[];
  readonly targets: readonly number[];
  readonly sought: readonly boolean[];
  /** Graded by somebody, not assumed. */
  readonly graded: readonly boolean[];
  /** Graded, and of the domain that the recipe is judged within. */
  readonly inside: readonly boolean[];
  readonly folds: readonly number[];
}

function prepare({ recipe, documents, pieces }: TrainingRequest): Learner {
  const table = pieceTable(pieces);
  const exampleOf = exampleMaker(table, recipe.excerpt, [
    ...new Set([...recipe.measures, ...recipe.gates.map(({ measure }) => measure)]),
  ]);
  const sorted = [...new Map(documents.map((document) => [document.id, document])).values()].sort((a, b) =>
    a.id < b.id ? -1 : 1,
  );
  const sought = sorted.map(({ grade }) => recipe.soughtGrades.includes(grade));
  const graded = sorted.map(({ assumed }) => assumed !== true);
  const inside = sorted.map(({ domain }, i) => domain === recipe.within && graded[i]!);
  for (const kind of [true, false]) {
    const found = sought.filter((is, i) => is === kind && inside[i]).length;
    if (found < 2 * FOLDS.length)
      throw new HeadraceError(
        "ERR_INPUT",
        `${found} graded documents of ${recipe.within} ${kind ? "are" : "are not"} ${recipe.sought}; at least ${2 * FOLDS.length} are needed, of each kind`,
      );
  }
  return {
    recipe,
    pieces: table,
    documents: sorted,
    examples: sorted.map(({ tokens }) => exampleOf(tokens)),
    targets: sorted.map(({ grade }) => recipe.targets[grade]!),
    sought,
    graded,
    inside,
    folds: foldsOf(sorted, sought),
  };
}

/** Scores of held-out documents with odds that were held out too; the odds that all held-out scores give; and the strength. */
function holdOut(learner: Learner): {
  readonly scores: Int32Array;
  readonly odds: Odds;
  readonly strength: number;
} {
  const { recipe, documents, examples, sought, folds } = learner;
  const { raw, strength } = crossValidate(learner);
  const sign = recipe.dropWhen === "high" ? 1 : -1;
  const scored = documents.map((_, i) => ({ score: raw[i]!, measures: examples[i]!.measures }));
  const oddsOf = (rows: readonly number[]) =>
    fitOdds(
      rows.map((i) => scored[i]!),
      rows.map((i) => (sought[i] === sign > 0 ? 1 : 0)),
      recipe.gates,
    );
  const scores = new Int32Array(documents.length);
  for (const fold of FOLDS) {
    const odds = oddsOf(rowsOf(documents, (i) => folds[i] !== fold));
    for (const i of rowsOf(documents, (i) => folds[i] === fold))
      scores[i] = scoreWithOdds(odds, scored[i]!, recipe.gates);
  }
  return { scores, odds: oddsOf(rowsOf(documents, () => true)), strength };
}

/** Scores of each document by a model that was learnt without its fold, its strength included; and the strength for all. */
function crossValidate(learner: Learner): { readonly raw: Int32Array; readonly strength: number } {
  const { recipe, documents, sought, graded, inside, folds } = learner;
  const sign = recipe.dropWhen === "high" ? 1 : -1;
  const fitWithout = (...held: readonly number[]) =>
    fitAll(
      learner,
      rowsOf(documents, (i) => graded[i]! && !held.includes(folds[i]!)),
    );
  /** AUC within the domain on one fold, a strength each. */
  const areas = (models: readonly ScoringModel[], held: number) => {
    const rows = rowsOf(documents, (i) => inside[i]! && folds[i] === held);
    return models.map((model) => {
      const score = scoresBy(model, documents);
      return areaUnderRoc(
        rows.map((i) => sign * score(i)),
        rows.map((i) => sought[i]!),
      );
    });
  };
  // A fit without folds a and b is judged on b for the choice that a's scores depend on, and on a for b's.
  const inner = FOLDS.map(() => recipe.strengths.map(() => 0));
  for (const a of recipe.strengths.length > 1 ? FOLDS : [])
    for (const b of FOLDS.slice(a + 1)) {
      const models = fitWithout(a, b);
      addTo(inner[a]!, areas(models, b));
      addTo(inner[b]!, areas(models, a));
    }
  const raw = new Int32Array(documents.length);
  const outer = recipe.strengths.map(() => 0);
  for (const fold of FOLDS) {
    const models = fitWithout(fold);
    addTo(outer, areas(models, fold));
    const score = scoresBy(models[best(inner[fold]!)]!, documents);
    for (const i of rowsOf(documents, (i) => folds[i] === fold)) raw[i] = score(i);
  }
  return { raw, strength: recipe.strengths[best(outer)]! };
}

/** A quantised model for each strength, learnt on the rows alone: document frequencies and bucket edges too. */
function fitAll(
  { recipe, examples, targets, inside, pieces }: Learner,
  rows: readonly number[],
  { slope, shift }: Pick<Odds, "slope" | "shift"> = { slope: 1, shift: 0 },
): readonly ScoringModel[] {
  const learnt = rows.map((i) => examples[i]!);
  const space = featureSpace(
    learnt,
    rows.flatMap((i) => (inside[i] ? [examples[i]!] : [])),
    pieces.classes.length,
    recipe,
  );
  const data = sparseRows(learnt, space);
  const wanted = rows.map((i) => targets[i]!);
  const every = rows.map((_, r) => r);
  let fit: LinearModel | undefined;
  return recipe.strengths.map((strength) => {
    fit = fitLogistic(data, every, wanted, strength, fit);
    const { weights, bias } = fit;
    return quantise(
      { weights: weights.map((w) => slope * w), bias: slope * bias + shift },
      space,
      pieces,
      recipe.excerpt,
    );
  });
}

function scoresBy(model: ScoringModel, documents: readonly LabelledDocument[]): (i: number) => number {
  const score = scorerOf(model);
  return (i) => score("", documents[i]!.tokens, documents[i]!.tokens.length);
}

/** Folds by turns, in order of id, sought and other documents of each domain apart. */
function foldsOf(documents: readonly LabelledDocument[], sought: readonly boolean[]): readonly number[] {
  const dealt = new Map<string, number>();
  return documents.map(({ domain, assumed }, i) => {
    const stratum = `${domain} ${sought[i]} ${assumed}`;
    const turn = dealt.get(stratum) ?? 0;
    dealt.set(stratum, turn + 1);
    return turn % FOLDS.length;
  });
}

function dataHash(documents: readonly LabelledDocument[]): string {
  return hashOf(
    documents.map(({ id, domain, grade, assumed, tokens }) => [
      id,
      domain,
      grade,
      assumed === true,
      sha256(new Uint8Array(Int32Array.from(tokens).buffer)),
    ]),
  );
}

function rowsOf(documents: readonly unknown[], wanted: (i: number) => boolean): readonly number[] {
  return documents.flatMap((_, i) => (wanted(i) ? [i] : []));
}

function addTo(sums: number[], values: readonly number[]): void {
  values.forEach((value, i) => {
    sums[i] = sums[i]! + value;
  });
}

function best(areas: readonly number[]): number {
  return areas.reduce((at, area, i) => (area > areas[at]! ? i : at), 0);
}

/** Numbers to four decimals, so that the file is readable. */
function rounded<T extends object>(value: T): T {
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      key,
      typeof entry === "number" ? Math.round(entry * 1e4) / 1e4 : entry,
    ]),
  ) as T;
}
