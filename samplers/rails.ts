/**
 * Guard rails: what keeps a loss-driven policy from emptying the mix. The published rules integrate the loss difference and
 * nothing pulls them back: a lasting gap of 0.1 nat on one domain gives it 99.7 % in 80 updates.
 * On by default, off with `asPublished`; whatever they change is listed, for the stage's cause.
 */
import { type DomainName, type DomainWeights, domainWeights } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { integer, number, object, type Parser } from "../core/parse.ts";
import { PARTS } from "./mixture.ts";

/** The bounds, as a policy records them. */
export interface Rails {
  /** Least weight of a domain, in rows a batch; default 1. Below one row a batch the mixture's tighter bound is lost. */
  readonly floorRows: number;
  /** Greatest weight of a domain, default 0.9. */
  readonly ceiling: number;
  /** Greatest factor by which an update may raise or lower a weight, default 2. */
  readonly step: number;
}

/** Which rail moved which weight: `from` is what the rule asked for, `to` what the domain got. */
export interface RailAction {
  /** `repeat`: the domain has given all the rows that its exhaustion policy allows, or was withdrawn with weight 0. */
  readonly rail: "floor" | "ceiling" | "step" | "repeat";
  readonly domain: DomainName;
  readonly from: number;
  readonly to: number;
}

/** The rails that are on unless `asPublished` is asked for. */
export const DEFAULT_RAILS: Rails = { floorRows: 1, ceiling: 0.9, step: 2 };

/** Parses rails: floorRows >= 0, ceiling in [0, 1], step >= 1. Throws ERR_PARSE. */
export const parseRails: Parser<Rails> = object(
  { floorRows: integer(0, 2 ** 20), ceiling: within(0, 1), step: within(1, 2 ** 20) },
  { strict: true },
);

/**
 * The weights nearest to `asked` in proportion that keep every bound: those between their bounds are all scaled by one factor,
 * the others stand on a bound, and the sum is 1. Domains in `closed` get 0. Pure; O(K log K).
 *
 * A bound that cannot be kept gives way: the floor to 1/(2K) where a batch has under 2K rows, the ceiling to 1 for a single
 * domain, and the step where floor and ceiling leave no room for it (weights that start outside them).
 */
export function applyRails(
  asked: DomainWeights,
  previous: DomainWeights,
  rails: Rails,
  options: { readonly batchRows: number; readonly closed?: readonly string[] },
): { readonly weights: DomainWeights; readonly actions: readonly RailAction[] } {
  const names = Object.keys(asked) as DomainName[];
  const closed = new Set<string>(options.closed);
  const open = names.filter((name) => !closed.has(name));
  if (open.length === 0) return { weights: asked, actions: [] };

  const floor = Math.min(
    Math.ceil((rails.floorRows * PARTS) / options.batchRows) / PARTS,
    1 / (2 * open.length),
  );
  const ceiling = Math.max(rails.ceiling, 1 / open.length, 2 * floor);
  const bounds = stepBounds(open, previous, { floor, ceiling, step: rails.step });
  const weightOf = scaledInto(open, asked, bounds);

  const weights = domainWeights(
    Object.fromEntries(names.map((name) => [name, closed.has(name) ? 0 : weightOf(name)])),
    names,
  );
  const actions = names.flatMap((domain): RailAction[] => {
    const from = asked[domain]!;
    const to = weights[domain]!;
    if (closed.has(domain)) return from === 0 ? [] : [{ rail: "repeat", domain, from, to: 0 }];
    const { low, high } = bounds(domain);
    const stands = weightOf(domain);
    if (stands === from || (stands !== low && stands !== high)) return [];
    const rail = stands === floor && from < stands ? "floor" : stands === ceiling ? "ceiling" : "step";
    return [{ rail, domain, from, to }];
  });
  return { weights, actions };
}

/** What sums of weights may be off by. */
const ROUNDING = 1e-9;

type Bounds = (name: DomainName) => { readonly low: number; readonly high: number };

/** The floor, the ceiling and, where they leave a solution, the step from the previous weights (of open domains, to sum 1). */
function stepBounds(
  open: readonly DomainName[],
  previous: DomainWeights,
  rail: { readonly floor: number; readonly ceiling: number; readonly step: number },
): Bounds {
  const clamp = (weight: number) => Math.min(rail.ceiling, Math.max(rail.floor, weight));
  const sum = open.reduce((total, name) => total + (previous[name] ?? 0), 0) || 1;
  const stepped: Bounds = (name) => {
    const weight = (previous[name] ?? 0) / sum;
    return { low: clamp(weight / rail.step), high: clamp(weight * rail.step) };
  };
  const lows = open.reduce((total, name) => total + stepped(name).low, 0);
  const highs = open.reduce((total, name) => total + stepped(name).high, 0);
  return lows < 1 + ROUNDING && highs > 1 - ROUNDING
    ? stepped
    : () => ({ low: rail.floor, high: rail.ceiling });
}

/** asked x factor, cut to the bounds, for the one factor with which the sum is 1: found between the sorted points where a cut sets in. */
function scaledInto(
  open: readonly DomainName[],
  asked: DomainWeights,
  bounds: Bounds,
): (name: DomainName) => number {
  const terms = open.map((name) => ({ name, base: Math.max(asked[name]!, 1 / PARTS), ...bounds(name) }));
  const cut = (term: (typeof terms)[number], factor: number) =>
    Math.min(term.high, Math.max(term.low, term.base * factor));
  const sumAt = (factor: number) => terms.reduce((sum, term) => sum + cut(term, factor), 0);

  const points = terms.flatMap(({ base, low, high }) => [low / base, high / base]).sort((a, b) => a - b);
  const after = points.findIndex((point) => sumAt(point) >= 1);
  const to = after < 0 ? points[points.length - 1]! : points[after]!;
  const from = after > 0 ? points[after - 1]! : 0;
  let fixed = 0;
  let free = 0;
  for (const term of terms)
    if (term.low / term.base <= from && term.high / term.base >= to) free += term.base;
    else fixed += cut(term, (from + to) / 2);
  const factor = after >= 0 && free > 0 ? (1 - fixed) / free : to;

  const kept = terms.every((term) => asked[term.name]! >= term.low && asked[term.name]! <= term.high);
  const whole = Math.abs(open.reduce((sum, name) => sum + asked[name]!, 0) - 1) < ROUNDING;
  const weights = new Map(
    terms.map((term) => [term.name, kept && whole ? asked[term.name]! : cut(term, factor)]),
  );
  return (name) => weights.get(name)!;
}

function within(low: number, high: number): Parser<number> {
  return (value, at) => {
    const seen = number(value, at);
    if (seen >= low && seen <= high) return seen;
    throw new HeadraceError("ERR_PARSE", `${at} is ${seen}; expected a number from ${low} to ${high}`);
  };
}
