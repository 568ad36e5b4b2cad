/**
 * The account of an import (docs/format.md 1.4): everything that is read is kept or held out.
 */
import type { Account, DomainAccount } from "../manifest.ts";
import type { ValidationPlan } from "../validation.ts";

/** The documents of one split and domain, and what was held out of them. */
export interface ImportedGroup {
  readonly split: "train" | "validation";
  readonly domain: string;
  readonly documents: number;
  readonly tokens: number;
  readonly validation: ValidationPlan;
}

/** The account of groups that come in domain order inside each split; `bytes` are those of all files. */
export function accountOf(groups: readonly ImportedGroup[], bytes: number): Account {
  const domains: Record<string, DomainAccount> = {};
  for (const group of groups) {
    const before = domains[group.domain];
    const own = domainAccount(group);
    domains[group.domain] = before ? add(before, own) : own;
  }
  const total = (field: "read" | "kept" | "heldOut") =>
    Object.values(domains).reduce((sum, domain) => sum + domain[field], 0);
  return {
    read: total("read"),
    kept: total("kept"),
    heldOut: total("heldOut"),
    quarantined: 0,
    incidents: 0,
    dropped: {},
    bytes: { read: bytes, unreadable: 0, total: bytes },
    domains,
  };
}

/** A document that was cut counts as kept. */
function domainAccount({ split, documents, tokens, validation }: ImportedGroup): DomainAccount {
  const isHashes = validation.kind === "hashes";
  const heldOut = split === "validation" ? documents : isHashes ? validation.documents : 0;
  const held = split === "validation" ? tokens : validation.kind === "none" ? 0 : validation.tokens;
  const gap = validation.kind === "tail" ? validation.gap : 0;
  return {
    read: documents,
    kept: documents - heldOut,
    heldOut,
    dropped: {},
    quarantined: 0,
    tokens: { kept: tokens - held - gap, heldOut: held, dropped: {}, gap },
  };
}

function add(a: DomainAccount, b: DomainAccount): DomainAccount {
  return {
    read: a.read + b.read,
    kept: a.kept + b.kept,
    heldOut: a.heldOut + b.heldOut,
    dropped: {},
    quarantined: 0,
    tokens: {
      kept: a.tokens.kept + b.tokens.kept,
      heldOut: a.tokens.heldOut + b.tokens.heldOut,
      dropped: {},
      gap: a.tokens.gap + b.tokens.gap,
    },
  };
}
