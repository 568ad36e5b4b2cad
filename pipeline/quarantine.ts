/**
 * What the quarantine of a build comes to: how many records for which reason, and one record to look at for each.
 */
import { createReadStream } from "node:fs";
import { HeadraceError } from "../core/errors.ts";
import { type Quarantined, quarantineCode } from "./incidents.ts";

/** Records that were quarantined for one reason. */
export interface QuarantineReason {
  /** A quarantine code; for a domain that is not mapped the whole reason, which names it. */
  readonly reason: string;
  readonly records: number;
  /** Whether the records are good but for a domain that could be told with a flag. */
  readonly domain: boolean;
  /** The first of them. */
  readonly first: Pick<Quarantined, "source" | "line" | "reason">;
}

/** Counts the lines of `quarantine.jsonl` files by reason, most first. One pass; memory of one entry a reason. */
export async function quarantineReasons(...paths: readonly string[]): Promise<readonly QuarantineReason[]> {
  const reasons = new Map<string, { records: number; readonly first: Quarantined }>();
  for (const path of paths)
    for await (const line of linesOf(path)) {
      const record = JSON.parse(line) as Quarantined;
      const code = quarantineCode(record.reason);
      const key = code === "unmapped-domain" ? record.reason : code;
      const seen = reasons.get(key);
      if (seen) seen.records++;
      else reasons.set(key, { records: 1, first: record });
    }
  return [...reasons]
    .map(
      ([
        reason,
        {
          records,
          first: { source, line, reason: detail },
        },
      ]) => ({
        reason,
        records,
        domain: ["no-domain", "unmapped-domain"].includes(quarantineCode(detail)),
        first: { source, line, reason: detail },
      }),
    )
    .sort((a, b) => b.records - a.records);
}

/** Lines of a file, cut at line feeds alone: node:readline also cuts at U+2028 and U+2029, which JSON has as they are. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = "";
  for await (const text of createReadStream(path, "utf8")) {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

/** Throws ERR_INPUT where records or bytes were read and not one document came of them: a wrong field or flag, not a bad record. */
export function requireDocuments(
  counts: { readonly read: number; readonly quarantined: number; readonly incidents: number },
  reasons: readonly QuarantineReason[],
): void {
  if (counts.read > counts.quarantined || counts.quarantined + counts.incidents === 0) return;
  const [most] = reasons;
  throw new HeadraceError(
    "ERR_INPUT",
    most
      ? `none of ${counts.quarantined} records became a document; ${most.records} because of this, first in ${most.first.source}:${most.first.line}: ${most.first.reason}`
      : `nothing could be read: ${counts.incidents} stretches of input are unreadable; see incidents.jsonl in the task folders of .build`,
  );
}
