/**
 * What chooses the weights: fixed numbers, or a rule fed with losses (rules.ts) between guard rails (rails.ts).
 * A policy is plain data and stands in the schedule's header; what a policy decided is recorded in stages and never recomputed.
 */
import { type DomainLosses, type DomainName, type DomainWeights, domainWeights } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import {
  array,
  integer,
  nullable,
  number,
  object,
  oneOf,
  type Parser,
  record,
  string,
} from "../core/parse.ts";
import { banditRule, doremiRule, type Measured, odmRule, velocituneRule } from "./more-rules.ts";
import type { ReferenceLosses } from "./presets.ts";
import { applyRails, parseRails, type RailAction, type Rails } from "./rails.ts";
import { clampRule, softmaxRule } from "./rules.ts";
import type { ScheduledPolicy } from "./scheduled.ts";

/** The rules that move weights by losses (rules.ts, more-rules.ts). */
export const RULES = ["softmax", "clamp", "doremi", "bandit", "velocitune", "odm"] as const;
/** The name of a rule. */
export type RuleName = (typeof RULES)[number];
/** Fixed weights. */
export interface StaticPolicy {
  readonly kind: "static";
  /** `llama`, `sheared`, `uniform`, `proportional`, `temperature=T`, `unimax=N`, or `custom`. */
  readonly name: string;
  readonly weights: DomainWeights;
}

/** Weights that a rule moves every `everyBatches` batches, from losses measured there. */
export interface LossDrivenPolicy {
  readonly kind: "loss-driven";
  /** `dynamic-llama`, `dynamic-uniform` or `custom`; the names are the initial weights. */
  readonly name: string;
  readonly rule: RuleName;
  /** Factor on the loss differences; 1 as published. `odm` has none. */
  readonly eta: number;
  /** c: share of the weights that is spread evenly after `softmax`, `doremi` and `bandit`; 1e-4 as published. The others have none. */
  readonly smoothing: number;
  readonly initial: DomainWeights;
  readonly reference: ReferenceLosses;
  /** What was asked for, in tokens; 2.5e9 as published. */
  readonly everyTokens: number;
  /** What is done: floor(everyTokens / tokens a batch). The first update comes after the first interval. */
  readonly everyBatches: number;
  /** null: as published, without guard rails. */
  readonly rails: Rails | null;
}

/** What chooses the weights of a run. */
export type WeightPolicy = StaticPolicy | ScheduledPolicy | LossDrivenPolicy;

/** Tokens between two updates in LLaMA-MoE; scripts/cpt/dynamic_data_selection/sheared_llama_112gpus.sh. */
export const PUBLISHED_EVERY_TOKENS = 2.5e9;

/** What an update decided, and everything that explains it. */
export interface WeightUpdate {
  readonly weights: DomainWeights;
  /** What the rule asked for, before the rails. */
  readonly asked: DomainWeights;
  /** What the rails changed; empty as published. */
  readonly rails: readonly RailAction[];
}

/**
 * One update of a loss-driven policy: its rule, then its rails. Pure. Domains in `exhausted` (they have given all their rows) and
 * domains whose initial weight is 0 (withdrawn) stay at 0 under the rails. Throws ERR_LOSS.
 */
export function updateWeights(
  policy: LossDrivenPolicy,
  current: DomainWeights,
  losses: DomainLosses,
  options: {
    readonly batchRows: number;
    readonly exhausted?: readonly string[];
    /** Domains that were withdrawn: at 0 from then on, under the rails and without. Default none. */
    readonly withdrawn?: readonly string[];
    /** The updates before, oldest first: what `velocitune` and `odm` remember. Default none. */
    readonly before?: readonly Measured[];
  },
): WeightUpdate {
  const asked = askedBy(policy, current, losses, options.before ?? []);
  const { exhausted = [], withdrawn = [] } = options;
  if (policy.rails === null) return { weights: without(asked, withdrawn), asked, rails: [] };
  const never = (Object.keys(policy.initial) as DomainName[]).filter((name) => policy.initial[name] === 0);
  const { weights, actions } = applyRails(asked, current, policy.rails, {
    batchRows: options.batchRows,
    closed: [...never, ...exhausted, ...withdrawn],
  });
  return { weights, asked, rails: actions };
}

/** The weights with some domains at 0 and the others divided by their sum. Throws ERR_WEIGHTS where none is left. */
export function without(weights: DomainWeights, domains: readonly string[]): DomainWeights {
  const names = Object.keys(weights) as DomainName[];
  const left = names.reduce((sum, name) => (domains.includes(name) ? sum : sum + weights[name]!), 0);
  if (domains.length === 0) return weights;
  if (left === 0)
    throw new HeadraceError(
      "ERR_WEIGHTS",
      `without ${domains.join(" and ")} no domain has a weight; give others weight first, or end the run`,
    );
  return domainWeights(
    Object.fromEntries(names.map((name) => [name, domains.includes(name) ? 0 : weights[name]! / left])),
    names,
  );
}

function askedBy(
  policy: LossDrivenPolicy,
  current: DomainWeights,
  losses: DomainLosses,
  before: readonly Measured[],
): DomainWeights {
  const reference = policy.reference.losses;
  switch (policy.rule) {
    case "softmax":
      return softmaxRule(current, losses, reference, policy);
    case "clamp":
      return clampRule(current, losses, reference, policy);
    case "doremi":
      return doremiRule(current, losses, reference, policy);
    case "bandit":
      return banditRule(current, losses, reference, policy);
    case "velocitune":
      return velocituneRule(current, losses, reference, before[0]?.losses ?? losses, policy);
    case "odm":
      return odmRule([...before, { weights: current, losses }]);
  }
}

/** The weights that a policy starts with. */
export function initialWeights(policy: WeightPolicy): DomainWeights {
  if (policy.kind === "scheduled") return policy.points[0]!.weights;
  return policy.kind === "static" ? policy.weights : policy.initial;
}

/** Numbers by domain, not yet weights. Throws ERR_PARSE. */
export const parseWeights: Parser<Readonly<Record<string, number>>> = record(number);

/** Parses a policy as a header holds it. Throws ERR_PARSE, ERR_WEIGHTS, ERR_DOMAIN. */
export const parsePolicy: Parser<WeightPolicy> = (value, at) => {
  const { kind } = object({ kind: oneOf("static", "scheduled", "loss-driven") })(value, at);
  if (kind === "scheduled") {
    const policy = parseScheduled(value, at);
    return {
      ...policy,
      points: policy.points.map((point) => ({ ...point, weights: checkedWeights(point.weights) })),
    };
  }
  if (kind === "static") {
    const policy = object({ kind: oneOf("static"), name: string, weights: parseWeights }, { strict: true })(
      value,
      at,
    );
    return { ...policy, weights: checkedWeights(policy.weights) };
  }
  const policy = object(
    {
      kind: oneOf("loss-driven"),
      name: string,
      rule: oneOf(...RULES),
      eta: number,
      smoothing: number,
      initial: parseWeights,
      reference: object({ source: string, losses: record(number) }, { strict: true }),
      everyTokens: number,
      everyBatches: integer(1),
      rails: nullable(parseRails),
    },
    { strict: true },
  )(value, at);
  checkNumbers(policy);
  return { ...policy, initial: checkedWeights(policy.initial) };
};

const parseScheduled = object(
  {
    kind: oneOf("scheduled"),
    name: oneOf("steps", "linear"),
    points: array(
      object({ fromTokens: integer(0), fromBatch: integer(0), weights: parseWeights }, { strict: true }),
    ),
    everyBatches: integer(1),
  },
  { strict: true },
);

/** Weights as they were recorded: checked, but not divided again, so that a header's hash stays what it was. */
function checkedWeights(weights: Readonly<Record<string, number>>): DomainWeights {
  domainWeights(weights);
  return weights as DomainWeights;
}

/** A policy that fits the domains at hand. Throws ERR_WEIGHTS, ERR_DOMAIN, ERR_ARGUMENT, and ERR_LOSS where a reference is missing. */
export function checkPolicy(policy: WeightPolicy, domains: readonly string[]): WeightPolicy {
  if (policy.kind === "scheduled") {
    for (const { weights } of policy.points) domainWeights(weights, domains);
    return policy;
  }
  const weights = initialWeights(policy);
  domainWeights(weights, domains);
  const unweighted = domains.find((name) => weights[name as DomainName] === undefined);
  if (unweighted !== undefined)
    throw new HeadraceError(
      "ERR_WEIGHTS",
      `the policy has no weight for domain "${unweighted}"; give it one, or 0`,
    );
  if (policy.kind === "static") return policy;
  checkNumbers(policy);
  for (const name of domains)
    if (!Number.isFinite(policy.reference.losses[name as DomainName]))
      throw new HeadraceError(
        "ERR_LOSS",
        `reference losses "${policy.reference.source}" have none for domain "${name}"; measure them on these shards with headrace reference`,
      );
  return policy;
}

function checkNumbers({ eta, smoothing }: { readonly eta: number; readonly smoothing: number }): void {
  for (const [field, value, high] of [
    ["eta", eta, 1000],
    ["smoothing", smoothing, 1],
  ] as const)
    if (!(value >= 0 && value <= high))
      throw new HeadraceError("ERR_ARGUMENT", `${field} is ${value}; it lies from 0 to ${high}`);
}
