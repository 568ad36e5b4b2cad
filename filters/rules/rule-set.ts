/**
 * A published set of rules as a filter: its score is the number of rules that a document breaks, so a document is flagged
 * when it breaks one, and `--drop NAME=1:flagged` drops exactly what the published set drops.
 */
import { hashOf } from "../../core/hash.ts";
import { type Filter, SCORE_UNIT } from "../filter.ts";
import type { Page } from "./page.ts";

/** A rule with its published bound. */
export interface Rule {
  readonly name: string;
  /** The bound, in the unit of the measure: a count, or a share from 0 to 1. */
  readonly bound: number;
  /** What is measured; NaN where a text has nothing to measure, which breaks no rule. */
  readonly measure: (page: Page) => number;
  /** On which side of the bound the rule is broken. */
  readonly brokenWhen: "above" | "below";
}

/** A named set of rules. */
export interface RuleSet {
  readonly name: string;
  /** Where rules and bounds were published. */
  readonly source: string;
  /** Raised when a measure changes. */
  readonly version: number;
  readonly rules: readonly Rule[];
}

/** A rule set that can say which rules a text breaks. */
export interface RuleFilter extends Filter {
  /** Names of the broken rules, in the order of the set. */
  broken(text: string): readonly string[];
}

/** The filter of a rule set. `turn` gives the page of a text and may be shared by several. Deterministic. */
export function ruleFilter(set: RuleSet, turn: (text: string) => Page): RuleFilter {
  const { name, version } = set;
  const rules = set.rules.map(({ name: rule, bound, brokenWhen }) => ({ rule, bound, brokenWhen }));
  return {
    name,
    sha256: hashOf({ format: "headrace-rules/1", name, version, rules }),
    dropWhen: "high",
    tokenizer: null,
    score(text) {
      const page = turn(text);
      let count = 0;
      for (const rule of set.rules) if (breaks(rule, page)) count++;
      return count * SCORE_UNIT;
    },
    explain: (text) =>
      set.rules.flatMap((rule) => {
        const page = turn(text);
        if (!breaks(rule, page)) return [];
        const { name, bound, brokenWhen, measure } = rule;
        return [{ kind: "rule", name, value: measure(page), bound, brokenWhen, weight: SCORE_UNIT }] as const;
      }),
    broken: (text) => set.rules.filter((rule) => breaks(rule, turn(text))).map((rule) => rule.name),
  };
}

function breaks({ bound, brokenWhen, measure }: Rule, page: Page): boolean {
  const value = measure(page);
  return brokenWhen === "above" ? value > bound : value < bound;
}
