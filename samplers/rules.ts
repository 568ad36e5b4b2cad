/**
 * The two rules of LLaMA-MoE that move weights by losses, one pure function each: the equation, the source, and what a missing loss does.
 */
import { type DomainLosses, type DomainName, type DomainWeights, domainWeights } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";

/** The constants of the `softmax` rule as published: smoe/data/dynamic_selection.py (`sheared_llama`). */
export const PUBLISHED_SOFTMAX = { eta: 1, smoothing: 1e-4 } as const;

/**
 * w' = (1 - c) softmax(ln w + eta (l - r)) + c / n, divided by its sum: LLaMA-MoE's `sheared_llama`, LLM-Shearing's `doremi`, the rule that
 * was run. No clamp: a domain better than its reference loses weight. Unchanged by a constant added to all losses. Pure.
 * In float64 it agrees with the published float32 code to 1e-7. Throws ERR_LOSS when a domain has no finite loss or reference.
 */
export function softmaxRule(
  weights: DomainWeights,
  losses: DomainLosses,
  reference: DomainLosses,
  options: { readonly eta: number; readonly smoothing: number } = PUBLISHED_SOFTMAX,
): DomainWeights {
  const names = Object.keys(weights) as DomainName[];
  const { eta, smoothing } = options;
  const logits = names.map((name) => Math.log(weights[name]!) + eta * lossGap(name, losses, reference));
  const top = Math.max(...logits);
  return mixed(
    names,
    logits.map((logit) => Math.exp(logit - top)),
    smoothing,
  );
}

/**
 * w' = w exp(eta max(0, l - r)), divided by its sum: Algorithm 1 of Sheared-LLaMA (arXiv 2310.06694, eta 1), LLaMA-MoE's
 * `sheared_llama_paper`. A domain at or below its reference only loses what others gain; a weight of 0 stays 0. Pure.
 * Throws ERR_LOSS when a domain has no finite loss or reference.
 */
export function clampRule(
  weights: DomainWeights,
  losses: DomainLosses,
  reference: DomainLosses,
  options: { readonly eta: number } = { eta: 1 },
): DomainWeights {
  const names = Object.keys(weights) as DomainName[];
  const gaps = names.map((name) => options.eta * Math.max(0, lossGap(name, losses, reference)));
  const top = Math.max(...gaps);
  return normalised(
    names,
    names.map((name, i) => weights[name]! * Math.exp(gaps[i]! - top)),
  );
}

/** l - r of a domain. Throws ERR_LOSS. */
export function lossGap(name: DomainName, losses: DomainLosses, reference: DomainLosses): number {
  return lossOf("loss", name, losses) - lossOf("reference loss", name, reference);
}

/** A domain's loss. Throws ERR_LOSS where it is missing or not finite. */
export function lossOf(what: string, name: DomainName, losses: DomainLosses): number {
  const value = losses[name];
  if (value === undefined || !Number.isFinite(value))
    throw new HeadraceError(
      "ERR_LOSS",
      `${what} for domain "${name}" is ${value ?? "missing"}; every weighted domain needs a finite one`,
    );
  return value;
}

/** (1 - c) v / sum(v) + c / n, divided by its sum. */
export function mixed(
  names: readonly DomainName[],
  values: readonly number[],
  smoothing: number,
): DomainWeights {
  const sum = values.reduce((total, value) => total + value, 0);
  return normalised(
    names,
    values.map((value) => (1 - smoothing) * (value / sum) + smoothing / names.length),
  );
}

/** v / sum(v). */
export function normalised(names: readonly DomainName[], values: readonly number[]): DomainWeights {
  const sum = values.reduce((total, value) => total + value, 0);
  return domainWeights(Object.fromEntries(names.map((name, i) => [name, values[i]! / sum])), names);
}
