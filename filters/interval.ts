/**
 * How far a share measured on a sample may be from the share of what it was drawn from.
 * Score intervals (Wilson 1927) with an effective sample size, so that token shares, whose documents differ in length,
 * and shares near 0 and 1 are covered too. What it gives up: documents are taken as independent of each other.
 */

/** A share and the ends of its interval, all in [0, 1]. */
export interface RateInterval {
  readonly rate: number;
  readonly from: number;
  readonly to: number;
}

/** The two-sided 99 % point of the normal distribution. */
export const Z99 = 2.5758293035489004;

/** Wilson's score interval of a share seen in `size` independent documents (not always whole); [0, 1] when size is 0. */
export function wilson(rate: number, size: number, z = Z99): RateInterval {
  if (!(size > 0)) return { rate, from: 0, to: 1 };
  const spread = (z * z) / size;
  const middle = (rate + spread / 2) / (1 + spread);
  const half = (z * Math.sqrt((rate * (1 - rate)) / size + spread / (4 * size))) / (1 + spread);
  return {
    rate,
    from: Math.max(0, Math.min(rate, middle - half)),
    to: Math.min(1, Math.max(rate, middle + half)),
  };
}

/**
 * How many equally long documents would tell a token share as precisely: r(1 - r) over the linearised variance of the ratio,
 * sum w^2 (x - r)^2 / (sum w)^2, where x says whether a document counts and w is its length. `inside` are the sums
 * over documents that count, `outside` over the others. Falls back on (sum w)^2 / sum w^2 where the share is 0 or 1.
 */
export function effectiveSize(
  inside: { readonly weight: number; readonly squares: number },
  outside: { readonly weight: number; readonly squares: number },
): number {
  const total = inside.weight + outside.weight;
  const squares = inside.squares + outside.squares;
  if (total === 0 || squares === 0) return 0;
  const kish = (total * total) / squares;
  const rate = inside.weight / total;
  const variance = ((1 - rate) ** 2 * inside.squares + rate ** 2 * outside.squares) / (total * total);
  return variance > 0 ? (rate * (1 - rate)) / variance : kish;
}
