/**
 * The probability that a fastText model gives to a label, as `predict` of fastText 0.9.2 reports it: for softmax, hierarchical softmax, and one
 * against all. Sums are of 32-bit floats in its order. It adds 1e-5 before every logarithm, so that it reports up to 1.00001; so does this.
 */
import type { FastTextMatrix, FastTextModel } from "./model-file.ts";

/** std_log of src/loss.cc. */
const LOG_OFFSET = 1e-5;
/** The table that sigmoids are read from (src/loss.cc). */
const [SIGMOID_STEPS, SIGMOID_REACH] = [512, 8];

/** The probability of the label that a scorer is for, of the input rows of a text; null where a text has none. */
export type Predict = (rows: Int32Array) => number | null;

/** The scorer of label number `label`. Owns scratch memory. */
export function predictor(model: FastTextModel, label: number): Predict {
  const { input, output, settings, dictionary } = model;
  const hidden = new Float32Array(settings.dim);
  const add = rowAdder(input, hidden);
  const dot = rowProduct(output, hidden);
  const labels = dictionary.labels.length;
  const probability = {
    softmax: () => logOf(softmax(dot, labels, label)),
    ova: () => logOf(sigmoid(dot(label))),
    ns: () => logOf(sigmoid(dot(label))),
    hs: hierarchical(dictionary.labelCounts, label, dot),
  }[settings.loss];
  return (rows) => {
    if (rows.length === 0) return null;
    hidden.fill(0);
    for (const row of rows) add(row);
    const scale = Math.fround(1 / rows.length);
    for (let d = 0; d < hidden.length; d++) hidden[d]! *= scale;
    return Math.exp(Math.fround(probability()));
  };
}

function logOf(probability: number): number {
  return Math.log(probability + LOG_OFFSET);
}

function softmax(dot: (row: number) => number, labels: number, label: number): number {
  const outputs = Float32Array.from({ length: labels }, (_, row) => dot(row));
  const most = outputs.reduce((a, b) => Math.max(a, b));
  let sum = 0;
  for (let i = 0; i < labels; i++) {
    outputs[i] = Math.exp(Math.fround(outputs[i]! - most));
    sum = Math.fround(sum + outputs[i]!);
  }
  return Math.fround(outputs[label]! / sum);
}

/** From the table, as fastText does. */
function sigmoid(x: number): number {
  if (x < -SIGMOID_REACH) return 0;
  if (x > SIGMOID_REACH) return 1;
  const step = Math.trunc((Math.fround(x + SIGMOID_REACH) * SIGMOID_STEPS) / SIGMOID_REACH / 2);
  return Math.fround(1 / (1 + Math.exp(SIGMOID_REACH - (step * 2 * SIGMOID_REACH) / SIGMOID_STEPS)));
}

/** Walks from the root of the Huffman tree to the label: at each inner node right with the probability of its row, or left. */
function hierarchical(counts: readonly number[], label: number, dot: (row: number) => number): () => number {
  const path = pathOf(counts, label);
  return () => {
    let sum = 0;
    for (const { row, right } of path) {
      const goes = Math.fround(1 / (1 + Math.exp(-dot(row))));
      sum = Math.fround(sum + Math.fround(logOf(right ? goes : 1 - goes)));
    }
    return sum;
  };
}

/** Inner nodes above a label, from the root down (HierarchicalSoftmaxLoss::buildTree); labels come with the most frequent first. */
function pathOf(
  counts: readonly number[],
  label: number,
): readonly { readonly row: number; readonly right: boolean }[] {
  const labels = counts.length;
  const size = 2 * labels - 1;
  const weight = Array.from({ length: size }, (_, i) => counts[i] ?? 1e15);
  const parent = new Int32Array(size).fill(-1);
  const isRight = new Uint8Array(size);
  let leaf = labels - 1;
  let node = labels;
  for (let i = labels; i < size; i++) {
    const pick = () => (leaf >= 0 && weight[leaf]! < weight[node]! ? leaf-- : node++);
    const [left, right] = [pick(), pick()];
    weight[i] = weight[left]! + weight[right]!;
    parent[left] = i;
    parent[right] = i;
    isRight[right] = 1;
  }
  const path: { readonly row: number; readonly right: boolean }[] = [];
  for (let at = label; parent[at]! >= 0; at = parent[at]!)
    path.unshift({ row: parent[at]! - labels, right: isRight[at] === 1 });
  return path;
}

/** Adds a row to `vector`. */
function rowAdder(matrix: FastTextMatrix, vector: Float32Array): (row: number) => void {
  const { columns } = matrix;
  if (matrix.kind === "dense") {
    const { values } = matrix;
    return (row) => {
      const from = row * columns;
      for (let d = 0; d < columns; d++) vector[d]! += values[from + d]!;
    };
  }
  return eachPart(matrix, (d, value, norm) => {
    vector[d]! += Math.fround(norm * value);
  });
}

/** The product of a row with `vector`. */
function rowProduct(matrix: FastTextMatrix, vector: Float32Array): (row: number) => number {
  const { columns } = matrix;
  if (matrix.kind === "dense") {
    const { values } = matrix;
    return (row) => {
      let sum = 0;
      const from = row * columns;
      for (let d = 0; d < columns; d++) sum = Math.fround(sum + Math.fround(vector[d]! * values[from + d]!));
      return sum;
    };
  }
  let sum = 0;
  let scale = 1;
  const add = eachPart(matrix, (d, value, norm) => {
    scale = norm;
    sum = Math.fround(sum + Math.fround(vector[d]! * value));
  });
  return (row) => {
    sum = 0;
    add(row);
    return Math.fround(sum * scale);
  };
}

/** Visits the values of a quantized row, before its norm. */
function eachPart(
  { codes, quantizer, norms }: FastTextMatrix & { readonly kind: "quantized" },
  visit: (column: number, value: number, norm: number) => void,
): (row: number) => void {
  const { parts, width, lastWidth, centroids } = quantizer;
  return (row) => {
    const norm = norms?.[row] ?? 1;
    for (let part = 0; part < parts; part++) {
      const code = codes[row * parts + part]!;
      const size = part === parts - 1 ? lastWidth : width;
      const from = part * 256 * width + code * size;
      for (let i = 0; i < size; i++) visit(part * width + i, centroids[from + i]!, norm);
    }
  };
}
