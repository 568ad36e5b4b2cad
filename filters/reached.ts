/**
 * Targets that could not be reached as they were asked for: scores tie, or documents are few.
 */
import type { Calibration } from "./calibration.ts";
import { targetText } from "./targets.ts";

/** A rate within this of the target counts as reached. */
const CLOSE = 0.005;

/** A sentence for each threshold whose rate on the sample is not the target's, with the nearest that can be reached on either side. */
export function unreached({ filters }: Pick<Calibration, "filters">): readonly string[] {
  return filters.flatMap(({ name, target, choices }) =>
    choices
      .filter(({ rate }) => Math.abs(rate - target.rate) > CLOSE)
      .map(({ on, rate, below, above }) => {
        const where = on === "pool" ? "in the pool" : `in ${on}`;
        const near =
          below === above ? `no rate above ${shown(above)}` : `${shown(below)} and ${shown(above)}`;
        const why = below === above ? "earlier filters leave no more" : "scores tie, or documents are few";
        return `${targetText({ filter: name, ...target })} comes to ${shown(rate)} ${where}, where ${near} can be reached: ${why}`;
      }),
  );
}

function shown(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
