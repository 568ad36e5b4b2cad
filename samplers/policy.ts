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
import {
  LLAMA_2_7B_REFERENCE,
  LLAMA_WEIGHTS,
  REFERENCE_PRESETS,
  type ReferenceLosses,
  SHEARED_WEIGHTS,
  uniformWeights,
} from "./presets.ts";
import { applyRails, DEFAULT_RAILS, parseRails, type RailAction, type Rails } from "./rails.ts";
import { clampRule, PUBLISHED_SOFTMAX, softmaxRule } from "./rules.ts";
import { type ScheduledPolicy, scheduledPolicy } from "./scheduled.ts";
import { type ScheduleDomain, temperatureWeights, unimaxWeights } from "./supply-weights.ts";

/** The rules that move weights by losses (rules.ts, more-rules.ts). */
export const RULES = ["softmax", "clamp", "doremi", "bandit", "velocitune", "odm"] as const;
/** The name of a rule. */
export type RuleName = (typeof RULES)[number];
/** The rules that spread a share of the weights evenly. */
const SMOOTHED: readonly RuleName[] = ["softmax", "doremi", "bandit"];

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

/** The names that `resolvePolicy` knows; T and N stand for numbers. */
export const POLICY_NAMES = [
  "llama",
  "sheared",
  "uniform",
  "proportional",
  "temperature=T",
  "unimax=N",
  "dynamic-llama",
  "dynamic-uniform",
] as const;

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
    /** The updates before, oldest first: what `velocitune` and `odm` remember. Default none. */
    readonly before?: readonly Measured[];
  },
): WeightUpdate {
  const asked = askedBy(policy, current, losses, options.before ?? []);
  if (policy.rails === null) return { weights: asked, asked, rails: [] };
  const withdrawn = (Object.keys(policy.initial) as DomainName[]).filter(
    (name) => policy.initial[name] === 0,
  );
  const { weights, actions } = applyRails(asked, current, policy.rails, {
    batchRows: options.batchRows,
    closed: [...withdrawn, ...(options.exhausted ?? [])],
  });
  return { weights, asked, rails: actions };
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

/** What `resolvePolicy` needs beside a name. */
export interface PolicyOptions {
  /** Tokens of a global batch: rows x row length. */
  readonly batchTokens: number;
  /** Batches of the run, for points at a percentage and for `unimax`; absent: without an end. */
  readonly batches?: number;
  /** The domains with their tokens, for the policies that follow the supply. */
  readonly supply?: readonly ScheduleDomain[];
  /** Tokens between two updates; default 2.5e9. Floored to whole batches. */
  readonly everyTokens?: number;
  /** Default `softmax`. */
  readonly rule?: RuleName;
  /** Default 1. */
  readonly eta?: number;
  /** Default 1e-4. */
  readonly smoothing?: number;
  /** Losses to compare with, or the name of a preset; default `llama-2-7b`. */
  readonly reference?: ReferenceLosses | string;
  /** Guard rails; default DEFAULT_RAILS. */
  readonly rails?: Partial<Rails>;
  /** Without guard rails; default false. */
  readonly asPublished?: boolean;
}

/**
 * The policy of a name (POLICY_NAMES), of a JSON list of weights in domain order, of a JSON object of weights by domain, of points
 * (`{"steps": {"0": {...}, "90%": {...}}}` or `linear`: scheduled.ts), or of a policy object. Throws ERR_ARGUMENT on an unknown name and on an interval shorter than a batch, ERR_WEIGHTS and ERR_DOMAIN on wrong weights,
 * ERR_LOSS when a loss-driven policy has no reference for a domain.
 */
export function resolvePolicy(
  source: string | WeightPolicy,
  domains: readonly string[],
  options: PolicyOptions,
): WeightPolicy {
  if (typeof source !== "string") return checkPolicy(source, domains);
  switch (source) {
    case "llama":
      return { kind: "static", name: source, weights: published(source, LLAMA_WEIGHTS, domains) };
    case "sheared":
      return { kind: "static", name: source, weights: published(source, SHEARED_WEIGHTS, domains) };
    case "uniform":
      return { kind: "static", name: source, weights: uniformWeights(domains) };
    case "dynamic-llama":
      return lossDriven(source, published(source, LLAMA_WEIGHTS, domains), domains, options);
    case "dynamic-uniform":
      return lossDriven(source, uniformWeights(domains), domains, options);
    default:
      return suppliedPolicy(source, domains, options) ?? policyOfJson(source, domains, options);
  }
}

/** A policy that follows from the tokens of each domain; null for another name. */
function suppliedPolicy(
  name: string,
  domains: readonly string[],
  options: PolicyOptions,
): StaticPolicy | null {
  const [, rule, number] = /^(proportional|temperature|unimax)(?:=(.+))?$/.exec(name) ?? [];
  if (rule === undefined || (rule === "proportional") !== (number === undefined)) return null;
  const supply = domains.map((domain) => options.supply?.find((other) => other.name === domain));
  if (!supply.every((domain) => domain !== undefined))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `policy ${name} follows from the tokens of each domain, and ${options.supply === undefined ? "none are given" : "some are absent"}; give them as \`supply\``,
    );
  if (rule !== "unimax")
    return { kind: "static", name, weights: temperatureWeights(supply, Number(number ?? 1)) };
  if (options.batches === undefined)
    throw new HeadraceError("ERR_ARGUMENT", `policy ${name} needs the length of the run; give it an end`);
  return {
    kind: "static",
    name,
    weights: unimaxWeights(supply, Number(number), options.batches * options.batchTokens),
  };
}

/** A loss-driven policy that starts from any weights. Throws as `resolvePolicy`. */
export function lossDriven(
  name: string,
  initial: DomainWeights,
  domains: readonly string[],
  options: PolicyOptions,
): LossDrivenPolicy {
  const everyTokens = options.everyTokens ?? PUBLISHED_EVERY_TOKENS;
  const everyBatches = Math.floor(everyTokens / options.batchTokens);
  if (!(everyBatches >= 1))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `an update each ${everyTokens} tokens is less than a batch of ${options.batchTokens}; ask for at least ${options.batchTokens}`,
    );
  const policy: LossDrivenPolicy = {
    kind: "loss-driven",
    name,
    rule: options.rule ?? "softmax",
    eta: options.eta ?? PUBLISHED_SOFTMAX.eta,
    smoothing: SMOOTHED.includes(options.rule ?? "softmax")
      ? (options.smoothing ?? PUBLISHED_SOFTMAX.smoothing)
      : 0,
    initial,
    reference: referenceOf(options.reference ?? LLAMA_2_7B_REFERENCE),
    everyTokens,
    everyBatches,
    rails: options.asPublished ? null : parseRails({ ...DEFAULT_RAILS, ...options.rails }, "rails"),
  };
  return checkPolicy(policy, domains) as LossDrivenPolicy;
}

const parseWeights: Parser<Readonly<Record<string, number>>> = record(number);
const parsePoints = record(parseWeights);

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

function checkPolicy(policy: WeightPolicy, domains: readonly string[]): WeightPolicy {
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

function referenceOf(reference: ReferenceLosses | string): ReferenceLosses {
  if (typeof reference !== "string") return reference;
  const preset = REFERENCE_PRESETS[reference];
  if (preset === undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `no reference losses are called "${reference}"; known: ${Object.keys(REFERENCE_PRESETS).join(", ")}`,
    );
  return preset;
}

/** Published weights over the domains at hand; a published domain that is not at hand is refused, with the way out. */
function published(name: string, weights: DomainWeights, domains: readonly string[]): DomainWeights {
  const missing = (Object.keys(weights) as DomainName[]).filter(
    (domain) => weights[domain]! > 0 && !domains.includes(domain),
  );
  if (missing.length > 0)
    throw new HeadraceError(
      "ERR_DOMAIN",
      `policy ${name} gives weight to ${missing.join(", ")}, which has no shards here; give weights for ${domains.join(", ")} as a JSON list, or use uniform`,
    );
  return domainWeights(weights, domains);
}

function policyOfJson(text: string, domains: readonly string[], options: PolicyOptions): WeightPolicy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `no policy is called ${JSON.stringify(text)}; known: ${POLICY_NAMES.join(", ")}, or a JSON list of ${domains.length} weights`,
    );
  }
  for (const name of ["steps", "linear"] as const)
    if (typeof value === "object" && value !== null && Object.keys(value).join() === name) {
      const points = parsePoints((value as Readonly<Record<string, unknown>>)[name], `policy.${name}`);
      const { everyTokens = PUBLISHED_EVERY_TOKENS } = options;
      return scheduledPolicy(name, points, domains, { ...options, everyTokens });
    }
  return { kind: "static", name: "custom", weights: weightsOfJson(value, domains) };
}

function weightsOfJson(value: unknown, domains: readonly string[]): DomainWeights {
  if (!Array.isArray(value)) return domainWeights(parseWeights(value, "policy"), domains);
  if (value.length !== domains.length)
    throw new HeadraceError(
      "ERR_WEIGHTS",
      `policy lists ${value.length} weights for ${domains.length} domains (${domains.join(", ")}); give one each`,
    );
  return domainWeights(Object.fromEntries(domains.map((name, i) => [name, value[i]])), domains);
}
