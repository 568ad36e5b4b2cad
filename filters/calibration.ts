/**
 * The calibration artefact: which thresholds a build drops at, what they were chosen for and what they are predicted to do.
 * It is a file and an input of the build by its hash, so it holds no time, host or path.
 */
import { type DomainName, domainName } from "../core/domain.ts";
import { HeadraceError } from "../core/errors.ts";
import {
  array,
  boolean,
  integer,
  number,
  object,
  oneOf,
  optional,
  type Parser,
  parseJson,
  string,
} from "../core/parse.ts";
import { type CascadeStep, type DropWhen, type Filter, SCORE_LIMIT } from "./filter.ts";
import type { RateInterval } from "./interval.ts";
import { TARGET_UNITS, type Target } from "./targets.ts";

export const CALIBRATION_FORMAT = "headrace-calibration/1";

/** What one threshold is predicted to drop, as shares of what reaches it, with 99 % prediction intervals. */
export interface Prediction {
  readonly documents: RateInterval;
  readonly tokens: RateInterval;
}

/** The threshold of one domain. */
export interface DomainThreshold {
  readonly domain: DomainName;
  /** An integer score. */
  readonly threshold: number;
  /** `domain`: chosen on this domain's own documents; `pool`: on those of all domains that the filter applies to. */
  readonly chosenOn: "domain" | "pool";
  /** Documents and tokens of this domain's sample that reach the filter. */
  readonly reached: { readonly documents: number; readonly tokens: number };
  readonly predicted: Prediction;
}

/** What was chosen on one set of documents: a domain's own, or the pool. */
export interface ThresholdChoice {
  /** A domain's name, or `pool`. */
  readonly on: string;
  readonly threshold: number;
  /** Documents the choice was made on, those of them that the filter flags, and their tokens. */
  readonly documents: number;
  readonly flagged: number;
  readonly tokens: number;
  /** The share reached in the target's own unit, and the nearest reachable ones at or below and at or above the target: far apart where scores tie. */
  readonly rate: number;
  readonly below: number;
  readonly above: number;
}

/** One filter of the cascade. */
export interface CalibratedFilter {
  readonly name: string;
  readonly sha256: string;
  readonly dropWhen: DropWhen;
  readonly target: Omit<Target, "filter">;
  readonly appliesTo: readonly DomainName[];
  readonly domains: readonly DomainThreshold[];
  readonly choices: readonly ThresholdChoice[];
  /** Over all domains the filter applies to, in the sample's mixture, of what the earlier filters leave. */
  readonly predicted: Prediction;
}

/** The artefact. */
export interface Calibration {
  readonly format: typeof CALIBRATION_FORMAT;
  /** SHA-256 of the tokenizer the scores and token counts are of. */
  readonly tokenizer: string;
  /** A domain with fewer sample documents than this takes the pool's threshold. */
  readonly minimumDocuments: number;
  readonly filters: readonly CalibratedFilter[];
  readonly sample: {
    /** SHA-256 of whatever the caller sampled from, by its own recipe. */
    readonly fingerprint: string;
    readonly documents: number;
    readonly tokens: number;
    readonly domains: readonly {
      readonly domain: DomainName;
      readonly documents: number;
      readonly tokens: number;
    }[];
    /** Whether the sample is the whole input, so that predictions are counts and not estimates. */
    readonly whole: boolean;
  };
}

const count = integer(0);
const share: Parser<number> = (value, at) => {
  const rate = number(value, at);
  if (rate < 0 || rate > 1)
    throw new HeadraceError("ERR_PARSE", `${at} is ${rate}; expected a share from 0 to 1`);
  return rate;
};
const name: Parser<DomainName> = (value, at) => domainName(string(value, at));
const threshold = integer(-SCORE_LIMIT, SCORE_LIMIT);
const interval = object({ rate: share, from: share, to: share }, { strict: true });
const prediction = object({ documents: interval, tokens: interval }, { strict: true });

const target: Parser<Omit<Target, "filter">> = (value, at) => {
  const fields = { rate: share, unit: oneOf(...TARGET_UNITS), of: optional(oneOf("input")) };
  const { of, ...rest } = object(fields, { strict: true })(value, at);
  return of === undefined ? rest : { ...rest, of };
};

const filter = object(
  {
    name: string,
    sha256: string,
    dropWhen: oneOf("high", "low"),
    target,
    appliesTo: array(name),
    domains: array(
      object(
        {
          domain: name,
          threshold,
          chosenOn: oneOf("domain", "pool"),
          reached: object({ documents: count, tokens: count }, { strict: true }),
          predicted: prediction,
        },
        { strict: true },
      ),
    ),
    choices: array(
      object(
        {
          on: string,
          threshold,
          documents: count,
          flagged: count,
          tokens: count,
          rate: share,
          below: share,
          above: share,
        },
        { strict: true },
      ),
    ),
    predicted: prediction,
  },
  { strict: true },
);

const calibration: Parser<Calibration> = object(
  {
    format: oneOf(CALIBRATION_FORMAT),
    tokenizer: string,
    minimumDocuments: integer(1),
    filters: array(filter),
    sample: object(
      {
        fingerprint: string,
        documents: count,
        tokens: count,
        domains: array(object({ domain: name, documents: count, tokens: count }, { strict: true })),
        whole: boolean,
      },
      { strict: true },
    ),
  },
  { strict: true },
);

/** Checks a value read from `calibration.json`; `subject` names the file in errors. Throws ERR_PARSE and ERR_CALIBRATION. */
export function parseCalibration(value: unknown, subject = "calibration"): Calibration {
  const parsed = calibration(value, subject);
  for (const { name, appliesTo, domains } of parsed.filters) {
    const missing = appliesTo.find((domain) => !domains.some((entry) => entry.domain === domain));
    if (missing)
      throw new HeadraceError(
        "ERR_CALIBRATION",
        `${subject}: filter "${name}" applies to ${missing} and has no threshold for it; calibrate again`,
      );
  }
  return parsed;
}

/** Reads the text of a `calibration.json`. Throws ERR_PARSE and ERR_CALIBRATION. */
export function parseCalibrationJson(text: string, subject = "calibration"): Calibration {
  return parseCalibration(
    parseJson<unknown>(text, (value) => value, subject),
    subject,
  );
}

/**
 * The cascade that `judge` runs, bound to the filters that the caller scores with; `column` is the place in `filters`.
 * Throws ERR_CALIBRATION when a filter is absent, or its model is not the one that was calibrated.
 */
export function cascadeOf(
  calibration: Calibration,
  filters: readonly Pick<Filter, "name" | "sha256" | "dropWhen">[],
): readonly CascadeStep[] {
  return calibration.filters.map(({ name, sha256, dropWhen, domains }) => {
    const column = filters.findIndex((filter) => filter.name === name);
    const bound = filters[column];
    if (!bound)
      throw new HeadraceError(
        "ERR_CALIBRATION",
        `the calibration drops by "${name}", which is not among the filters here (${filters.map((f) => f.name).join(", ") || "none"}); add it or calibrate again`,
      );
    if (bound.sha256 !== sha256 || bound.dropWhen !== dropWhen)
      throw new HeadraceError(
        "ERR_CALIBRATION",
        `filter "${name}" has the model ${bound.sha256.slice(0, 12)}, the calibration was made for ${sha256.slice(0, 12)}; calibrate again`,
      );
    return {
      filter: name,
      dropWhen,
      column,
      thresholds: new Map(domains.map((entry) => [entry.domain, entry.threshold])),
    };
  });
}
