/**
 * The published rule sets, by name.
 */
import { C4_QUALITY } from "./c4-quality.ts";
import { textCounter } from "./counter.ts";
import { FINEWEB_QUALITY } from "./fineweb-quality.ts";
import { GOPHER_QUALITY } from "./gopher-quality.ts";
import { GOPHER_REPETITION } from "./gopher-repetition.ts";
import { type RuleFilter, type RuleSet, ruleFilter } from "./rule-set.ts";

/** The sets. */
export const RULE_SETS: readonly RuleSet[] = [GOPHER_QUALITY, GOPHER_REPETITION, C4_QUALITY, FINEWEB_QUALITY];

const count = textCounter();

/** The filter of a rule set by its name; undefined where there is none of that name. */
export function findRuleFilter(name: string): RuleFilter | undefined {
  const set = RULE_SETS.find((one) => one.name === name);
  return set && ruleFilter(set, count);
}
