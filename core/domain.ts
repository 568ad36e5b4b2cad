/**
 * Domains and their weights: the only constructors, so that a wrong name or weight cannot exist.
 */
import { HeadraceError } from "./errors.ts";

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** The name of a domain: 1 to 64 of a-z, 0-9, `_`, `-` and `.`, not starting with a dot and not digits alone (which JavaScript objects put first); it is also a folder's name. */
export type DomainName = Brand<string, "DomainName">;

/** What is asked for: a weight a domain, finite, >= 0, sum 1 to within 1e-6 (then divided by the sum). Keys in domain order. */
export type DomainWeights = Brand<Readonly<Record<DomainName, number>>, "DomainWeights">;

/** Mean cross-entropy a domain, in nats a token. */
export type DomainLosses = Readonly<Record<DomainName, number>>;

/** Checks a name. Throws ERR_DOMAIN. */
export function domainName(name: string): DomainName {
  if (!/^(?!\d+$)[a-z0-9_-][a-z0-9._-]{0,63}$/.test(name))
    throw new HeadraceError(
      "ERR_DOMAIN",
      `domain name ${JSON.stringify(name)} is not 1 to 64 of a-z 0-9 _ - . with a letter or sign among them; rename it`,
    );
  return name as DomainName;
}

/** SlimPajama's seven sources in the order of LLaMA-MoE's tables (arXiv 2406.16554, smoe/data/dynamic_selection.py). */
export const SLIMPAJAMA_DOMAINS: readonly DomainName[] = [
  "commoncrawl",
  "c4",
  "github",
  "wikipedia",
  "book",
  "arxiv",
  "stackexchange",
].map(domainName);

/** Each name once: SlimPajama's in their order, then any others by name. */
export function inDomainOrder<Name extends string>(names: Iterable<Name>): readonly Name[] {
  const known: readonly string[] = SLIMPAJAMA_DOMAINS;
  const place = (name: Name) => (known.includes(name) ? known.indexOf(name) : known.length);
  return [...new Set(names)].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

/**
 * Checks weights and divides them by their sum; domains that `domains` names and `weights` does not get 0.
 * Keys come back in the order of `domains`, or of `weights` where that is absent. Throws ERR_WEIGHTS and ERR_DOMAIN.
 */
export function domainWeights(
  weights: Readonly<Record<string, number>>,
  domains: readonly string[] = Object.keys(weights),
): DomainWeights {
  let sum = 0;
  for (const [name, weight] of Object.entries(weights)) {
    if (!domains.includes(name))
      throw new HeadraceError(
        "ERR_DOMAIN",
        `weight for "${name}", which is not a domain here; known: ${domains.join(", ")}`,
      );
    if (!Number.isFinite(weight) || weight < 0)
      throw new HeadraceError(
        "ERR_WEIGHTS",
        `domain weight for "${name}" is ${weight}; weights are finite and >= 0`,
      );
    sum += weight;
  }
  if (Math.abs(sum - 1) > 1e-6)
    throw new HeadraceError(
      "ERR_WEIGHTS",
      `domain weights sum to ${sum}; they must sum to 1 (divide each by ${sum})`,
    );
  return Object.fromEntries(
    domains.map((name) => [domainName(name), (weights[name] ?? 0) / sum]),
  ) as DomainWeights;
}
