/** Fixed weights that follow from how many tokens there are of each domain: one pure function a rule, with its source. */
import { type DomainWeights, domainWeights } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import type { ScheduleDomain } from "./schedule-domain.ts";

/**
 * w ~ n^(1/T): T = 1 is the corpus as it is, larger T is flatter (mT5, arXiv 2010.11934, section 3.1, writes alpha = 1/T).
 * A domain without tokens has weight 0. Throws ERR_ARGUMENT unless T >= 1.
 */
export function temperatureWeights(domains: readonly ScheduleDomain[], temperature: number): DomainWeights {
  if (!(temperature >= 1 && temperature < Number.POSITIVE_INFINITY))
    throw new HeadraceError("ERR_ARGUMENT", `the temperature is ${temperature}; it is a number from 1`);
  return shares(
    domains,
    domains.map(({ tokens }) => tokens ** (1 / temperature)),
  );
}

/**
 * The most even weights with which no domain is seen more than `epochs` times in `tokens` tokens: UniMax (arXiv 2304.09151, algorithm 1).
 * Domains too small for an even share give what they have, `epochs` times over; the others share the rest evenly. When all of them are too
 * small, weights are in proportion to the tokens. Throws ERR_ARGUMENT unless both are positive.
 */
export function unimaxWeights(
  domains: readonly ScheduleDomain[],
  epochs: number,
  tokens: number,
): DomainWeights {
  if (!(epochs > 0 && tokens > 0))
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `UniMax of ${epochs} epochs over ${tokens} tokens; both are numbers above 0`,
    );
  const given = domains.map(() => 0);
  const ascending = domains.map((_, i) => i).sort((a, b) => domains[a]!.tokens - domains[b]!.tokens);
  let left = tokens;
  for (const [rank, i] of ascending.entries()) {
    given[i] = Math.min(left / (domains.length - rank), domains[i]!.tokens * epochs);
    left -= given[i];
  }
  return shares(domains, given);
}

function shares(domains: readonly ScheduleDomain[], amounts: readonly number[]): DomainWeights {
  const sum = amounts.reduce((total, amount) => total + amount, 0);
  if (!(sum > 0))
    throw new HeadraceError(
      "ERR_DOMAIN",
      "no domain has a token, so none can have a weight; name shards that hold some",
    );
  const names = domains.map(({ name }) => name);
  return domainWeights(Object.fromEntries(names.map((name, i) => [name, amounts[i]! / sum])), names);
}
