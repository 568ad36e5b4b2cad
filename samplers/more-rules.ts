/**
 * Rules of other papers that live on per-domain losses alone, one pure function each: the equation, the source, the constants as published, and
 * where what is published needs more than losses.
 */
import type { DomainLosses, DomainName, DomainWeights } from "../core/domain.ts";
import { lossGap, lossOf, mixed, normalised } from "./rules.ts";

/** Losses that an update went by, and the weights in force when they were measured. */
export interface Measured {
  readonly weights: DomainWeights;
  readonly losses: DomainLosses;
}

/** a in ODM's moving average of rewards: arXiv 2312.02406, section 3. */
export const PUBLISHED_ODM_AVERAGE = 0.9;

/**
 * w' = (1 - c) a + c / n with a = w exp(eta max(0, l - r)) over its sum: DoReMi (arXiv 2305.10429, algorithm 1; eta 1, c 1e-4 in its code).
 * DoReMi clips the excess token by token and then takes the mean; from domain losses the mean is clipped, which is at most that. Its result is the
 * average of the weights over all updates, for another run: the average of the recorded stages. Throws ERR_LOSS.
 */
export function doremiRule(
  weights: DomainWeights,
  losses: DomainLosses,
  reference: DomainLosses,
  { eta, smoothing }: { readonly eta: number; readonly smoothing: number },
): DomainWeights {
  const names = Object.keys(weights) as DomainName[];
  const gaps = names.map((name) => eta * Math.max(0, lossGap(name, losses, reference)));
  const top = Math.max(...gaps);
  return mixed(
    names,
    names.map((name, i) => weights[name]! * Math.exp(gaps[i]! - top)),
    smoothing,
  );
}

/**
 * w' = (1 - c) softmax(w + eta (l - r)) + c / n: the `bandit` update of LLM-Shearing (llmshearing/callbacks/dynamic_loading_callback.py; eta 1, c 1e-4).
 * The old weight enters as itself and not as its logarithm, so little of it is kept. Throws ERR_LOSS.
 */
export function banditRule(
  weights: DomainWeights,
  losses: DomainLosses,
  reference: DomainLosses,
  { eta, smoothing }: { readonly eta: number; readonly smoothing: number },
): DomainWeights {
  const names = Object.keys(weights) as DomainName[];
  const logits = names.map((name) => weights[name]! + eta * lossGap(name, losses, reference));
  const top = Math.max(...logits);
  return mixed(
    names,
    logits.map((logit) => Math.exp(logit - top)),
    smoothing,
  );
}

/**
 * w' = w exp(eta v) over its sum, v = (l - r) / (first - r): Velocitune (arXiv 2411.14318, eta 1), with the reference as target and the losses of the
 * first update as where training began. v is the part of the way that is left; a domain that began at its target or below has v = 0. Throws ERR_LOSS.
 */
export function velocituneRule(
  weights: DomainWeights,
  losses: DomainLosses,
  reference: DomainLosses,
  first: DomainLosses,
  { eta }: { readonly eta: number },
): DomainWeights {
  const names = Object.keys(weights) as DomainName[];
  const left = names.map((name) => {
    const gap = lossGap(name, losses, reference);
    const whole = lossGap(name, first, reference);
    return whole > 0 ? eta * (gap / whole) : 0;
  });
  const top = Math.max(...left);
  return normalised(
    names,
    names.map((name, i) => weights[name]! * Math.exp(left[i]! - top)),
  );
}

/**
 * Online data mixing, Exp3 (arXiv 2312.02406, algorithm 1): R = a R + (1 - a) l / w for each domain, from 0; after the t-th update
 * w' = (1 - K e_t) softmax(e_(t-1) R) + e_t, e_t = min(1 / K, sqrt(ln K / (K t))). The paper updates at every step with the loss of the domain drawn;
 * here all domains are measured at every update. A weight of 0 was not drawn, and its R stays. No reference. Throws ERR_LOSS.
 * `measured` are all updates so far, oldest first, this one last.
 */
export function odmRule(
  measured: readonly Measured[],
  average: number = PUBLISHED_ODM_AVERAGE,
): DomainWeights {
  const names = Object.keys(measured.at(-1)!.weights) as DomainName[];
  const rewards = names.map((name) =>
    measured.reduce((reward, { weights, losses }) => {
      const weight = weights[name]!;
      return weight > 0 ? average * reward + (1 - average) * (lossOf("loss", name, losses) / weight) : reward;
    }, 0),
  );
  const domains = names.length;
  const explored = (update: number) =>
    Math.min(1 / domains, Math.sqrt(Math.log(domains) / (domains * update)));
  const rate = measured.length === 1 ? 1 / domains : explored(measured.length - 1);
  const floor = explored(measured.length);
  const top = Math.max(...rewards);
  const powers = rewards.map((reward) => Math.exp(rate * (reward - top)));
  const sum = powers.reduce((total, power) => total + power, 0);
  return normalised(
    names,
    powers.map((power) => (1 - domains * floor) * (power / sum) + floor),
  );
}
