/**
 * A score that the input already has: a field of its JSON lines or a column of its tables, as a filter. Its value over a stated scale is the
 * score, in parts of 65,536 like every other, so thresholds, calibration and the score table are the same.
 * What it gives up: values are rounded to a 65,536th of the scale.
 */
import { HeadraceError } from "../core/errors.ts";
import { hashOf } from "../core/hash.ts";
import { nullable, number, object, oneOf, type Parser, string } from "../core/parse.ts";
import { type DropWhen, SCORE_LIMIT, SCORE_UNIT, type ScoreColumn } from "./filter.ts";

/** A score field as it is asked for. Plain data: it goes to workers and into the hash of a build. */
export interface ScoreField {
  readonly name: string;
  /** Where the value is: `edu`, or `meta.edu` inside an object. */
  readonly path: string;
  /** Which values are the ones to drop. */
  readonly dropWhen: DropWhen;
  /** A value is divided by this; |value| < 256 times it. Above 0. */
  readonly scale: number;
  /** What becomes of a record whose field is absent, null or no number: it is quarantined, or passes this filter. */
  readonly missing: "quarantine" | "keep";
  /** The value beyond which a document is flagged: below it where low values are dropped, above it where high ones are. Null: nothing is flagged. */
  readonly cut: number | null;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What a record holds at the path: a number, something else, null, or no such field. */
export type FieldValue = number | { readonly holds: string } | null | undefined;

/** Why a value is no score. */
export interface NoScore {
  readonly code: "no-score" | "score-not-number" | "score-out-of-range";
  readonly detail: string;
}

const FORM =
  "write NAME=PATH:high or NAME=PATH:low, for example edu=meta.edu:low, and after it ,cut=3 ,scale=16 ,missing=keep where they are needed";

/**
 * Parses `edu=meta.edu:low,scale=16,missing=keep`: `high` drops high values, `low` low ones. Scale 1 and `missing=quarantine` need not be said.
 * Throws ERR_ARGUMENT, naming what is wrong.
 */
export function parseScoreField(text: string): ScoreField {
  const match = /^([a-z0-9_][a-z0-9_-]*)=(.+):([^:,]*)((?:,[^,]*)*)$/.exec(text);
  const refuse = (what: string): never => {
    throw new HeadraceError("ERR_ARGUMENT", `score field "${text}" ${what}; ${FORM}`);
  };
  if (!match)
    return refuse(
      /^[^=:]+=[^:]+$/.test(text)
        ? "does not say whether high or low values are dropped"
        : "has another form",
    );
  const [, name = "", path = "", direction = "", rest = ""] = match;
  if (direction !== "high" && direction !== "low") return refuse(`has the direction "${direction}"`);
  const settings: Pick<Mutable<ScoreField>, "scale" | "missing" | "cut"> = {
    scale: 1,
    missing: "quarantine",
    cut: null,
  };
  for (const setting of rest.split(",").slice(1)) {
    const [key, value = ""] = setting.split("=");
    const amount = value === "" ? Number.NaN : Number(value);
    if (key === "scale" && amount > 0 && Number.isFinite(amount)) settings.scale = amount;
    else if (key === "cut" && Number.isFinite(amount)) settings.cut = amount;
    else if (key === "missing" && (value === "keep" || value === "quarantine")) settings.missing = value;
    else refuse(`has the setting "${setting}"; there are scale=NUMBER above 0, cut=NUMBER and missing=keep`);
  }
  const { cut, scale } = settings;
  if (cut !== null && !isScore(scoreIn(cut, scale)))
    refuse(`has the cut ${cut}, which is no score with scale ${scale}`);
  return { name, path, dropWhen: direction, ...settings };
}

/** Reads a score field from a file that names it. */
export const scoreField: Parser<ScoreField> = object(
  {
    name: string,
    path: string,
    dropWhen: oneOf("high", "low"),
    scale: number,
    missing: oneOf("quarantine", "keep"),
    cut: nullable(number),
  },
  { strict: true },
);

/** The column of a score field; its hash changes with everything that changes a score. */
export function scoreFieldColumn(field: ScoreField): ScoreColumn {
  const { name, path, dropWhen, scale, missing, cut } = field;
  return {
    name,
    dropWhen,
    sha256: hashOf({ kind: "score-field", name, path, dropWhen, scale, missing, cut }),
    flagAt: flagAtOf(field),
  };
}

/** The integer score of the cut. */
export function flagAtOf({ cut, scale }: Pick<ScoreField, "cut" | "scale">): number | null {
  return cut === null ? null : scoreIn(cut, scale);
}

function scoreIn(value: number, scale: number): number {
  // Plus 0, for no score is -0.
  return Math.round((value / scale) * SCORE_UNIT) + 0;
}

function isScore(score: number): boolean {
  return Math.abs(score) < SCORE_LIMIT;
}

/** The score that stands for a value that is missing and shall pass: as far from what is dropped as there is. */
export function passingScore(dropWhen: DropWhen): number {
  return dropWhen === "high" ? 1 - SCORE_LIMIT : SCORE_LIMIT - 1;
}

/** The integer score of a value, or why there is none. Pure. */
export function scoreOfField(field: ScoreField, value: FieldValue): number | NoScore {
  const { path, scale, missing, dropWhen } = field;
  if (typeof value === "number" && !Number.isNaN(value)) {
    const score = scoreIn(value, scale);
    if (isScore(score)) return score;
    const limit = (SCORE_LIMIT / SCORE_UNIT) * scale;
    return {
      code: "score-out-of-range",
      detail: `\`${path}\` is ${value}, and with scale ${scale} a score lies between -${limit} and ${limit}; give a larger scale`,
    };
  }
  if (missing === "keep") return passingScore(dropWhen);
  if (value === null || value === undefined)
    return {
      code: "no-score",
      detail: `${value === null ? `\`${path}\` is null` : `no \`${path}\` in the record`}; missing=keep lets such a record pass`,
    };
  return {
    code: "score-not-number",
    detail: `\`${path}\` holds ${typeof value === "number" ? "NaN" : value.holds}, not a number; missing=keep lets such a record pass`,
  };
}
