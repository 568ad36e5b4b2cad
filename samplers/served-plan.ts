/**
 * The served hash of a planned batch without its served order: a sum needs none, and the rows of a domain are consecutive ordinals.
 * It spares the permutation of the batch, which is most of a batch's work, so that a whole run can be checked in seconds.
 */
import { type DomainOrder, domainOrder } from "./order.ts";
import type { Plan } from "./plan.ts";
import { addServed, servedHash, servedKeys } from "./served.ts";

/** A function from a batch of the plan to its served hash. It throws ERR_UNDECIDED as the plan does. O(B) a batch. */
export function plannedHashes(plan: Plan): (batch: number) => string {
  const { header } = plan.schedule;
  const { domains } = header;
  const keys = servedKeys(domains.map(({ name }) => name));
  const orders: (DomainOrder | undefined)[] = [];
  return (batch) => {
    const before = plan.firstOrdinals(batch);
    const counts = plan.counts(batch);
    let hash = "0000000000000000";
    for (const domain of domains.keys()) {
      const count = counts[domain]!;
      if (count === 0) continue;
      orders[domain] ??= domainOrder(header, domains[domain]!);
      const order = orders[domain];
      const ids = {
        domains: new Uint16Array(count).fill(domain),
        epochs: new Uint32Array(count),
        rows: new Uint32Array(count),
      };
      for (let j = 0; j < count; j++) {
        const ordinal = before[domain]! + j;
        const epoch = order.epoch(Math.floor(ordinal / order.rows));
        ids.epochs[j] = epoch.epoch;
        ids.rows[j] = epoch.permutation.at(ordinal % order.rows);
      }
      hash = addServed(hash, servedHash(keys, ids));
    }
    return hash;
  };
}
