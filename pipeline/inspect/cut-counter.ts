/**
 * One pass over the score table that counts what each of many thresholds drops, and how scores are spread: per domain, in documents and tokens.
 */
import { type DomainName, domainName } from "../../core/domain.ts";
import { type CascadeStep, type DropWhen, drops, isFlagged, judge } from "../../filters/index.ts";
import { scoresOfRow, tableBatches } from "../table-sample.ts";
import type { Inspection } from "./inspection.ts";
import type { Amount, BuiltCut, PageData } from "./page-data.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What is counted. */
export interface Counting {
  /** The filters before this one, with the thresholds that they would have. */
  readonly earlier: readonly CascadeStep[];
  /** Thresholds of this filter, ascending and each once, by domain. */
  readonly thresholds: ReadonlyMap<DomainName, readonly number[]>;
  /** The score beyond which the filter flags a document; null where there is none. */
  readonly flagAt: number | null;
  readonly axis: PageData["axis"];
  readonly bins: number;
}

/** What one domain comes to. */
export interface DomainCounts {
  readonly total: Amount;
  /** What the build did; of use where it dropped by this filter in this domain. */
  readonly built: Omit<BuiltCut, "threshold">;
  /** What the earlier filters leave, and how many of those documents are flagged; null where the filter flags nothing. */
  readonly reached: Amount;
  readonly flagged: number | null;
  readonly histogram: readonly number[];
  /** What a threshold of the list drops. */
  droppedAt(threshold: number): Amount;
}

/** Counts every document of the table. Deterministic; holds a batch of it. Throws ERR_SHARD. */
export function countTable(of: Inspection, counting: Counting): ReadonlyMap<DomainName, DomainCounts> {
  const { dir, manifest, filter, column, cascade } = of;
  const { earlier, flagAt } = counting;
  const place = cascade.findIndex((step) => step.filter === filter.name);
  const builtBefore = place < 0 ? cascade : cascade.slice(0, place);
  const builtCut = cascade[place]?.thresholds;
  const scores = new Int32Array(manifest.filters.length);
  const counters = new Map<DomainName, ReturnType<typeof counterOf>>();
  const counterFor = (domain: DomainName) => {
    const known = counters.get(domain) ?? counterOf(filter.dropWhen, counting, domain);
    counters.set(domain, known);
    return known;
  };
  for (const { reader, batch } of tableBatches(dir, manifest)) {
    const names = reader.domains.map(domainName);
    for (let row = 0; row < batch.documents; row++) {
      const domain = names[batch.domains[row]!]!;
      const tokens = batch.tokens[row]!;
      const counter = counterFor(domain);
      const score = scoresOfRow(batch, row, scores)[column]!;
      const isOne = flagAt !== null && isFlagged(filter.dropWhen, score, flagAt);
      add(counter.total, tokens);
      if (judge(scores, domain, builtBefore).kind === "keep") {
        add(counter.built.reached, tokens);
        if (isOne) counter.built.flagged! += 1;
        const cut = builtCut?.get(domain);
        if (cut !== undefined && drops(filter.dropWhen, score, cut)) add(counter.built.dropped, tokens);
        counter.histogram[counter.binOf(score)]! += 1;
      }
      if (judge(scores, domain, earlier).kind === "drop") continue;
      add(counter.reached, tokens);
      if (isOne) counter.flagged! += 1;
      counter.add(score, tokens);
    }
  }
  return counters;
}

function add(amount: Mutable<Amount>, tokens: number): void {
  amount.documents += 1;
  amount.tokens += tokens;
}

function counterOf(dropWhen: DropWhen, { thresholds, axis, bins, flagAt }: Counting, domain: DomainName) {
  const flagged = flagAt === null ? null : 0;
  const nothing = (): Mutable<Amount> => ({ documents: 0, tokens: 0 });
  const cuts = thresholds.get(domain) ?? [];
  /** Bucket b: scores that have exactly b cuts at or below them. */
  const documents = new Float64Array(cuts.length + 1);
  const tokens = new Float64Array(cuts.length + 1);
  return {
    total: nothing(),
    built: { reached: nothing(), flagged, dropped: nothing() },
    reached: nothing(),
    flagged,
    histogram: new Array<number>(bins).fill(0),
    binOf: (score: number) => Math.max(0, Math.min(bins - 1, Math.floor((score - axis.from) / axis.width))),
    add(score: number, count: number) {
      let [low, high] = [0, cuts.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (cuts[middle]! <= score) low = middle + 1;
        else high = middle;
      }
      documents[low]! += 1;
      tokens[low]! += count;
    },
    droppedAt(threshold: number): Amount {
      const c = cuts.indexOf(threshold);
      const [from, to] = dropWhen === "high" ? [c + 1, cuts.length + 1] : [0, c + 1];
      const sum = (counts: Float64Array) => counts.subarray(from, to).reduce((all, n) => all + n, 0);
      return { documents: sum(documents), tokens: sum(tokens) };
    },
  };
}
