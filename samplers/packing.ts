/** How documents make the rows of a run: what is asked for (end to end, or a pack plan of the shards) as fields of a schedule's header. */
import { HeadraceError } from "../core/errors.ts";
import { openFilePool } from "../shards/files.ts";
import type { ShardManifest } from "../shards/manifest.ts";
import { openPieces } from "../shards/pack/pieces.ts";
import { listPacks, packFolder } from "../shards/pack/plan.ts";
import type { ScheduleHeader } from "./header.ts";
import type { ScheduleDomain } from "./schedule-domain.ts";
import type { Stretch } from "./where.ts";

/** The fields of a header that say how rows are made. */
export type Packing = Pick<ScheduleHeader, "packing" | "pack" | "domains">;

/**
 * The packing of a run: `concat`, `packed` where the shards have one pack plan for rows of this length, or the first digits of a plan's hash.
 * Throws ERR_INPUT where there is no such plan, ERR_ARGUMENT where there are several.
 */
export async function choosePacking(
  asked: string,
  shards: string,
  manifest: ShardManifest,
  domains: readonly ScheduleDomain[],
  row: { readonly rowTokens: number; readonly lookahead: 0 | 1 },
): Promise<Packing> {
  if (asked === "concat") return { packing: "concat", domains };
  const found = (await listPacks(shards, manifest.fingerprint)).filter(
    ({ hash, plan }) =>
      plan.rowTokens === row.rowTokens &&
      plan.lookahead === row.lookahead &&
      (asked === "packed" || hash.startsWith(asked)),
  );
  const [first, ...others] = found;
  if (first === undefined)
    throw new HeadraceError(
      "ERR_INPUT",
      `packing "${asked}": ${shards} has no such pack plan for rows of ${row.rowTokens} tokens${row.lookahead === 1 ? " and one more" : ""}; make it with "headrace pack ${shards} --row ${row.rowTokens}${row.lookahead === 1 ? " --lookahead 1" : ""}"`,
    );
  if (others.length > 0)
    throw new HeadraceError(
      "ERR_ARGUMENT",
      `packing "${asked}" fits ${found.length} pack plans of ${shards}: ${found.map(({ hash }) => hash.slice(0, 16)).join(", ")}; name one of them`,
    );
  const rows = new Map(first.plan.domains.map((domain) => [domain.name, domain.rows]));
  return {
    packing: "packed",
    pack: first.hash,
    domains: domains.map((domain) => ({ ...domain, rows: rows.get(domain.name) ?? 0 })),
  };
}

/**
 * The rows of the pack plan that a schedule names which hold tokens of a stretch of a stream, and how many; null where rows are not packed.
 * Reads all pieces of the domain. Throws ERR_SHARD.
 */
export function packedRowsHolding(
  header: ScheduleHeader,
  shards: string,
  { domain, position, tokens }: Stretch,
): ReadonlyMap<number, number> | null {
  const { pack } = header;
  const rows = header.domains.find(({ name }) => name === domain)?.rows;
  if (pack === undefined || rows === undefined) return null;
  const files = openFilePool();
  try {
    const pieces = openPieces(packFolder(shards, pack), domain, files);
    return new Map(pieces.holding({ position, tokens }, rows).map((found) => [found.row, found.tokens]));
  } finally {
    files.close();
  }
}
