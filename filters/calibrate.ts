/**
 * Scores and targets in, thresholds out, with what they will do and how sure that is. Pure: no files, no clock, no chance.
 * A cascade: the base of a later filter's rate is what the earlier ones leave in the domains that it applies to, or, where the target says
 * so, what they were given.
 * What it gives up: intervals take the sample as drawn at random, document by document, from what will be filtered.
 */
import type { DomainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import {
  CALIBRATION_FORMAT,
  type CalibratedFilter,
  type Calibration,
  type DomainThreshold,
  type Prediction,
  type ThresholdChoice,
} from "./calibration.ts";
import { drops, FILTERED_DOMAINS, type ScoreColumn } from "./filter.ts";
import { effectiveSize, wilson } from "./interval.ts";
import type { Target } from "./targets.ts";
import { thresholdChooser } from "./threshold.ts";

/** Scored documents, one entry a document in every column. */
export interface CalibrationSample {
  /** The domains that `domain` points into. */
  readonly domains: readonly DomainName[];
  /** Index into `domains`. */
  readonly domain: ArrayLike<number>;
  /** Tokens of the document, without BOS and EOS. */
  readonly tokens: ArrayLike<number>;
  /** Integer scores by filter name. */
  readonly scores: Readonly<Record<string, Int32Array>>;
  /** SHA-256 of what was sampled and how, by the caller's recipe. */
  readonly fingerprint: string;
  /** Whether the sample is the whole input; then predictions are exact and intervals have no width. Default false. */
  readonly whole?: boolean;
}

/** What to calibrate. */
export interface CalibrationRequest {
  /** In the order in which the filters judge. */
  readonly targets: readonly Target[];
  readonly filters: readonly ScoreColumn[];
  /** SHA-256 of the tokenizer. */
  readonly tokenizer: string;
  readonly samples: CalibrationSample;
  /** Domains a filter applies to, by filter name. Default for each: commoncrawl and c4. */
  readonly appliesTo?: Readonly<Record<string, readonly DomainName[]>>;
  /** Documents from which a domain has a threshold of its own. Default 1,000. */
  readonly minimumDocuments?: number;
}

/**
 * The thresholds whose rates on the sample are nearest to the targets. Deterministic; O(n log n) a filter.
 * A domain with fewer than `minimumDocuments` documents reaching a filter takes the threshold of the pool: all documents that reach it.
 * Throws ERR_CALIBRATION when a filter is unknown, has no scores, or no sample document reaches it.
 */
export function calibrateCascade(request: CalibrationRequest): Calibration {
  const { targets, samples, tokenizer, minimumDocuments = 1000 } = request;
  const alive = new Uint8Array(samples.domain.length).fill(1);
  const filters = targets.map((target) => calibrateFilter(bindTarget(request, target, alive)));
  return {
    format: CALIBRATION_FORMAT,
    tokenizer,
    minimumDocuments,
    filters,
    sample: describe(samples),
  };
}

/**
 * The thresholds, by domain, that the filter of the last target has at each of the rates in that target's unit, the targets before it as
 * they are: those of `calibrateCascade` with that rate. O(n log n), then O(domains log n) a rate. Throws ERR_CALIBRATION as it does.
 */
export function thresholdsAt(
  request: CalibrationRequest,
  rates: readonly number[],
): readonly ReadonlyMap<DomainName, number>[] {
  const alive = new Uint8Array(request.samples.domain.length).fill(1);
  for (const target of request.targets.slice(0, -1)) calibrateFilter(bindTarget(request, target, alive));
  const domains = choosersOf(bindTarget(request, request.targets.at(-1)!, alive));
  return rates.map((rate) => new Map(domains.map(({ domain, choose }) => [domain, choose(rate).threshold])));
}

interface FilterRequest {
  readonly target: Target;
  readonly filter: ScoreColumn;
  readonly scores: Int32Array;
  readonly appliesTo: readonly DomainName[];
  readonly samples: CalibrationSample;
  /** 1 for documents that the earlier filters left; those that this one drops are cleared. */
  readonly alive: Uint8Array;
  readonly minimumDocuments: number;
}

function bindTarget(request: CalibrationRequest, target: Target, alive: Uint8Array): FilterRequest {
  const { samples, minimumDocuments = 1000 } = request;
  const filter = request.filters.find(({ name }) => name === target.filter);
  const scores = samples.scores[target.filter];
  if (!filter || !scores)
    throw new HeadraceError(
      "ERR_CALIBRATION",
      `target for "${target.filter}", which ${filter ? "has no scores in the sample" : `is no filter here; known: ${request.filters.map(({ name }) => name).join(", ") || "none"}`}`,
    );
  const appliesTo = request.appliesTo?.[target.filter] ?? FILTERED_DOMAINS;
  return { target, filter, scores, appliesTo, samples, alive, minimumDocuments };
}

/** A domain that a filter applies to: the documents that reach it, and how its threshold is chosen. */
interface DomainChooser {
  readonly domain: DomainName;
  readonly documents: readonly number[];
  readonly own: boolean;
  readonly choose: (rate: number) => ThresholdChoice;
}

function choosersOf(request: FilterRequest): readonly DomainChooser[] {
  const { target, filter, scores, appliesTo, samples, alive, minimumDocuments } = request;
  const { name, dropWhen, flagAt = 0 } = filter;
  if (target.unit === "flagged" && flagAt === null)
    throw new HeadraceError(
      "ERR_CALIBRATION",
      `target for "${name}" is a share of what it flags, and without a cut it flags nothing; give it one (cut=VALUE), or write ${name}=${target.rate}:documents`,
    );
  const byDomain = appliesTo.map((domain) => reaching(samples, alive, domain));
  const pool = byDomain.flat();
  if (pool.length === 0)
    throw new HeadraceError(
      "ERR_CALIBRATION",
      `no document of the sample reaches the filter "${name}" (it applies to ${appliesTo.join(", ") || "no domain"}); sample more, or change where it applies`,
    );
  const { unit } = target;
  const chooser = (on: string, documents: readonly number[], domains: readonly DomainName[]) =>
    thresholdChooser({
      ...{ on, documents, scores, tokens: samples.tokens, dropWhen, unit, flagAt: flagAt ?? 0 },
      ...(target.of === "input" && { input: domains.flatMap((domain) => reaching(samples, null, domain)) }),
    });
  const enough = (documents: readonly number[]) => documents.length >= minimumDocuments;
  const onPool = byDomain.every(enough) ? null : chooser("pool", pool, appliesTo);
  return appliesTo.map((domain, d) => {
    const documents = byDomain[d]!;
    const own = enough(documents);
    return { domain, documents, own, choose: own ? chooser(domain, documents, [domain]) : onPool! };
  });
}

function calibrateFilter(request: FilterRequest): CalibratedFilter {
  const { target, filter, scores, appliesTo, samples, alive } = request;
  const { name, sha256, dropWhen } = filter;
  const choices = new Map<string, ThresholdChoice>();
  const choosers = choosersOf(request);
  const domains = choosers.map(({ domain, documents, own, choose }): DomainThreshold => {
    const choice = choose(target.rate);
    choices.set(choice.on, choices.get(choice.on) ?? choice);
    const { threshold, rate } = choice;
    for (const i of documents) if (drops(dropWhen, scores[i]!, threshold)) alive[i] = 0;
    return {
      domain,
      threshold,
      chosenOn: own ? "domain" : "pool",
      reached: {
        documents: documents.length,
        tokens: documents.reduce((sum, i) => sum + samples.tokens[i]!, 0),
      },
      predicted: predict(samples, documents, alive, rate),
    };
  });
  return {
    name,
    sha256,
    dropWhen,
    target: { rate: target.rate, unit: target.unit, ...(target.of && { of: target.of }) },
    appliesTo,
    domains,
    choices: [...choices.values()],
    predicted: predict(
      samples,
      choosers.flatMap(({ documents }) => documents),
      alive,
      target.rate,
    ),
  };
}

/** The documents of a domain that earlier filters left; null: all. */
function reaching(
  samples: CalibrationSample,
  alive: Uint8Array | null,
  domain: DomainName,
): readonly number[] {
  const wanted = samples.domains.indexOf(domain);
  const documents: number[] = [];
  for (let i = 0; i < samples.domain.length; i++)
    if (alive?.[i] !== 0 && samples.domain[i] === wanted) documents.push(i);
  return documents;
}

/** `unseen` is the rate to state where no document was seen; its interval is [0, 1]. */
function predict(
  samples: CalibrationSample,
  documents: readonly number[],
  alive: Uint8Array,
  unseen: number,
): Prediction {
  const dropped = { documents: 0, weight: 0, squares: 0 };
  const kept = { documents: 0, weight: 0, squares: 0 };
  for (const i of documents) {
    const side = alive[i] === 0 ? dropped : kept;
    const tokens = samples.tokens[i]!;
    side.documents += 1;
    side.weight += tokens;
    side.squares += tokens * tokens;
  }
  const tokens = dropped.weight + kept.weight;
  const precise = (size: number) => (samples.whole && size > 0 ? Number.POSITIVE_INFINITY : size);
  return {
    documents: wilson(
      documents.length === 0 ? unseen : dropped.documents / documents.length,
      precise(documents.length),
    ),
    tokens: wilson(tokens === 0 ? unseen : dropped.weight / tokens, precise(effectiveSize(dropped, kept))),
  };
}

function describe(samples: CalibrationSample): Calibration["sample"] {
  const domains = samples.domains.map((domain) => ({ domain, documents: 0, tokens: 0 }));
  for (let i = 0; i < samples.domain.length; i++) {
    const entry = domains[samples.domain[i]!]!;
    entry.documents += 1;
    entry.tokens += samples.tokens[i]!;
  }
  return {
    fingerprint: samples.fingerprint,
    documents: samples.domain.length,
    tokens: domains.reduce((sum, { tokens }) => sum + tokens, 0),
    domains,
    whole: samples.whole ?? false,
  };
}
