/**
 * What share of the documents a filter shall drop, and of which documents: the unit is never guessed.
 */
import { HeadraceError } from "../core/errors.ts";

/**
 * What a rate is a share of: `documents` that reach the filter, those it `flagged` itself (an advertisement, non-fluent:
 * score > 0 where high scores are dropped, score < 0 where low ones are), or the `tokens` that reach it.
 */
export type TargetUnit = "documents" | "flagged" | "tokens";

/** The units, in the order in which they are printed. */
export const TARGET_UNITS: readonly TargetUnit[] = ["documents", "flagged", "tokens"];

/** How much one filter shall drop. */
export interface Target {
  readonly filter: string;
  /** From 0 to 1, both inclusive. */
  readonly rate: number;
  readonly unit: TargetUnit;
  /** `input`: of all that the filter applies to, whatever earlier filters dropped of it. Absent: of what those leave. */
  readonly of?: "input";
}

/** The target as it is written. */
export function targetText({ filter, rate, unit, of }: Target): string {
  return `${filter}=${rate}:${unit}${of === undefined ? "" : `:${of}`}`;
}

const FORM = "write FILTER=RATE:UNIT, for example ads=0.5:documents";
const OF_INPUT = ":input";

/**
 * Parses `ads=0.5:documents,fluency=0.15:documents`. The order is that of the cascade: the base of a later rate is what the
 * earlier filters leave; that of `fluency=0.15:documents:input` is what they were given. Throws ERR_ARGUMENT, naming the unit that is missing.
 */
export function parseTargets(text: string): readonly Target[] {
  const targets = text.split(",").map((part) => parseTarget(part.trim()));
  const repeated = targets.find(({ filter }, i) => targets.findIndex((other) => other.filter === filter) < i);
  if (repeated)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `target for "${repeated.filter}" is given twice; keep one of them`,
    );
  return targets;
}

function parseTarget(part: string): Target {
  const match = /^([a-z0-9_][a-z0-9_-]*)=([^:]*)(?::(.*))?$/.exec(part);
  if (!match) throw new HeadraceError("ERR_ARGUMENT", `target "${part}" has another form; ${FORM}`);
  const [, filter = "", share = "", written] = match;
  const ofInput = written?.endsWith(OF_INPUT) ?? false;
  const unit = ofInput ? written?.slice(0, -OF_INPUT.length) : written;
  const rate = share.trim() === "" ? Number.NaN : Number(share);
  if (!(rate >= 0 && rate <= 1))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `target "${part}" has the rate "${share}"; rates are from 0 to 1`,
    );
  if (unit === undefined)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `target "${part}" does not say what ${share} is a share of; write ${filter}=${share}:documents (of the documents ` +
        `that reach the filter), ${filter}=${share}:flagged (of those it flags) or ${filter}=${share}:tokens`,
    );
  if (!(TARGET_UNITS as readonly string[]).includes(unit))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `target "${part}" has the unit "${unit}"; units are ${TARGET_UNITS.join(", ")}, each with :input behind it where it is a share of what the earlier filters were given`,
    );
  return { filter, rate, unit: unit as TargetUnit, ...(ofInput && { of: "input" }) };
}
