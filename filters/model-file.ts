/**
 * The model file: JSON, one line a field, one a feature. Files of every earlier format are read and give the scores they always gave.
 */
import { HeadraceError } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import { array, integer, object, oneOf, type Parser, parseJson, string } from "../core/parse.ts";
import { CLASS_COUNT } from "./classes.ts";
import { MEASURE_NAMES } from "./features.ts";
import { SCORE_LIMIT } from "./filter.ts";
import {
  type FilterModel,
  type MeasureTable,
  MODEL_FORMATS,
  type ModelFilter,
  PRODUCT_MEASURES,
  type Products,
  scorerOf,
  VALUE_LIMIT,
  WHOLE_DOCUMENT,
} from "./model.ts";
import { training } from "./training.ts";

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

const table = { measure: oneOf(...MEASURE_NAMES), edges: array(weight), weights: array(weight) };

/** The parser of each kind of feature. */
const FEATURES = {
  /** One weight an id; ids count by logarithm. */
  tokens: object({ kind: oneOf("tokens"), weights: int32s }, { strict: true }),
  /** One weight an id; ids count once. */
  presence: object({ kind: oneOf("presence"), weights: int32s }, { strict: true }),
  measure: object({ kind: oneOf("measure"), ...table }, { strict: true }),
  products: object(
    {
      kind: oneOf("products"),
      tables: array(
        object({ ...table, values: array(integer(-VALUE_LIMIT, VALUE_LIMIT)) }, { strict: true }),
      ),
      weights: int32s,
    },
    { strict: true },
  ),
} as const;

type Feature = ReturnType<(typeof FEATURES)[keyof typeof FEATURES]>;

/** A feature of a kind that the format has. */
const feature =
  (kinds: readonly (keyof typeof FEATURES)[]): Parser<Feature> =>
  (value, at) => {
    const { kind } = object({ kind: string })(value, at);
    const known = kinds.find((one) => one === kind);
    if (known) return FEATURES[known](value, at);
    throw new HeadraceError(
      "ERR_FILTER",
      `${at} is of the kind "${kind}"; known: ${kinds.join(", ")}; use the version of headrace that made the model`,
    );
  };

const common = {
  name: string,
  dropWhen: oneOf("high", "low"),
  tokenizer: string,
  bias: weight,
  pieces: object({ classes: bytes, lengths: bytes }, { strict: true }),
  training,
};
const count = integer(0, 2 ** 29);
const first = object(
  { format: oneOf(MODEL_FORMATS[0]), ...common, features: array(feature(["tokens", "measure"])) },
  { strict: true },
);
const second = object(
  {
    format: oneOf(MODEL_FORMATS[1]),
    ...common,
    reads: object({ head: count, tail: count }, { strict: true }),
    features: array(feature(["tokens", "presence", "measure", "products"])),
  },
  { strict: true },
);
const file: Parser<ReturnType<typeof first> | ReturnType<typeof second>> = (value, at) => {
  const { format } = object({ format: oneOf(...MODEL_FORMATS) })(value, at);
  return format === MODEL_FORMATS[0] ? first(value, at) : second(value, at);
};

/** Reads the text of a model file; `subject` names it in errors. Throws ERR_PARSE and ERR_FILTER. */
export function parseModel(text: string, subject: string): FilterModel {
  const parsed = parseJson(text, file, subject);
  const { format, name, dropWhen, tokenizer, bias, pieces, training, features } = parsed;
  const refuse = (reason: string): never => {
    throw new HeadraceError("ERR_FILTER", `filter model ${subject} ${reason}; restore it or train it again`);
  };
  const tokenTables = features.flatMap((entry) =>
    entry.kind === "tokens" || entry.kind === "presence" ? [entry] : [],
  );
  const measures = features.flatMap((entry) =>
    entry.kind === "measure" ? [checkedTable(entry, refuse)] : [],
  );
  const products = features.flatMap((entry) =>
    entry.kind === "products" ? [checkedProducts(entry, refuse)] : [],
  );
  if (products.length > 1) refuse(`has ${products.length} features of products`);
  const [tokens] = tokenTables;
  if (!tokens || tokenTables.length > 1) return refuse(`has ${tokenTables.length} tables of token weights`);
  const { weights } = tokens;
  const { classes, lengths } = pieces;
  if (weights.length !== classes.length || weights.length !== lengths.length)
    refuse(
      `has ${weights.length} token weights, ${classes.length} classes and ${lengths.length} lengths of pieces`,
    );
  if (classes.some((kind) => kind >= CLASS_COUNT)) refuse("has a piece of an unknown class");
  if (weights.some((entry) => Math.abs(entry) > SCORE_LIMIT)) refuse("has a token weight beyond 2^24");
  return {
    format,
    name,
    dropWhen,
    tokenizer,
    bias,
    pieces,
    excerpt:
      "reads" in parsed
        ? { ...parsed.reads, level: tokens.kind === "tokens" ? "logarithm" : "presence" }
        : WHOLE_DOCUMENT,
    tokenWeights: weights,
    measures,
    products: products[0] ?? { tables: [], weights: new Int32Array(0) },
    training,
  };
}

function checkedTable(
  { measure, edges, weights }: MeasureTable,
  refuse: (reason: string) => never,
): MeasureTable {
  if (weights.length !== edges.length + 1)
    refuse(`has ${weights.length} weights for the ${edges.length} edges of ${measure}`);
  if (edges.some((edge, i) => i > 0 && edge <= edges[i - 1]!))
    refuse(`has edges of ${measure} that do not ascend`);
  return { measure, edges, weights };
}

function checkedProducts({ tables, weights }: Products, refuse: (reason: string) => never): Products {
  const pairs = (tables.length * (tables.length - 1)) / 2;
  if (tables.length > PRODUCT_MEASURES)
    refuse(`has products of ${tables.length} measures, more than ${PRODUCT_MEASURES}`);
  if (weights.length !== pairs)
    refuse(`has ${weights.length} weights for the ${pairs} pairs of its ${tables.length} measures`);
  if (weights.some((entry) => Math.abs(entry) > SCORE_LIMIT)) refuse("has a weight of a pair beyond 2^24");
  return {
    weights,
    tables: tables.map((one) => {
      if (one.values.length !== one.edges.length + 1)
        refuse(`has ${one.values.length} values for the ${one.edges.length} edges of ${one.measure}`);
      return { ...checkedTable(one, refuse), values: one.values };
    }),
  };
}

/** The text of a model file. The same model gives the same bytes. */
export function formatModel(model: FilterModel): string {
  const { format, name, dropWhen, tokenizer, bias, pieces, excerpt, tokenWeights, measures, products } =
    model;
  const features = [
    { kind: excerpt.level === "logarithm" ? "tokens" : "presence", weights: base64Of(tokenWeights) },
    ...measures.map((table) => ({ kind: "measure", ...table })),
    ...(products.tables.length > 0
      ? [{ kind: "products", tables: products.tables, weights: base64Of(products.weights) }]
      : []),
  ];
  const fields: readonly (readonly [string, string])[] = [
    ...Object.entries({ format, name, dropWhen, tokenizer, bias }).map(
      ([key, value]) => [key, JSON.stringify(value)] as const,
    ),
    ...(format === MODEL_FORMATS[0]
      ? []
      : [["reads", JSON.stringify({ head: excerpt.head, tail: excerpt.tail })] as const]),
    ["training", JSON.stringify(model.training, null, 2).replaceAll("\n", "\n  ")],
    ["pieces", `{\n    "classes": ${base64(pieces.classes)},\n    "lengths": ${base64(pieces.lengths)}\n  }`],
    ["features", `[\n    ${features.map((entry) => JSON.stringify(entry)).join(",\n    ")}\n  ]`],
  ];
  return `{\n${fields.map(([key, value]) => `  "${key}": ${value}`).join(",\n")}\n}\n`;
}

function base64Of(values: Int32Array): string {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((entry, i) => {
    bytes.writeInt32LE(entry, 4 * i);
  });
  return bytes.toString("base64");
}

function base64(bytes: Uint8Array): string {
  return JSON.stringify(Buffer.from(bytes).toString("base64"));
}

/** The filter of a model file's text; its hash is that of the text. Throws ERR_PARSE and ERR_FILTER. */
export function filterOf(text: string, subject: string): ModelFilter {
  const model = parseModel(text, subject);
  const { name, dropWhen, tokenizer } = model;
  return { name, sha256: sha256(text), dropWhen, tokenizer, model, score: scorerOf(model) };
}
