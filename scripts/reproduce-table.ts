/**
 * What the runs of `scripts/reproduce.ts` say about the paper's orderings: means with intervals, and paired differences. Pure.
 */

/** One run that ended. */
export interface Outcome {
  readonly method: string;
  readonly scaled: boolean;
  readonly policy: string;
  readonly seed: number;
  /** Held-out loss, the mean over domains of nats a token. */
  readonly loss: number;
}

/** A mean over seeds and half the width of its 95 % interval (Student's t); the interval of one value is infinite. */
export interface Estimate {
  readonly mean: number;
  readonly half: number;
  readonly count: number;
}

/** 97.5 % quantiles of Student's t for 1 to 9 degrees of freedom (any table of it). */
const T_975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

/** The mean of some values with its interval. From 10 degrees of freedom on the quantile of 9 is taken, which is wider. */
export function estimate(values: readonly number[]): Estimate {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return { mean, half: Number.POSITIVE_INFINITY, count };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { mean, half: T_975[Math.min(count - 1, T_975.length) - 1]! * Math.sqrt(variance / count), count };
}

/** What makes a run but for its seed. */
export function configuration({ method, scaled, policy }: Omit<Outcome, "seed" | "loss">): string {
  return `${method}, ${scaled ? "scaled" : "not scaled"}, ${policy}`;
}

/** Loss `b` minus loss `a` over the seeds that both have, paired: positive where `a` is better. */
export function difference(outcomes: readonly Outcome[], a: string, b: string): Estimate | null {
  const of = (name: string) =>
    new Map(
      outcomes.filter((one) => configuration(one) === name).map(({ seed, loss }) => [seed, loss] as const),
    );
  const [left, right] = [of(a), of(b)];
  const pairs = [...left].flatMap(([seed, loss]) => (right.has(seed) ? [right.get(seed)! - loss] : []));
  return pairs.length > 0 ? estimate(pairs) : null;
}

/** An ordering of the paper (arXiv 2406.16554): the first has the lower loss. */
export interface Claim {
  readonly says: string;
  readonly better: string;
  readonly worse: string;
}

const BASE = { method: "independent-random", scaled: true, policy: "sheared" };

/** The paper's orderings that a held-out loss can speak to; those of downstream scores are not among them. */
export const CLAIMS: readonly Claim[] = [
  ...["independent-clustering", "sharing-inner", "sharing-inter"].map((method) => ({
    says: `random experts end lower than ${method}`,
    better: configuration(BASE),
    worse: configuration({ ...BASE, method }),
  })),
  {
    says: "a scale of E/k ends lower than none",
    better: configuration(BASE),
    worse: configuration({ ...BASE, scaled: false }),
  },
  ...["llama", "dynamic-llama", "dynamic-uniform"].map((policy) => ({
    says: `static Sheared weights do not give the lowest loss: ${policy} ends lower`,
    better: configuration({ ...BASE, policy }),
    worse: configuration(BASE),
  })),
];

/** Whether a difference is what was claimed. */
export function verdict(found: Estimate | null): "held" | "did not hold" | "cannot be told here" | "not run" {
  if (found === null) return "not run";
  if (found.mean - found.half > 0) return "held";
  if (found.mean + found.half < 0) return "did not hold";
  return "cannot be told here";
}

/** The results as Markdown: every configuration, then every claim. */
export function resultsPage(outcomes: readonly Outcome[], about: string): string {
  const groups = [...Map.groupBy(outcomes, configuration)].sort(
    ([, a], [, b]) => estimate(lossesOf(a)).mean - estimate(lossesOf(b)).mean,
  );
  const shown = ({ mean, half }: Estimate) =>
    `${mean.toFixed(4)} ± ${Number.isFinite(half) ? half.toFixed(4) : "?"}`;
  const runs = groups.map(
    ([name, list]) => `| ${name} | ${list.length} | ${shown(estimate(lossesOf(list)))} |`,
  );
  const claims = CLAIMS.map(({ says, better, worse }) => {
    const found = difference(outcomes, better, worse);
    return `| ${says} | ${found === null ? "" : shown(found)} | ${verdict(found)} |`;
  });
  return [
    about,
    "",
    "| construction, scale, weights | seeds | held-out loss (mean over domains, nats a token) |",
    "| --- | ---: | ---: |",
    ...runs,
    "",
    "| the paper says | difference, paired by seed | at this size it |",
    "| --- | ---: | --- |",
    ...claims,
    "",
  ].join("\n");
}

function lossesOf(outcomes: readonly Outcome[]): readonly number[] {
  return outcomes.map(({ loss }) => loss);
}
