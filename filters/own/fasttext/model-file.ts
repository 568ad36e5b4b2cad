/**
 * A fastText model file (`.bin`, `.ftz`) in memory: settings, dictionary and the two matrices, dense or quantized, as fastText 0.9.2 writes
 * them. Every length is checked against the file before anything of that size is made. Memory: about the file.
 */
import { HeadraceError } from "../../../core/errors.ts";
import { FileCursor } from "./file-cursor.ts";

/** https://github.com/facebookresearch/fastText, src/fasttext.h */
const MAGIC = 793_712_314;
/** Version 12 since 2017; files of version 11 have no subwords where they classify. */
const VERSIONS = [11, 12];
/** Centroids of a subquantizer (src/productquantizer.h). */
const CENTROIDS = 256;

const LOSSES = ["hs", "ns", "softmax", "ova"] as const;
const MODELS = ["cbow", "skipgram", "supervised"] as const;

/** What decides the features of a text. */
export interface FastTextSettings {
  readonly dim: number;
  readonly wordNgrams: number;
  readonly loss: (typeof LOSSES)[number];
  readonly bucket: number;
  readonly minn: number;
  readonly maxn: number;
}

/** The words and labels of a model, and which of the hashed features a pruned model still has. */
export interface FastTextDictionary {
  /** UTF-8 of each word. */
  readonly words: readonly Uint8Array[];
  /** With their prefix. */
  readonly labels: readonly string[];
  /** How often each label was seen in training. */
  readonly labelCounts: readonly number[];
  /** Feature by bucket; null where every bucket is there. */
  readonly kept: ReadonlyMap<number, number> | null;
}

/** Rows of vectors. */
export type FastTextMatrix =
  | { readonly kind: "dense"; readonly rows: number; readonly columns: number; readonly values: Float32Array }
  | {
      readonly kind: "quantized";
      readonly rows: number;
      readonly columns: number;
      readonly codes: Uint8Array;
      readonly quantizer: Quantizer;
      /** The norm of each row; null where vectors were not scaled. */
      readonly norms: Float32Array | null;
    };

/** Product quantizer: a vector is cut into `parts`, each of which is one of 256 centroids. */
export interface Quantizer {
  readonly parts: number;
  readonly width: number;
  readonly lastWidth: number;
  readonly centroids: Float32Array;
}

/** A supervised model. */
export interface FastTextModel {
  readonly settings: FastTextSettings;
  readonly dictionary: FastTextDictionary;
  readonly input: FastTextMatrix;
  readonly output: FastTextMatrix;
}

/** Reads a model. Throws ERR_INPUT where the file cannot be read, ERR_FILTER where it is none, damaged, or of a kind that gives no labels. */
export async function readFastText(path: string): Promise<FastTextModel> {
  const file = await FileCursor.open(path);
  try {
    file.part = "header";
    const magic = file.remaining < 8 ? 0 : file.int32();
    const version = magic === MAGIC ? file.int32() : 0;
    if (magic !== MAGIC)
      throw new HeadraceError(
        "ERR_FILTER",
        `${path} is no fastText model: it does not begin with fastText's number; give a .bin or .ftz that fastText saved`,
      );
    if (!VERSIONS.includes(version))
      file.refuse(`is of version ${version}; versions ${VERSIONS.join(" and ")} are read`);
    const settings = readSettings(file, version);
    const dictionary = readDictionary(file);
    file.part = "input matrix";
    const quantized = file.flag();
    const input = quantized ? readQuantized(file) : readDense(file);
    file.part = "output matrix";
    const output = file.flag() && quantized ? readQuantized(file) : readDense(file);
    if (file.remaining > 0) file.refuse(`has ${file.remaining} bytes after its end`);
    check(file, { settings, dictionary, input, output });
    return { settings, dictionary, input, output };
  } finally {
    await file.close();
  }
}

function readSettings(file: FileCursor, version: number): FastTextSettings {
  file.part = "settings";
  const numbers = Array.from({ length: 12 }, () => file.int32());
  // Left out: window, epochs, least count and negatives, and after these how often the learning rate is updated.
  const [dim = 0, , , , , wordNgrams = 0, loss = 0, model = 0, bucket = 0, minn = 0, maxn = 0] = numbers;
  file.skip(8);
  const kind = MODELS[model - 1] ?? file.refuse(`has the model number ${model}`);
  if (kind !== "supervised")
    file.refuse(`is a ${kind} model: it has word vectors and no labels; give one that train_supervised made`);
  return {
    dim: dim > 0 ? dim : file.refuse(`has ${dim} dimensions`),
    wordNgrams,
    loss: LOSSES[loss - 1] ?? file.refuse(`has the loss number ${loss}; known are ${LOSSES.join(", ")}`),
    bucket,
    minn,
    maxn: version === 11 ? 0 : maxn,
  };
}

function readDictionary(file: FileCursor): FastTextDictionary {
  file.part = "dictionary";
  const size = file.int32();
  const counts = [file.int32(), file.int32()];
  file.skip(8);
  const pruned = file.int64();
  const words: Uint8Array[] = [];
  const labels: string[] = [];
  const labelCounts: number[] = [];
  if (size < 0 || size * 10 > file.remaining) file.refuse(`says that it has ${size} words`);
  for (let i = 0; i < size; i++) {
    const word = file.terminated();
    const count = file.int64();
    const type = file.byte();
    if (type === 0 && labels.length === 0) words.push(word);
    else if (type === 1) {
      labels.push(Buffer.from(word).toString());
      labelCounts.push(count);
    } else file.refuse(`has an entry of type ${type} at ${i}`);
  }
  if (words.length !== counts[0] || labels.length !== counts[1])
    file.refuse(`has ${words.length} words and ${labels.length} labels and says ${counts.join(" and ")}`);
  if (pruned > 0 && pruned * 8 > file.remaining) file.refuse(`says that it keeps ${pruned} buckets`);
  // -1: not pruned. 0: pruned, and no bucket is left.
  const kept = pruned < 0 ? null : new Map<number, number>();
  for (let i = 0; i < pruned; i++) kept?.set(file.int32(), file.int32());
  return { words, labels, labelCounts, kept };
}

function readDense(file: FileCursor): FastTextMatrix {
  const [rows, columns] = [file.int64(), file.int64()];
  return { kind: "dense", rows, columns, values: file.floats(rows, columns) };
}

function readQuantized(file: FileCursor): FastTextMatrix {
  const scaled = file.flag();
  const [rows, columns] = [file.int64(), file.int64()];
  const codes = file.bytes(file.int32());
  const quantizer = readQuantizer(file, columns);
  if (codes.length !== rows * quantizer.parts)
    file.refuse(`has ${codes.length} codes for ${rows} rows of ${quantizer.parts} parts`);
  if (!scaled) return { kind: "quantized", rows, columns, codes, quantizer, norms: null };
  const normCodes = file.bytes(rows);
  const { centroids } = readQuantizer(file, 1);
  return {
    kind: "quantized",
    rows,
    columns,
    codes,
    quantizer,
    norms: Float32Array.from(normCodes, (code) => centroids[code]!),
  };
}

function readQuantizer(file: FileCursor, columns: number): Quantizer {
  const [dim, parts, width, lastWidth] = [file.int32(), file.int32(), file.int32(), file.int32()];
  if (dim !== columns || parts < 1 || width < 1 || lastWidth < 1 || (parts - 1) * width + lastWidth !== dim)
    file.refuse(`cuts ${columns} columns into ${parts} parts of ${width}, the last of ${lastWidth}`);
  return { parts, width, lastWidth, centroids: file.floats(dim, CENTROIDS) };
}

/** The sizes that must agree, so that no look-up can leave a matrix. */
function check(file: FileCursor, { settings, dictionary, input, output }: FastTextModel): void {
  const { dim, bucket, maxn, wordNgrams } = settings;
  const { words, labels, kept } = dictionary;
  file.part = "matrices";
  const buckets = kept === null ? (maxn > 0 || wordNgrams > 1 ? bucket : 0) : 0;
  const places = kept === null ? [buckets] : [...kept.values()].map((at) => at + 1);
  const least = words.length + places.reduce((most, at) => Math.max(most, at), 0);
  const outputs = settings.loss === "hs" ? labels.length - 1 : labels.length;
  if (labels.length === 0) file.refuse("has no labels");
  if (maxn > 0 && bucket < 1) file.refuse(`has subwords and ${bucket} buckets`);
  if (input.columns !== dim || output.columns !== dim || input.rows < least || output.rows < outputs)
    file.refuse(
      `has an input of ${input.rows} × ${input.columns} and an output of ${output.rows} × ${output.columns} for ${words.length} words, ${buckets} buckets, ${labels.length} labels and ${dim} dimensions`,
    );
}
