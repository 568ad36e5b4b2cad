/**
 * How many rows of a batch each domain gets: the batched largest-deficit rule, in integers (docs/format.md 3.1).
 * After every batch no domain is more than 1 - 1/K rows ahead of its exact share, nor more than H_K - 1 behind (docs/weights.md);
 * inside a batch nothing is promised, because its rows are permuted anyway.
 */

/** D: a weight is a whole number of parts of 2^24. */
export const PARTS = 2 ** 24;

/** Batches between two remembered states of a stage whose states have no closed form. */
const CHECKPOINT_BATCHES = 1024;

/** What a stage says about the mixture: rows given before `fromBatch`, deficits there and weights from there on, in domain order. */
export interface MixtureStage {
  readonly fromBatch: number;
  /** Parts of 2^24. */
  readonly weights: readonly number[];
  /** Rows. */
  readonly served: readonly number[];
  /** Units of 1/2^24 row; their sum is 0. */
  readonly carry: readonly number[];
}

/** Rows given before a batch, and the deficits there, in domain order. */
export interface MixtureState {
  /** Rows. */
  readonly served: Float64Array;
  /** Units of 1/2^24 row. */
  readonly deficits: Float64Array;
}

/** The mixture of one stage, at any of its batches. */
export interface MixtureCursor {
  /** True when a state costs O(K) at any batch; else it costs at most 1,024 batches after a first walk. */
  readonly closedForm: boolean;
  /** The state before batch `k` >= fromBatch. The arrays are the caller's own. */
  before(k: number): MixtureState;
}

/** Weights as whole parts of 2^24 that sum to 2^24: rounded, the remainder to the largest (first of equals). */
export function integerWeights(weights: readonly number[]): number[] {
  const parts = weights.map((weight) => Math.floor(weight * PARTS + 0.5));
  const largest = indexOfLargest(parts);
  parts[largest] = parts[largest]! + PARTS - parts.reduce((sum, part) => sum + part, 0);
  return parts;
}

/**
 * The deficits with which a stage of the given weights begins: those of domains at zero weight are set to 0, and what they were owed
 * is given to the others, unit by unit to the lowest (ties: first); what they had too much is taken from the highest. So the sum is
 * kept, no deficit grows beyond the others', and both bounds of the mixture hold on (docs/weights.md). O(K log K).
 */
export function settle(deficits: ArrayLike<number>, weights: readonly number[]): number[] {
  const settled = Array.from(deficits, (deficit, i) => (weights[i] === 0 ? 0 : deficit));
  let residual = 0;
  for (let i = 0; i < settled.length; i++) if (weights[i] === 0) residual += deficits[i]!;
  const sign = Math.sign(residual);
  const order = [...settled.keys()]
    .filter((i) => weights[i] !== 0)
    .sort((a, b) => sign * (settled[a]! - settled[b]!) || a - b);
  if (residual === 0 || order.length === 0) return settled;

  let left = Math.abs(residual);
  let level = sign * settled[order[0]!]!;
  let count = 1;
  for (; count < order.length; count++) {
    const next = sign * settled[order[count]!]!;
    if (count * (next - level) > left) break;
    left -= count * (next - level);
    level = next;
  }
  const rest = left % count;
  level += (left - rest) / count;
  const levelled = order.slice(0, count).sort((a, b) => a - b);
  levelled.forEach((i, place) => {
    settled[i] = sign * (level + (place < rest ? 1 : 0)) + 0;
  });
  return settled;
}

/**
 * Hands out one batch: writes the rows of each domain to `rows` and moves `deficits` on, in place.
 * Equal to adding a batch of target and giving the rows one at a time to the largest deficit. O(K^2) at worst, O(K) usually.
 */
export function allocate(
  deficits: Float64Array,
  weights: ArrayLike<number>,
  batchRows: number,
  rows: Float64Array,
): void {
  const count = deficits.length;
  let left = batchRows;
  for (let i = 0; i < count; i++) {
    const target = deficits[i]! + weights[i]! * batchRows;
    const whole = Math.max(0, Math.floor(target / PARTS));
    rows[i] = whole;
    deficits[i] = target - whole * PARTS;
    left -= whole;
  }
  for (; left > 0; left--) {
    let best = -1;
    for (let i = 0; i < count; i++)
      if (weights[i]! > 0 && (best < 0 || deficits[i]! > deficits[best]!)) best = i;
    rows[best]!++;
    deficits[best]! -= PARTS;
  }
  for (; left < 0; left++) {
    let worst = -1;
    for (let i = count - 1; i >= 0; i--)
      if (rows[i]! > 0 && (worst < 0 || deficits[i]! < deficits[worst]!)) worst = i;
    rows[worst]!--;
    deficits[worst]! += PARTS;
  }
}

/**
 * Opens the mixture of a stage at any batch. When every weight that is not 0 is at least one row a batch the rule rounds the
 * cumulative target by largest remainder, whatever came before (docs/weights.md), and a state is computed from its index;
 * else states are walked, with a checkpoint each 1,024 batches made when first passed.
 */
export function mixtureCursor(stage: MixtureStage, batchRows: number): MixtureCursor {
  const { fromBatch, weights, served, carry } = stage;
  const closedForm = weights.every(
    (weight, i) => weight === 0 || (weight * batchRows >= PARTS && carry[i]! + weight * batchRows >= 0),
  );
  const first = { served: Float64Array.from(served), deficits: Float64Array.from(carry) };
  if (closedForm)
    return {
      closedForm,
      before: (k) => (k === fromBatch ? copy(first) : roundedState(stage, batchRows, k - fromBatch)),
    };

  const checkpoints: MixtureState[] = [first];
  const rows = new Float64Array(weights.length);
  let last = { batch: fromBatch, state: copy(first) };
  return {
    closedForm,
    before(k) {
      const known = Math.min(Math.floor((k - fromBatch) / CHECKPOINT_BATCHES), checkpoints.length - 1);
      const knownBatch = fromBatch + known * CHECKPOINT_BATCHES;
      if (last.batch > k || last.batch < knownBatch)
        last = { batch: knownBatch, state: copy(checkpoints[known]!) };
      const { state } = last;
      for (let batch = last.batch; batch < k; batch++) {
        allocate(state.deficits, weights, batchRows, rows);
        for (let i = 0; i < rows.length; i++) state.served[i]! += rows[i]!;
        const passed = batch + 1 - fromBatch;
        if (passed === checkpoints.length * CHECKPOINT_BATCHES) checkpoints.push(copy(state));
      }
      last = { batch: k, state };
      return copy(state);
    },
  };
}

/** The state `batches` >= 1 batches into a stage whose weights are all 0 or at least one row a batch. */
function roundedState(stage: MixtureStage, batchRows: number, batches: number): MixtureState {
  const count = stage.weights.length;
  const served = Float64Array.from(stage.served);
  const deficits = new Float64Array(count);
  let left = batches * batchRows;
  // batches = turns * 2^24 + rest: after 2^24 batches a fraction of 2^-24 is whole again, so no product passes 2^53.
  const rest = batches % PARTS;
  const turns = (batches - rest) / PARTS;
  for (let i = 0; i < count; i++) {
    const perBatch = stage.weights[i]! * batchRows;
    const fraction = perBatch % PARTS;
    const units = stage.carry[i]! + rest * fraction;
    const whole = Math.floor(units / PARTS);
    const given = batches * ((perBatch - fraction) / PARTS) + turns * fraction + whole;
    served[i]! += given;
    deficits[i] = units - whole * PARTS;
    left -= given;
  }
  for (; left > 0; left--) {
    let best = -1;
    for (let i = 0; i < count; i++)
      if (stage.weights[i]! > 0 && (best < 0 || deficits[i]! > deficits[best]!)) best = i;
    served[best]!++;
    deficits[best]! -= PARTS;
  }
  return { served, deficits };
}

function copy(state: MixtureState): MixtureState {
  return { served: state.served.slice(), deficits: state.deficits.slice() };
}

function indexOfLargest(values: readonly number[]): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
