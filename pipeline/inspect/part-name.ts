/**
 * A part of a score in a few words, for people.
 */
import type { Weighed } from "./inspected.ts";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });

/** `"free" ×3`, `characters per line (120)`, `stop words below 2 (1)`. */
export function nameOfPart(part: Weighed): string {
  switch (part.kind) {
    case "token": {
      const { text, times } = part;
      const word = JSON.stringify(text.trim() === "" ? text : text.trim());
      return times > 1 ? `${word} \u00d7${whole.format(times)}` : word;
    }
    case "measure":
      return `${spaced(part.name)} (${whole.format(part.value)})`;
    case "rule":
      return `${spaced(part.name)} ${part.brokenWhen} ${whole.format(part.bound)} (${whole.format(part.value)})`;
    case "bias":
      return "at the start";
    case "limit":
      return "cut off at the end of the scale";
    case "other-tokens":
      return `${whole.format(part.distinct)} other tokens`;
    case "whole":
      return "the score as a whole";
    default:
      return part satisfies never;
  }
}

/** `charactersPerLine` as `characters per line`. */
function spaced(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replaceAll(/[-_]/g, " ");
}
