/**
 * A policy of one's own: a pure function from losses and what was given so far to weights, by the path of its module or as an object. It acts on a
 * run whose weights are decided, at any batch that was not served; what it decided is a stage with the losses, the name and the hash of the policy.
 */
import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type DomainName, type DomainWeights, domainWeights } from "../core/domain.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import { meanLosses } from "./losses.ts";
import { PARTS } from "./mixture.ts";
import { openPlan } from "./plan.ts";
import { applyRails, DEFAULT_RAILS, type Rails } from "./rails.ts";
import { checkLossReport } from "./report.ts";
import type { Change } from "./revise.ts";
import { exhaustedDomains, type Schedule } from "./schedule.ts";
import { epochRows } from "./schedule-domain.ts";
import { withdrawnDomains } from "./stage.ts";

/** What a policy of one's own is told; everything by domain, in the order of the schedule. */
export interface PolicyState {
  /** The batch from which its weights will hold. */
  readonly batch: number;
  /** Weights in force there. */
  readonly weights: Readonly<Record<string, number>>;
  /** Mean nats a token, as reported. */
  readonly losses: Readonly<Record<string, number>>;
  /** Rows given or passed over before the batch, and the rows of an epoch. */
  readonly rows: Readonly<Record<string, number>>;
  readonly epochRows: Readonly<Record<string, number>>;
}

/** A policy of one's own. */
export interface OwnPolicy {
  readonly name: string;
  /** SHA-256 of the file that it is in. */
  readonly sha256: string;
  /** Weights by domain, each >= 0; they are divided by their sum. Pure. */
  readonly weights: (state: PolicyState) => Readonly<Record<string, number>>;
}

/** The policy in a module that exports `weights`. Throws ERR_INPUT where it cannot be read, ERR_ARGUMENT where it has no such function. */
export async function loadPolicy(path: string): Promise<OwnPolicy> {
  let text: string;
  let module: { readonly weights?: unknown };
  try {
    text = await readFile(path, "utf8");
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    throw new HeadraceError("ERR_INPUT", `policy ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  if (typeof module.weights !== "function")
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `policy ${path} exports ${Object.keys(module).join(", ") || "nothing"}; it exports a function \`weights(state)\` that returns a number a domain`,
    );
  return { name: basename(path), sha256: sha256(text), weights: module.weights as OwnPolicy["weights"] };
}

/**
 * What a policy of one's own makes of a loss report, as a change from batch `fromBatch` on: between guard rails unless `rails` is null.
 * Pure as the policy is. Throws ERR_LOSS and ERR_PARSE on a bad report, ERR_WEIGHTS on weights that are none, ERR_UNDECIDED, ERR_ARGUMENT.
 */
export function ownChange(
  schedule: Schedule,
  fromBatch: number,
  report: unknown,
  policy: OwnPolicy,
  rails: Rails | null = DEFAULT_RAILS,
): Extract<Change, { kind: "weights" }> {
  const { header, stages } = schedule;
  const names = header.domains.map(({ name }) => name);
  const { measuredAt, domains } = checkLossReport(report, names);
  if (measuredAt > fromBatch)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `the losses were measured at batch ${measuredAt}, after the batch ${fromBatch} from which their weights are to hold; give a batch from ${measuredAt} on`,
    );
  const plan = openPlan(schedule);
  const stage = stages[plan.stageOf(fromBatch)]!;
  const served = plan.firstOrdinals(fromBatch);
  const byName = <T>(of: (i: number) => T) => Object.fromEntries(names.map((name, i) => [name, of(i)]));
  const current = domainWeights(byName((i) => stage.weights[i]! / PARTS));
  const losses = meanLosses(domains, names);
  const given = policy.weights({
    batch: fromBatch,
    weights: current,
    losses,
    rows: byName((i) => served[i]!),
    epochRows: byName((i) => epochRows(header.domains[i]!, header.rowTokens)),
  });
  const asked = divided(given, names, policy.name);
  const closed = [...exhaustedDomains(schedule), ...withdrawnDomains(stages)];
  const { weights, actions } =
    rails === null
      ? { weights: asked, actions: [] }
      : applyRails(asked, current, rails, { batchRows: plan.batchRows(fromBatch), closed });
  return {
    kind: "weights",
    fromBatch,
    weights,
    because: {
      policy: { name: policy.name, sha256: policy.sha256 },
      measuredAt,
      losses,
      asked,
      rails: actions,
    },
  };
}

/** What a policy returned, as weights. Throws ERR_WEIGHTS. */
function divided(
  given: Readonly<Record<string, number>>,
  names: readonly DomainName[],
  policy: string,
): DomainWeights {
  const sum = names.reduce((total, name) => total + (given[name] ?? Number.NaN), 0);
  if (!(sum > 0 && sum < Number.POSITIVE_INFINITY))
    throw new HeadraceError(
      "ERR_WEIGHTS",
      `policy ${policy} returned ${JSON.stringify(given)}; it returns a number >= 0 for each of ${names.join(", ")}, not all 0`,
    );
  return domainWeights(Object.fromEntries(names.map((name) => [name, given[name]! / sum])), names);
}
