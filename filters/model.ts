/**
 * The model file of a built-in filter, and the scorer it stands for: a bias, one weight an id and one table a measure, all integers.
 * score = bias + sum of the tables' entries + floor(256 x (sum of level x weight) / floor(256 x root of the sum of level squared)),
 * clamped to the range of scores. Every step is exact in a double, so each machine and language gets the same integer.
 */
import { HeadraceError } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import { array, integer, object, oneOf, type Parser, parseJson, string } from "../core/parse.ts";
import { CLASS_COUNT, type PieceTable } from "./classes.ts";
import { type Counts, MEASURE_NAMES, MEASURES, type Measure, tokenCounter } from "./features.ts";
import { type DropWhen, type Filter, SCORE_LIMIT } from "./filter.ts";
import { type Training, training } from "./training.ts";

export const MODEL_FORMAT = "headrace-filter/1";

/** The table of one measure: entry b is for values that reach exactly b of the edges. */
export interface MeasureTable {
  readonly measure: Measure;
  /** Ascending integers. */
  readonly edges: readonly number[];
  /** One more than there are edges. */
  readonly weights: readonly number[];
}

/** A built-in filter's model. All weights are in units of 1/65,536 logit. */
export interface FilterModel {
  readonly format: typeof MODEL_FORMAT;
  readonly name: string;
  readonly dropWhen: DropWhen;
  /** SHA-256 of the tokenizer whose ids the weights are for. */
  readonly tokenizer: string;
  readonly bias: number;
  /** What was known of the pieces when the model was trained. */
  readonly pieces: PieceTable;
  readonly tokenWeights: Int32Array;
  readonly measures: readonly MeasureTable[];
  readonly training: Training;
}

const weight = integer(-SCORE_LIMIT, SCORE_LIMIT);

/** Base64 of little-endian 32-bit integers. */
const int32s: Parser<Int32Array> = (value, at) => {
  const bytes = Buffer.from(string(value, at), "base64");
  if (bytes.length % 4 !== 0)
    throw new HeadraceError(
      "ERR_PARSE",
      `${at} has ${bytes.length} bytes; expected 32-bit integers in base64`,
    );
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readInt32LE(4 * i));
};
const bytes: Parser<Uint8Array> = (value, at) => Uint8Array.from(Buffer.from(string(value, at), "base64"));

/** A feature of a kind that this version knows. */
const feature: Parser<
  { readonly kind: "tokens"; readonly weights: Int32Array } | ({ readonly kind: "measure" } & MeasureTable)
> = (value, at) => {
  const { kind } = object({ kind: string })(value, at);
  if (kind === "tokens")
    return object({ kind: oneOf("tokens"), weights: int32s }, { strict: true })(value, at);
  if (kind === "measure")
    return object(
      {
        kind: oneOf("measure"),
        measure: oneOf(...MEASURE_NAMES),
        edges: array(weight),
        weights: array(weight),
      },
      { strict: true },
    )(value, at);
  throw new HeadraceError(
    "ERR_FILTER",
    `${at} is of the kind "${kind}"; known: tokens, measure; use the version of headrace that made the model`,
  );
};

const file = object(
  {
    format: oneOf(MODEL_FORMAT),
    name: string,
    dropWhen: oneOf("high", "low"),
    tokenizer: string,
    bias: weight,
    pieces: object({ classes: bytes, lengths: bytes }, { strict: true }),
    features: array(feature),
    training,
  },
  { strict: true },
);

/** Reads the text of a model file; `subject` names it in errors. Throws ERR_PARSE and ERR_FILTER. */
export function parseModel(text: string, subject: string): FilterModel {
  const { features, ...rest } = parseJson(text, file, subject);
  const refuse = (reason: string): never => {
    throw new HeadraceError("ERR_FILTER", `filter model ${subject} ${reason}; restore it or train it again`);
  };
  const tokenWeights = features.flatMap((entry) => (entry.kind === "tokens" ? [entry.weights] : []));
  const measures = features.flatMap((entry) => {
    if (entry.kind === "tokens") return [];
    const { measure, edges, weights } = entry;
    if (weights.length !== edges.length + 1)
      refuse(`has ${weights.length} weights for the ${edges.length} edges of ${measure}`);
    if (edges.some((edge, i) => i > 0 && edge <= edges[i - 1]!))
      refuse(`has edges of ${measure} that do not ascend`);
    return [{ measure, edges, weights }];
  });
  const [weights] = tokenWeights;
  if (!weights || tokenWeights.length > 1)
    return refuse(`has ${tokenWeights.length} tables of token weights`);
  const { classes, lengths } = rest.pieces;
  if (weights.length !== classes.length || weights.length !== lengths.length)
    refuse(
      `has ${weights.length} token weights, ${classes.length} classes and ${lengths.length} lengths of pieces`,
    );
  if (classes.some((kind) => kind >= CLASS_COUNT)) refuse("has a piece of an unknown class");
  if (weights.some((entry) => Math.abs(entry) > SCORE_LIMIT)) refuse("has a token weight beyond 2^24");
  return { ...rest, tokenWeights: weights, measures };
}

/** The text of a model file: one line a field, one a feature. The same model gives the same bytes. */
export function formatModel(model: FilterModel): string {
  const { format, name, dropWhen, tokenizer, bias, pieces, tokenWeights, measures } = model;
  const weights = Buffer.alloc(4 * tokenWeights.length);
  tokenWeights.forEach((entry, i) => {
    weights.writeInt32LE(entry, 4 * i);
  });
  const features = [
    { kind: "tokens", weights: weights.toString("base64") },
    ...measures.map((table) => ({ kind: "measure", ...table })),
  ];
  const fields: readonly (readonly [string, string])[] = [
    ...Object.entries({ format, name, dropWhen, tokenizer, bias }).map(
      ([key, value]) => [key, JSON.stringify(value)] as const,
    ),
    ["training", JSON.stringify(model.training, null, 2).replaceAll("\n", "\n  ")],
    ["pieces", `{\n    "classes": ${base64(pieces.classes)},\n    "lengths": ${base64(pieces.lengths)}\n  }`],
    ["features", `[\n    ${features.map((entry) => JSON.stringify(entry)).join(",\n    ")}\n  ]`],
  ];
  return `{\n${fields.map(([key, value]) => `  "${key}": ${value}`).join(",\n")}\n}\n`;
}

function base64(bytes: Uint8Array): string {
  return JSON.stringify(Buffer.from(bytes).toString("base64"));
}

/** A filter whose model is at hand, so that several can share the counting of ids. */
export interface ModelFilter extends Filter {
  readonly model: FilterModel;
}

/** Whether a filter is a model that is at hand. */
export function isModelFilter(filter: Filter): filter is ModelFilter {
  return "model" in filter;
}

/** The filter of a model file's text; its hash is that of the text. */
export function filterOf(text: string, subject: string): ModelFilter {
  const model = parseModel(text, subject);
  const { name, dropWhen, tokenizer } = model;
  return { name, sha256: sha256(text), dropWhen, tokenizer, model, score: scorerOf(model) };
}

/** The parts of a model that decide scores. */
export type ScoringModel = Pick<FilterModel, "bias" | "pieces" | "tokenWeights" | "measures">;

/** The scorer of a model. It owns its scratch memory (16 bytes an id); not for use by two threads at once. */
export function scorerOf(model: ScoringModel): Filter["score"] {
  const counts = tokenCounter(model.pieces, [model.tokenWeights]);
  return (_text, tokens, count) => scoreOf(model, counts(tokens, count), 0);
}

/** The score of counted ids; the model's weights are those of `counts.sums[table]`. */
export function scoreOf({ bias, measures }: ScoringModel, counts: Counts, table: number): number {
  const { squares } = counts;
  let score = bias;
  if (squares > 0) score += Math.floor((256 * counts.sums[table]!) / Math.floor(256 * Math.sqrt(squares)));
  for (const { measure, edges, weights } of measures) {
    const value = MEASURES[measure](counts);
    let bucket = 0;
    while (bucket < edges.length && value >= edges[bucket]!) bucket += 1;
    score += weights[bucket]!;
  }
  return Math.max(1 - SCORE_LIMIT, Math.min(SCORE_LIMIT - 1, score));
}
