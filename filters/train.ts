/**
 * Labelled documents in, a model with integer weights and honest figures out. The same documents give the same bytes.
 * Figures come from nested cross-validation: the strength of each fold is chosen without it, and the scores that are ranked
 * are those of quantised models, as builds compute them.
 */
import { HeadraceError } from "../core/errors.ts";
import { hashOf, sha256 } from "../core/hash.ts";
import { type PieceTable, pieceTable } from "./classes.ts";
import { type Example, exampleMaker, featureSpace, quantise, sparseRows } from "./design.ts";
import { SCORE_UNIT } from "./filter.ts";
import type { LabelledDocument } from "./labels.ts";
import { fitLogistic, type LinearModel } from "./logistic.ts";
import { areaUnderRoc, flagsByDomain, rankingOf } from "./metrics.ts";
import { type FilterModel, MODEL_FORMAT, type ScoringModel, scorerOf } from "./model.ts";
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

const FOLDS = 5;

/** Trains a filter; some seconds for some thousand documents. Throws ERR_INPUT when there is too little to learn from. */
export function trainFilter({ recipe, documents, pieces, tokenizer, labels }: TrainingRequest): FilterModel {
  const table = pieceTable(pieces);
  const exampleOf = exampleMaker(table);
  const sorted = [...new Map(documents.map((document) => [document.id, document])).values()].sort((a, b) =>
    a.id < b.id ? -1 : 1,
  );
  const sought = sorted.map(({ grade }) => recipe.soughtGrades.includes(grade));
  const inside = sorted.map(({ domain }) => domain === recipe.within);
  for (const kind of [true, false]) {
    const found = sought.filter((value, i) => value === kind && inside[i]).length;
    if (found < 2 * FOLDS)
      throw new HeadraceError(
        "ERR_INPUT",
        `${found} labelled documents of ${recipe.within} ${kind ? "are" : "are not"} ${recipe.sought}; at least ${2 * FOLDS} are needed, of each kind`,
      );
  }
  const examples = sorted.map((document) => exampleOf(document.tokens));
  const targets = sorted.map(({ grade }) => recipe.targets[grade]!);
  const folds = foldsOf(sorted, sought);
  const learner: Learner = { recipe, documents: sorted, examples, targets, inside, pieces: table };
  const scoresOf = (model: ScoringModel) => {
    const score = scorerOf(model);
    return (i: number) => score("", sorted[i]!.tokens, sorted[i]!.tokens.length);
  };
  /** AUC by strength on fold `held`, trained on the folds that are not in `without`. */
  const areas = (fits: readonly ScoringModel[], held: number) => {
    const rows = sorted.flatMap((_, i) => (folds[i] === held && inside[i] ? [i] : []));
    return fits.map((model) =>
      areaUnderRoc(
        rows.map(scoresOf(model)),
        rows.map((i) => recipe.targets[sorted[i]!.grade]! > 0.5),
      ),
    );
  };

  const all = Array.from({ length: FOLDS }, (_, fold) => fold);
  const rowsWithout = (...held: readonly number[]) =>
    sorted.flatMap((_, i) => (held.includes(folds[i]!) ? [] : [i]));
  const leaveOne = all.map((fold) => fitAll(learner, rowsWithout(fold)));
  const inner = all.map(() => recipe.strengths.map(() => 0));
  for (const a of all)
    for (const b of all.slice(a + 1)) {
      const fits = fitAll(learner, rowsWithout(a, b));
      areas(fits, b).forEach((area, s) => {
        inner[a]![s] = inner[a]![s]! + area;
      });
      areas(fits, a).forEach((area, s) => {
        inner[b]![s] = inner[b]![s]! + area;
      });
    }
  const scores = new Int32Array(sorted.length);
  for (const fold of all) {
    const score = scoresOf(leaveOne[fold]![best(inner[fold]!)]!);
    for (let i = 0; i < sorted.length; i++) if (folds[i] === fold) scores[i] = score(i);
  }
  const outer = recipe.strengths.map((_, s) =>
    all.reduce((sum, fold) => sum + areas(leaveOne[fold]!, fold)[s]!, 0),
  );
  const chosen = best(outer);
  const rows = sorted.flatMap((_, i) => (inside[i] ? [i] : []));
  const sign = recipe.dropWhen === "high" ? 1 : -1;
  const odds = logOdds(
    rows.map((i) => scores[i]!),
    rows.map((i) => (sought[i] === sign > 0 ? 1 : 0)),
  );
  const { name, dropWhen, sought: _sought, soughtGrades: _grades, ...rest } = recipe;
  const final = fitAll(learner, rowsWithout(), odds)[chosen]!;
  return {
    format: MODEL_FORMAT,
    name,
    dropWhen,
    tokenizer,
    ...final,
    training: {
      sought: recipe.sought,
      soughtGrades: recipe.soughtGrades,
      documents: sorted.length,
      positives: sought.filter(Boolean).length,
      labels,
      data: hashOf(
        sorted.map(({ id, domain, grade, tokens }) => [
          id,
          domain,
          grade,
          sha256(new Uint8Array(Int32Array.from(tokens).buffer)),
        ]),
      ),
      recipe: { ...rest, strength: recipe.strengths[chosen]! },
      metrics: {
        within: recipe.within,
        folds: FOLDS,
        ranking: rounded(
          rankingOf(
            rows.map((i) => sign * scores[i]!),
            rows.map((i) => sought[i]!),
          ),
        ),
        domains: mapValues(
          flagsByDomain(
            sorted.map(({ domain }) => domain),
            Array.from(scores, (score) =>
              isFlagged(recipe.dropWhen, odds.slope * score + odds.shift * SCORE_UNIT),
            ),
            sought,
          ),
          rounded,
        ),
      },
    },
  };
}

/** A score becomes slope x score + shift, the shift in logits. */
interface Line {
  readonly slope: number;
  readonly shift: number;
}

interface Learner {
  readonly recipe: Recipe;
  readonly documents: readonly LabelledDocument[];
  readonly examples: readonly Example[];
  readonly targets: readonly number[];
  readonly inside: readonly boolean[];
  readonly pieces: PieceTable;
}

/** A quantised model for each strength, learnt on the rows alone: document frequencies and bucket edges too. */
function fitAll(
  { recipe, examples, targets, inside, pieces }: Learner,
  rows: readonly number[],
  { slope, shift }: Line = { slope: 1, shift: 0 },
): readonly ScoringModel[] {
  const space = featureSpace(
    rows.map((i) => examples[i]!),
    rows.flatMap((i) => (inside[i] ? [examples[i]!] : [])),
    pieces.classes.length,
    recipe,
  );
  const data = sparseRows(
    rows.map((i) => examples[i]!),
    space,
  );
  const wanted = rows.map((i) => targets[i]!);
  const every = rows.map((_, r) => r);
  let from: LinearModel | undefined;
  return recipe.strengths.map((strength) => {
    from = fitLogistic(data, every, wanted, strength, from);
    const { weights, bias } = from;
    return quantise({ weights: weights.map((w) => slope * w), bias: slope * bias + shift }, space, pieces);
  });
}

/** Folds by turns, in order of id, sought and other documents of each domain apart. */
function foldsOf(documents: readonly LabelledDocument[], sought: readonly boolean[]): readonly number[] {
  const dealt = new Map<string, number>();
  return documents.map(({ domain }, i) => {
    const stratum = `${domain} ${sought[i]}`;
    const turn = dealt.get(stratum) ?? 0;
    dealt.set(stratum, turn + 1);
    return turn % FOLDS;
  });
}

function best(areas: readonly number[]): number {
  return areas.reduce((at, area, i) => (area > areas[at]! ? i : at), 0);
}

function mapValues<T, U>(values: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
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

/** The line that turns scores into the log odds of the label: what cross-validation says a score is worth. */
function logOdds(scores: readonly number[], labels: readonly number[]): Line {
  const rows = scores.map((_, i) => i);
  const data = {
    columns: 1,
    starts: Int32Array.from([...rows, rows.length]),
    indices: new Int32Array(rows.length),
    values: Float64Array.from(scores, (score) => score / SCORE_UNIT),
  };
  const { weights, bias } = fitLogistic(data, rows, labels, 1e3);
  const slope = weights[0]!;
  if (!(slope > 0))
    throw new HeadraceError(
      "ERR_INPUT",
      "scores learnt from these labels do not rank documents that were held out better than chance; label more documents",
    );
  return { slope, shift: bias };
}
