/**
 * An ONNX text classifier in a local folder as a filter, through the optional package @huggingface/transformers; nothing is fetched.
 * Every run has one of few shapes, BATCH rows of a fixed length, filled up where there are fewer, and one thread: what a document is given
 * then depends on it alone and not on what stands beside it. What it gives up: speed on short documents, and equal bits on other processors.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { sha256File } from "../../core/hash.ts";
import { integer, object, optional, parseJson, record, string } from "../../core/parse.ts";
import { readText } from "./files.ts";
import type { OpenedFilter } from "./own-filter.ts";
import { integerSetting, type OwnSpec, ownScale, refuse, wordSetting } from "./spec.ts";

/** Rows of a run. */
const BATCH = 8;
/** Lengths that rows are filled up to, below the longest. */
const LENGTHS = [32, 128];
/** Tokens of a document that are seen, unless the model takes fewer. */
const MOST_TOKENS = 512;
/** UTF-16 units a token that are tokenized at most: of a long document only its beginning is seen. */
const UNITS_A_TOKEN = 32;

/** Files by the number format of their weights. */
const WEIGHTS = { fp32: "onnx/model.onnx", q8: "onnx/model_quantized.onnx" } as const;

const config = object({
  id2label: optional(record(string)),
  problem_type: optional(string),
  max_position_embeddings: optional(integer(1)),
});

/** The filter of `onnx:FOLDER,label=NAME`. Throws ERR_ARGUMENT, ERR_INPUT, ERR_FILTER and, without the package, ERR_RUNTIME. */
export async function openOnnx(spec: OwnSpec): Promise<OpenedFilter> {
  const scale = ownScale(spec, { dropWhen: null, scale: 1, cut: null, missing: "quarantine" });
  const dtype = wordSetting(spec, "dtype", ["fp32", "q8"]);
  const folder = resolve(spec.value);
  const files = [
    "config.json",
    "tokenizer.json",
    WEIGHTS[dtype],
    `${WEIGHTS[dtype]}_data`,
    "tokenizer_config.json",
  ];
  for (const file of files.slice(0, 3))
    if (!existsSync(join(folder, file)))
      throw new HeadraceError(
        "ERR_INPUT",
        `filter "${spec.name}": ${spec.value} has no ${file}; give a folder as "optimum-cli export onnx" makes it, with the graph under onnx/`,
      );
  const text = await readText(spec, join(folder, "config.json"));
  const {
    id2label = {},
    problem_type: problem,
    max_position_embeddings: positions = MOST_TOKENS,
  } = parseJson(text, config, join(spec.value, "config.json"));
  const labels = Object.keys(id2label)
    .sort((a, b) => Number(a) - Number(b))
    .map((id) => id2label[id]!);
  const label = labelOf(spec, labels);
  const length = integerSetting(spec, "tokens") ?? Math.min(MOST_TOKENS, positions);
  if (length > positions) refuse(spec.text, `has tokens=${length}; the model takes up to ${positions}`);
  const hashes = [];
  for (const file of files)
    if (existsSync(join(folder, file))) hashes.push({ file, sha256: await sha256File(join(folder, file)) });
  const { classify, version } = await openClassifier(spec, folder, dtype, length);
  // A model of one output gives a grade; others a probability, of each label by itself where they do not exclude each other.
  const valueFor = (logits: Float32Array) =>
    labels.length <= 1
      ? logits[0]!
      : problem === "multi_label_classification"
        ? 1 / (1 + Math.exp(-logits[label]!))
        : softmax(logits, label);
  return {
    ...scale,
    cut: scale.cut ?? (labels.length <= 1 ? null : 0.5),
    identity: { files: hashes, label, tokens: length, transformers: version, version: 1 },
    saturates: false,
    values: async (documents) => (await classify(documents.map((document) => document.text))).map(valueFor),
  };
}

function labelOf(spec: OwnSpec, labels: readonly string[]): number {
  const wanted = spec.settings.get("label");
  if (labels.length <= 1 && wanted === undefined) return 0;
  const label = labels.indexOf(wanted ?? "");
  if (label >= 0) return label;
  return refuse(
    spec.text,
    wanted === undefined
      ? `does not say which label's probability it is; give label=, one of ${labels.join(", ")}`
      : `has label=${wanted}, which ${spec.value} does not know; it has ${labels.join(", ") || "none by name"}`,
  );
}

/** Of 64-bit floats, in the order of the labels. */
function softmax(logits: Float32Array, label: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return Math.exp(logits[label]! - most) / sum;
}

/** What is used of the package. */
interface Transformers {
  readonly env: { allowRemoteModels: boolean; localModelPath: string; readonly version: string };
  readonly Tensor: new (type: "int64", data: BigInt64Array, dims: readonly number[]) => object;
  readonly AutoTokenizer: { from_pretrained(id: string, options: object): Promise<TextTokenizer> };
  readonly AutoModelForSequenceClassification: {
    from_pretrained(id: string, options: object): Promise<Classifier>;
  };
}
interface TextTokenizer {
  readonly pad_token_id?: number;
  encode(text: string): readonly number[];
}
interface Classifier {
  readonly sessions: { readonly model: { readonly inputNames: readonly string[] } };
  (given: object): Promise<{ readonly logits: { readonly data: Float32Array } }>;
}

/** Gives the logits of texts; all of it is local. */
async function openClassifier(spec: OwnSpec, folder: string, dtype: string, length: number) {
  const { env, Tensor, AutoTokenizer, AutoModelForSequenceClassification } = await importTransformers(spec);
  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder);
  const local = { local_files_only: true };
  let tokenizer: TextTokenizer;
  let model: Classifier;
  try {
    tokenizer = await AutoTokenizer.from_pretrained(basename(folder), local);
    model = await AutoModelForSequenceClassification.from_pretrained(basename(folder), {
      ...local,
      dtype,
      device: "cpu",
      session_options: { intraOpNumThreads: 1, interOpNumThreads: 1 },
    });
  } catch (cause) {
    throw new HeadraceError(
      "ERR_FILTER",
      `filter "${spec.name}": ${spec.value} is no classifier that transformers.js can run: ${messageOf(cause)}`,
      { cause },
    );
  }
  const cut = cutter(tokenizer, length);
  const { inputNames } = model.sessions.model;
  const padding = BigInt(tokenizer.pad_token_id ?? 0);
  const lengths = [...LENGTHS.filter((one) => one < length), length];

  const run = async (
    rows: readonly (readonly number[])[],
    padded: number,
  ): Promise<readonly Float32Array[]> => {
    const ids = new BigInt64Array(BATCH * padded).fill(padding);
    const mask = new BigInt64Array(BATCH * padded);
    for (let r = 0; r < BATCH; r++)
      for (const [i, id] of rows[Math.min(r, rows.length - 1)]!.entries()) {
        ids[r * padded + i] = BigInt(id);
        mask[r * padded + i] = 1n;
      }
    const inputs: Readonly<Record<string, BigInt64Array>> = {
      input_ids: ids,
      attention_mask: mask,
      token_type_ids: new BigInt64Array(BATCH * padded),
    };
    const given = inputNames.map((name) => [
      name,
      new Tensor("int64", inputs[name] ?? mask, [BATCH, padded]),
    ]);
    const { data } = (await model(Object.fromEntries(given))).logits;
    const width = data.length / BATCH;
    return rows.map((_, i) => data.slice(i * width, (i + 1) * width));
  };
  const classify = async (texts: readonly string[]): Promise<readonly Float32Array[]> => {
    const encoded = texts.map((text) => cut(text.slice(0, UNITS_A_TOKEN * length).toWellFormed()));
    const padded = encoded.map((ids) => lengths.find((one) => ids.length <= one)!);
    const found: Float32Array[] = [];
    for (const one of lengths) {
      const rows = [...padded.keys()].filter((i) => padded[i] === one);
      for (let from = 0; from < rows.length; from += BATCH) {
        const group = rows.slice(from, from + BATCH);
        const ids = group.map((i) => encoded[i]!);
        for (const [r, logits] of (await run(ids, one)).entries()) found[group[r]!] = logits;
      }
    }
    return found;
  };
  return { classify, version: env.version };
}

/**
 * Ids of a text, at most `length`: of a longer one its beginning, with the tokens that close every text, as the Python library cuts.
 * transformers.js would cut those off.
 */
function cutter(tokenizer: TextTokenizer, length: number): (text: string) => readonly number[] {
  const [empty, letter] = [tokenizer.encode(""), tokenizer.encode("a")];
  let closing = 0;
  while (closing < empty.length && empty.at(-1 - closing) === letter.at(-1 - closing)) closing++;
  return (text) => {
    const ids = tokenizer.encode(text);
    return ids.length <= length
      ? ids
      : [...ids.slice(0, length - closing), ...ids.slice(ids.length - closing)];
  };
}

async function importTransformers({ name }: OwnSpec): Promise<Transformers> {
  try {
    return (await import("@huggingface/transformers")) as unknown as Transformers;
  } catch (cause) {
    throw new HeadraceError(
      "ERR_RUNTIME",
      `filter "${name}" needs the optional package @huggingface/transformers (${messageOf(cause)}); install it with npm install @huggingface/transformers`,
      { cause },
    );
  }
}
