/** What a person asks for, as a policy: a name, weights or points as JSON, and what fills them in. */
import { type DomainName, type DomainWeights, domainWeights } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { record } from "../core/parse.ts";
import {
  checkPolicy,
  type LossDrivenPolicy,
  PUBLISHED_EVERY_TOKENS,
  parseWeights,
  type RuleName,
  type StaticPolicy,
  type WeightPolicy,
} from "./policy.ts";
import {
  LLAMA_2_7B_REFERENCE,
  LLAMA_WEIGHTS,
  REFERENCE_PRESETS,
  type ReferenceLosses,
  SHEARED_WEIGHTS,
  uniformWeights,
} from "./presets.ts";
import { DEFAULT_RAILS, parseRails, type Rails } from "./rails.ts";
import { PUBLISHED_SOFTMAX } from "./rules.ts";
import type { ScheduleDomain } from "./schedule-domain.ts";
import { scheduledPolicy } from "./scheduled.ts";
import { temperatureWeights, unimaxWeights } from "./supply-weights.ts";

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

/** The rules that spread a share of the weights evenly. */
const SMOOTHED: readonly RuleName[] = ["softmax", "doremi", "bandit"];

const parsePoints = record(parseWeights);

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
 * (`{"steps": {"0": {...}, "90%": {...}}}` or `linear`: scheduled.ts), or of a policy object. Throws ERR_ARGUMENT on an unknown name and on an interval shorter
 * than a batch, ERR_WEIGHTS and ERR_DOMAIN on wrong weights, ERR_LOSS when a loss-driven policy has no reference for a domain.
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
