/**
 * The account of a build: every record that was read is kept, held out, dropped or quarantined, by domain and by filter.
 * An account is a value; accounts of tasks add up to the account of the build, in any order.
 */
import { HeadraceError } from "../core/errors.ts";
import type { Account, DomainAccount } from "../shards/index.ts";
import type { ByteAccount } from "./incidents.ts";

/** How one document ended. */
export type Outcome =
  | { readonly kind: "kept" }
  | { readonly kind: "held-out" }
  | { readonly kind: "dropped"; readonly filter: string };

type Counts = Record<string, number>;

interface DomainTally {
  read: number;
  kept: number;
  heldOut: number;
  quarantined: number;
  readonly dropped: Counts;
  readonly tokens: { kept: number; heldOut: number; gap: number; readonly dropped: Counts };
}

/** Counts outcomes as they happen. */
export class Tally {
  readonly #filters: readonly string[];
  readonly #domains = new Map<string, DomainTally>();
  #quarantined = 0;
  #incidents = 0;
  readonly #bytes = { read: 0, unreadable: 0, total: 0 };

  /** Counts drops under the given filter names, in cascade order. */
  constructor(filters: readonly string[]) {
    this.#filters = filters;
  }

  /** Counts one document and its tokens. */
  document(domain: string, outcome: Outcome, tokens: number): void {
    const tally = this.#domain(domain);
    tally.read++;
    switch (outcome.kind) {
      case "kept":
        tally.kept++;
        tally.tokens.kept += tokens;
        return;
      case "held-out":
        tally.heldOut++;
        tally.tokens.heldOut += tokens;
        return;
      case "dropped":
        tally.dropped[outcome.filter] = (tally.dropped[outcome.filter] ?? 0) + 1;
        tally.tokens.dropped[outcome.filter] = (tally.tokens.dropped[outcome.filter] ?? 0) + tokens;
        return;
      default:
        outcome satisfies never;
    }
  }

  /** Counts one quarantined record; `domain` where it is known. */
  quarantined(domain?: string): void {
    this.#quarantined++;
    if (domain === undefined) return;
    const tally = this.#domain(domain);
    tally.read++;
    tally.quarantined++;
  }

  /** Counts one stretch of unreadable input. */
  incident(): void {
    this.#incidents++;
  }

  /** Adds a file's stored bytes. */
  bytes({ read, unreadable, total }: Omit<ByteAccount, "sha256">): void {
    this.#bytes.read += read;
    this.#bytes.unreadable += unreadable;
    this.#bytes.total += total;
  }

  /** The account so far. */
  account(): Account {
    const domains: Record<string, DomainAccount> = {};
    for (const [name, tally] of this.#domains) domains[name] = structuredClone(tally);
    const known = [...this.#domains.values()].reduce((sum, tally) => sum + tally.quarantined, 0);
    return {
      ...totals(domains, this.#filters),
      read: sumOf(domains, (d) => d.read) + this.#quarantined - known,
      quarantined: this.#quarantined,
      incidents: this.#incidents,
      bytes: { ...this.#bytes },
      domains,
    };
  }

  #domain(name: string): DomainTally {
    let tally = this.#domains.get(name);
    if (tally === undefined) {
      const zeros = () => Object.fromEntries(this.#filters.map((filter) => [filter, 0]));
      tally = {
        read: 0,
        kept: 0,
        heldOut: 0,
        quarantined: 0,
        dropped: zeros(),
        tokens: { kept: 0, heldOut: 0, gap: 0, dropped: zeros() },
      };
      this.#domains.set(name, tally);
    }
    return tally;
  }
}

/** The sum of accounts, with domains in the given order first and any others by name. */
export function addAccounts(
  accounts: readonly Account[],
  filters: readonly string[],
  order: readonly string[] = [],
): Account {
  const names = new Set(accounts.flatMap((account) => Object.keys(account.domains)));
  const sorted = [
    ...order.filter((name) => names.has(name)),
    ...[...names].filter((name) => !order.includes(name)).sort(),
  ];
  const domains: Record<string, DomainAccount> = {};
  for (const name of sorted)
    domains[name] = accounts.flatMap((account) => account.domains[name] ?? []).reduce(addDomains, NOTHING);
  const sum = (of: (account: Account) => number) =>
    accounts.reduce((total, account) => total + of(account), 0);
  return {
    ...totals(domains, filters),
    read: sum((a) => a.read),
    quarantined: sum((a) => a.quarantined),
    incidents: sum((a) => a.incidents),
    bytes: {
      read: sum((a) => a.bytes.read),
      unreadable: sum((a) => a.bytes.unreadable),
      total: sum((a) => a.bytes.total),
    },
    domains,
  };
}

/** What moved from train to validation in a domain: documents and tokens held out, and tokens in the gap. */
export interface HeldOut {
  readonly documents: number;
  readonly tokens: number;
  readonly gap: number;
}

/** The account after the validation split. */
export function holdOut(account: Account, held: Readonly<Record<string, HeldOut>>): Account {
  const domains: Record<string, DomainAccount> = {};
  for (const [name, domain] of Object.entries(account.domains)) {
    const out = held[name] ?? { documents: 0, tokens: 0, gap: 0 };
    domains[name] = {
      ...domain,
      kept: domain.kept - out.documents,
      heldOut: domain.heldOut + out.documents,
      tokens: {
        ...domain.tokens,
        kept: domain.tokens.kept - out.tokens - out.gap,
        heldOut: domain.tokens.heldOut + out.tokens,
        gap: domain.tokens.gap + out.gap,
      },
    };
  }
  return { ...account, ...totals(domains, Object.keys(account.dropped)), domains };
}

/** Throws ERR_ACCOUNT unless read = kept + held out + dropped + quarantined, in all and in every domain, and all bytes are accounted for. */
export function requireBalance(account: Account): void {
  balance("the build", account);
  for (const [name, domain] of Object.entries(account.domains)) balance(`domain ${name}`, domain);
  const { read, unreadable, total } = account.bytes;
  if (read + unreadable !== total)
    throw new HeadraceError(
      "ERR_ACCOUNT",
      `${read} bytes read + ${unreadable} unreadable is not the ${total} bytes of the input; please report this`,
    );
}

function balance(
  subject: string,
  side: Pick<Account, "read" | "kept" | "heldOut" | "quarantined" | "dropped">,
): void {
  const dropped = Object.values(side.dropped).reduce((sum, n) => sum + n, 0);
  if (side.read === side.kept + side.heldOut + dropped + side.quarantined) return;
  throw new HeadraceError(
    "ERR_ACCOUNT",
    `${subject} read ${side.read} records, but kept ${side.kept} + held out ${side.heldOut} + dropped ${dropped} + quarantined ${side.quarantined}; please report this`,
  );
}

function totals(domains: Readonly<Record<string, DomainAccount>>, filters: readonly string[]) {
  return {
    kept: sumOf(domains, (d) => d.kept),
    heldOut: sumOf(domains, (d) => d.heldOut),
    dropped: Object.fromEntries(
      filters.map((filter) => [filter, sumOf(domains, (d) => d.dropped[filter] ?? 0)]),
    ),
  };
}

function sumOf(
  domains: Readonly<Record<string, DomainAccount>>,
  of: (domain: DomainAccount) => number,
): number {
  return Object.values(domains).reduce((sum, domain) => sum + of(domain), 0);
}

/** What sums begin with, so that every sum has its fields in one order, wherever its parts are from: tasks are compared by their bytes. */
const NOTHING: DomainAccount = {
  read: 0,
  kept: 0,
  heldOut: 0,
  quarantined: 0,
  dropped: {},
  tokens: { kept: 0, heldOut: 0, gap: 0, dropped: {} },
};

function addDomains(a: DomainAccount, b: DomainAccount): DomainAccount {
  return {
    read: a.read + b.read,
    kept: a.kept + b.kept,
    heldOut: a.heldOut + b.heldOut,
    quarantined: a.quarantined + b.quarantined,
    dropped: addCounts(a.dropped, b.dropped),
    tokens: {
      kept: a.tokens.kept + b.tokens.kept,
      heldOut: a.tokens.heldOut + b.tokens.heldOut,
      gap: a.tokens.gap + b.tokens.gap,
      dropped: addCounts(a.tokens.dropped, b.tokens.dropped),
    },
  };
}

function addCounts(a: Readonly<Counts>, b: Readonly<Counts>): Counts {
  return Object.fromEntries(
    [...new Set([...Object.keys(a), ...Object.keys(b)])].map((key) => [key, (a[key] ?? 0) + (b[key] ?? 0)]),
  );
}
