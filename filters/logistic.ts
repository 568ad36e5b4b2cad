/**
 * L2-regularised logistic regression on sparse rows: Newton steps by conjugate gradients, float64, a fixed order of operations.
 * Minimises |w|^2 / 2 + strength x sum of (cross-entropy of target and sigmoid(w.x + b)); the bias b is not regularised.
 */

/** Rows of sparse non-negative integers' worth of columns: row r is entries [starts[r], starts[r + 1]). */
export interface SparseRows {
  readonly columns: number;
  readonly starts: Int32Array;
  readonly indices: Int32Array;
  readonly values: Float64Array;
}

/** Weights by column, and the bias. */
export interface LinearModel {
  readonly weights: Float64Array;
  readonly bias: number;
}

/** When to stop: the gradient's norm has fallen by this factor. */
const TOLERANCE = 1e-4;
const NEWTON_STEPS = 50;
const GRADIENT_STEPS = 100;

/**
 * Fits targets in [0, 1] on the given rows. `from` is where to start (a neighbouring fit saves time and changes nothing
 * that matters). Deterministic; linear in the entries a step, some tens of steps.
 */
export function fitLogistic(
  data: SparseRows,
  rows: readonly number[],
  targets: ArrayLike<number>,
  strength: number,
  from?: LinearModel,
): LinearModel {
  const size = data.columns + 1;
  const w = new Float64Array(size);
  if (from) {
    w.set(from.weights);
    w[size - 1] = from.bias;
  }
  const gradient = new Float64Array(size);
  const margins = new Float64Array(rows.length);
  const curvature = new Float64Array(rows.length);
  const atZero = gradientAt(new Float64Array(size));
  let loss = lossAt(w);
  for (let step = 0; step < NEWTON_STEPS; step++) {
    const norm = gradientAt(w);
    if (norm <= TOLERANCE * atZero) break;
    const direction = newtonDirection();
    let length = 1;
    const slope = dot(gradient, direction);
    const next = new Float64Array(size);
    for (;;) {
      for (let j = 0; j < size; j++) next[j] = w[j]! + length * direction[j]!;
      const nextLoss = lossAt(next);
      if (nextLoss <= loss + 1e-4 * length * slope || length < 1e-10) {
        loss = nextLoss;
        break;
      }
      length /= 2;
    }
    w.set(next);
  }
  return { weights: w.slice(0, size - 1), bias: w[size - 1]! };

  function marginsOf(v: Float64Array, out: Float64Array): void {
    rows.forEach((row, r) => {
      let sum = v[size - 1]!;
      for (let k = data.starts[row]!; k < data.starts[row + 1]!; k++)
        sum += v[data.indices[k]!]! * data.values[k]!;
      out[r] = sum;
    });
  }

  /** Adds factor[r] x row r to `out`, the bias being a column of ones. */
  function addRows(factor: Float64Array, out: Float64Array): void {
    rows.forEach((row, r) => {
      const f = factor[r]!;
      for (let k = data.starts[row]!; k < data.starts[row + 1]!; k++) {
        const column = data.indices[k]!;
        out[column] = out[column]! + f * data.values[k]!;
      }
      out[size - 1] = out[size - 1]! + f;
    });
  }

  function lossAt(v: Float64Array): number {
    const z = new Float64Array(rows.length);
    marginsOf(v, z);
    let sum = 0;
    rows.forEach((row, r) => {
      // log(1 + e^z) - t z, without overflow.
      sum += Math.max(z[r]!, 0) + Math.log1p(Math.exp(-Math.abs(z[r]!))) - targets[row]! * z[r]!;
    });
    let squares = 0;
    for (let j = 0; j < size - 1; j++) squares += v[j]! * v[j]!;
    return squares / 2 + strength * sum;
  }

  /** Fills `gradient` and `curvature`; returns the gradient's norm. */
  function gradientAt(v: Float64Array): number {
    marginsOf(v, margins);
    const error = new Float64Array(rows.length);
    rows.forEach((row, r) => {
      const p = 1 / (1 + Math.exp(-margins[r]!));
      error[r] = strength * (p - targets[row]!);
      curvature[r] = strength * p * (1 - p);
    });
    gradient.set(v);
    gradient[size - 1] = 0;
    addRows(error, gradient);
    return Math.sqrt(dot(gradient, gradient));
  }

  /** Solves (I + X'DX) d = -gradient by conjugate gradients, to a tenth of the gradient's norm. */
  function newtonDirection(): Float64Array {
    const direction = new Float64Array(size);
    const residual = gradient.map((value) => -value);
    const search = residual.slice();
    const product = new Float64Array(rows.length);
    let squares = dot(residual, residual);
    const enough = 0.01 * squares;
    for (let step = 0; step < GRADIENT_STEPS && squares > enough; step++) {
      marginsOf(search, product);
      for (let r = 0; r < product.length; r++) product[r] = product[r]! * curvature[r]!;
      const image = search.slice();
      image[size - 1] = 0;
      addRows(product, image);
      const length = squares / dot(search, image);
      for (let j = 0; j < size; j++) {
        direction[j] = direction[j]! + length * search[j]!;
        residual[j] = residual[j]! - length * image[j]!;
      }
      const before = squares;
      squares = dot(residual, residual);
      for (let j = 0; j < size; j++) search[j] = residual[j]! + (squares / before) * search[j]!;
    }
    return direction;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!;
  return sum;
}
