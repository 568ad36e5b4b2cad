/**
 * What the inspection page holds: plain data that its script draws. Scores and thresholds are integers in parts of 65,536, so that the page
 * counts and compares exactly.
 */

/** Documents and their tokens. */
export interface Amount {
  readonly documents: number;
  readonly tokens: number;
}

/** A unit of a target rate. */
export type Unit = "documents" | "flagged" | "tokens";

/** What `build --from` with a target would do in one domain, for each rate of the unit. */
export interface DomainSweep {
  /** Documents that the earlier filters leave in it. */
  readonly reached: Amount;
  /** Those of them that the filter flags: the base of `flagged`. Null where it flags nothing. */
  readonly flagged: number | null;
  /** One entry a rate. */
  readonly thresholds: readonly number[];
  readonly documents: readonly number[];
  readonly tokens: readonly number[];
}

/** The rates of one unit and what they do. */
export interface Sweep {
  readonly unit: Unit;
  /** Ascending, from 0 to 1. */
  readonly rates: readonly number[];
  /** By domain; those that the filter applies to. */
  readonly domains: Readonly<Record<string, DomainSweep>>;
}

/** What the build itself did with the filter in one domain. */
export interface BuiltCut {
  readonly threshold: number;
  readonly reached: Amount;
  /** Those of them that the filter flags; null where it flags nothing. */
  readonly flagged: number | null;
  readonly dropped: Amount;
}

/** A domain of the build. */
export interface PageDomain {
  readonly name: string;
  readonly total: Amount;
  /** Null where the filter does not apply. */
  readonly built: BuiltCut | null;
  /** Documents by score: those that reach the filter; all, where it does not apply. The first and the last bin hold what lies beyond. */
  readonly histogram: readonly number[];
}

/** A document to read. */
export interface PageDocument {
  /** Index into the domains. */
  readonly domain: number;
  readonly source: string;
  readonly line: number;
  readonly tokens: number;
  readonly score: number;
  readonly split: "train" | "validation" | "dropped";
  readonly droppedBy: string | null;
  /** UTF-16 units that the text has beyond what is shown. */
  readonly cut: number;
  /** The beginning of the text: text and weight in turn; 0: not among the heaviest. */
  readonly runs: readonly (string | number)[];
  /** What the score is made of: words and weight in turn. Null where that is not known. */
  readonly parts: readonly (string | number)[] | null;
  /** The sum of the parts where it is not the score: the shard does not hold all that was scored. */
  readonly partial: number | null;
}

/** The page. */
export interface PageData {
  readonly format: "headrace-inspect/1";
  /** The folder of shards as it was named. */
  readonly shards: string;
  readonly fingerprint: string;
  readonly filter: string;
  readonly dropWhen: "high" | "low";
  /** Where the bins of the histograms lie: the lower edge of the first, and the width of each. */
  readonly axis: { readonly from: number; readonly width: number };
  /** The `--drop` targets before and behind the filter's, and the other flags that the command needs. */
  readonly command: {
    readonly before: readonly string[];
    readonly after: readonly string[];
    readonly flags: readonly string[];
  };
  /** What the build was asked for; null where it did not drop by this filter. */
  readonly target: { readonly unit: Unit; readonly rate: number; readonly of?: "input" } | null;
  readonly domains: readonly PageDomain[];
  readonly sweeps: readonly Sweep[];
  readonly documents: readonly PageDocument[];
  /** How much of each text is shown, in UTF-16 units. */
  readonly characters: number;
  /** Whether dropped documents were there to be shown. */
  readonly dropped: boolean;
  readonly unexplained: string | null;
}
