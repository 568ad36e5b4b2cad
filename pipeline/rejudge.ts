/**
 * The rows of a finished build's score table with the verdicts that other thresholds give them.
 */
import { type DomainName, domainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import { type CascadeStep, type FilterVerdict, judge } from "../filters/index.ts";
import type { ShardManifest, Split } from "../shards/index.ts";
import { Tally } from "./account.ts";
import type { Part } from "./finish.ts";
import type { RefilterPlan } from "./refilter-plan.ts";
import { scoresOfRow, tableBatches } from "./table-sample.ts";

/** A document of the table. */
export interface RejudgedRow {
  /** Its number in the table, from 0. */
  readonly row: number;
  readonly role: Part["role"];
  readonly source: string;
  readonly line: number;
  readonly domain: DomainName;
  readonly tokens: number;
  /** Integer scores, one a filter; reused by the next row. */
  readonly scores: Int32Array;
  readonly hash: bigint;
  /** The split that it lies in. */
  readonly split: Split;
  readonly verdict: FilterVerdict;
  /** The filter that drops it now; null: it is kept, or only tagged. */
  readonly droppedBy: string | null;
}

/** Judges every row anew, in the order of the table. After the last it throws ERR_INPUT where a document that would be kept is not there any more. */
export function* rejudge(plan: RefilterPlan, cascade: readonly CascadeStep[]): Generator<RejudgedRow> {
  const { from, manifest, origin, made, wanted } = plan;
  const scores = new Int32Array(manifest.filters.length);
  let lost = 0;
  for (const { reader, batch, first } of tableBatches(from, manifest)) {
    const domains = reader.domains.map(domainName);
    const where = reader.verdicts.map(splitOf);
    for (let i = 0; i < batch.documents; i++) {
      const domain = domains[batch.domains[i]!]!;
      const split = where[batch.verdicts[i]!]!;
      const verdict = judge(scoresOfRow(batch, i, scores), domain, cascade);
      const droppedBy = verdict.kind === "drop" && !wanted.tagOnly ? verdict.filter : null;
      if (split === "dropped" && !made.keepDropped && (droppedBy === null || wanted.keepDropped)) lost++;
      yield {
        row: first + i,
        role: first + i < origin.documents.train ? "train" : "validation",
        source: reader.sources[batch.sources[i]!]!,
        line: batch.lines[i]!,
        domain,
        tokens: batch.tokens[i]!,
        scores,
        hash: batch.hashes![i]!,
        split,
        verdict,
        droppedBy,
      };
    }
  }
  if (lost > 0)
    throw new HeadraceError(
      "ERR_INPUT",
      `${lost} documents that ${from} dropped would be kept now, and it did not keep what it dropped; drop at least what it dropped, or build again from the input with --keep-dropped`,
    );
}

/** Tallies of the two roles, where that of the training documents begins with what is not in the score table: quarantined records, incidents and bytes. */
export function talliesOf({
  manifest,
}: Pick<RefilterPlan, "manifest">): Readonly<Record<Part["role"], Tally>> {
  const filters = manifest.filters.map(({ name }) => name);
  return { train: tallyOf(filters, manifest), validation: new Tally(filters) };
}

function tallyOf(filters: readonly string[], { account }: ShardManifest): Tally {
  const tally = new Tally(filters);
  let unknown = account.quarantined;
  for (const [domain, { quarantined }] of Object.entries(account.domains)) {
    for (let i = 0; i < quarantined; i++) tally.quarantined(domain);
    unknown -= quarantined;
  }
  for (let i = 0; i < unknown; i++) tally.quarantined();
  for (let i = 0; i < account.incidents; i++) tally.incident();
  tally.bytes(account.bytes);
  return tally;
}

/** Counts a row in the tally of its role. */
export function count(tallies: ReturnType<typeof talliesOf>, row: RejudgedRow): void {
  const { role, domain, droppedBy, tokens } = row;
  tallies[role].document(
    domain,
    droppedBy === null ? { kind: "kept" } : { kind: "dropped", filter: droppedBy },
    tokens,
  );
}

function splitOf(verdict: string): Split {
  const [outcome] = verdict.split(":");
  return outcome === "kept" ? "train" : outcome === "held-out" ? "validation" : "dropped";
}
