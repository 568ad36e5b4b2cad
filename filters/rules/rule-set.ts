/**
 * A published set of rules as a filter: its score is the number of rules that a document breaks, so a document is flagged
 * when it breaks one, and `--drop NAME=1:flagged` drops exactly what the published set drops.
 */
import { hashOf } from "../../core/hash.ts";
import { type Filter, SCORE_UNIT } from "../filter.ts";
import type { Counter } from "./counter.ts";
import type { TextCounts } from "./counts.ts";

/** A rule with its published bound. */
export interface Rule {
  readonly name: string;
  /** The bound, in the unit of the measure: a count, or a share from 0 to 1. */
  readonly bound: number;
  /** What is measured; NaN where a text has nothing to measure, which breaks no rule. */
  readonly measure: (counts: TextCounts) => number;
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
  /** What rules measure of a text, once for all rule sets; good until the next text is counted. */
  readonly count: Counter;
  /** The score of a text by its counts: as `score` gives it. */
  scoreCounts(counts: TextCounts): number;
}

/** The filter of a rule set. `count` may be shared by several. Deterministic. */
export function ruleFilter(set: RuleSet, count: Counter): RuleFilter {
  const { name, version } = set;
  const rules = set.rules.map(({ name: rule, bound, brokenWhen }) => ({ rule, bound, brokenWhen }));
  const scoreCounts = (counts: TextCounts) => {
    let broken = 0;
    for (const rule of set.rules) if (breaks(rule, counts)) broken++;
    return broken * SCORE_UNIT;
  };
  return {
    name,
    sha256: hashOf({ format: "headrace-rules/1", name, version, rules }),
    dropWhen: "high",
    tokenizer: null,
    score: (text) => scoreCounts(count({ text })),
    broken(text) {
      const counts = count({ text });
      return set.rules.filter((rule) => breaks(rule, counts)).map((rule) => rule.name);
    },
    explain(text) {
      const counts = count({ text });
      return set.rules.flatMap((rule) => {
        if (!breaks(rule, counts)) return [];
        const { name, bound, brokenWhen, measure } = rule;
        return [
          { kind: "rule", name, value: measure(counts), bound, brokenWhen, weight: SCORE_UNIT },
        ] as const;
      });
    },
    count,
    scoreCounts,
  };
}

function breaks({ bound, brokenWhen, measure }: Rule, counts: TextCounts): boolean {
  const value = measure(counts);
  return brokenWhen === "above" ? value > bound : value < bound;
}
