/**
 * A filter of one's own as it is asked for on the command line: `NAME=KIND:VALUE:high|low,SETTING=…`.
 */
import { HeadraceError } from "../../core/errors.ts";
import type { DropWhen } from "../filter.ts";
import type { Band, OwnScale } from "./own-filter.ts";

/** The kinds of filters that can be brought along, and the settings that each has beside those that all have. */
export const OWN_KINDS = {
  contamination: ["n", "least"],
  duplicates: [],
  fasttext: ["label"],
  function: [],
  length: [],
  ngram: ["by", "per", "case"],
  onnx: ["label", "tokens", "dtype"],
  regex: ["measure", "flags"],
  "url-domains": [],
  "url-words": [],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** What kind of thing decides the values. */
export type OwnKind = keyof typeof OWN_KINDS;

/** Settings that every kind has. */
const COMMON = ["cut", "scale", "missing", "band"];

/** Kinds that the end of a path tells, so that they need not be said. */
const BY_ENDING: readonly (readonly [RegExp, OwnKind])[] = [
  [/\.[mc]?[jt]s$/, "function"],
  [/\.(bin|ftz)$/, "fasttext"],
  [/\.arpa(\.gz)?$/, "ngram"],
];

/** A filter as it was asked for. */
export interface OwnSpec {
  /** The whole text, for messages. */
  readonly text: string;
  readonly name: string;
  readonly kind: OwnKind;
  /** A path, a pattern or a unit, by the kind. */
  readonly value: string;
  /** Null where it was not said. */
  readonly dropWhen: DropWhen | null;
  readonly settings: ReadonlyMap<string, string>;
}

/**
 * Parses `long=length:words:high,cut=50000`, `mine=./mine.ts` and the like. A regular expression may hold colons and commas; trailing
 * `,key=value` is always a setting. Throws ERR_ARGUMENT, naming what is wrong.
 */
export function parseOwnSpec(text: string): OwnSpec {
  const match = /^([a-z0-9_][a-z0-9_-]*)=(?:([a-z-]+):)?(.+?)(?::(high|low))?((?:,[a-z]+=[^,]*)*)$/s.exec(
    text,
  );
  if (!match)
    return refuse(
      text,
      "has another form; write NAME=KIND:VALUE:high or :low, for example long=length:words:high, and after it settings such as ,cut=50000",
    );
  const [, name = "", said, rest = "", direction, trailing = ""] = match;
  const named = said !== undefined && said in OWN_KINDS;
  // What stands before a colon and is no kind belongs to the value: a path may hold a colon.
  const value = named || said === undefined ? rest : `${said}:${rest}`;
  const kind = named ? (said as OwnKind) : BY_ENDING.find(([ending]) => ending.test(value))?.[1];
  if (kind === undefined)
    return refuse(
      text,
      `does not say what "${value}" is; kinds are ${Object.keys(OWN_KINDS).join(", ")}, as in ${name}=${Object.keys(OWN_KINDS)[1]}:…`,
    );
  const known: readonly string[] = [...COMMON, ...OWN_KINDS[kind]];
  const settings = new Map<string, string>();
  for (const part of trailing.split(",").slice(1)) {
    const at = part.indexOf("=");
    const key = part.slice(0, at);
    if (!known.includes(key)) refuse(text, `has the setting "${part}"; ${kind} has ${known.join(", ")}`);
    settings.set(key, part.slice(at + 1));
  }
  return { text, name, kind, value, dropWhen: (direction as DropWhen | undefined) ?? null, settings };
}

/** Throws ERR_ARGUMENT. */
export function refuse(text: string, what: string): never {
  throw new HeadraceError("ERR_ARGUMENT", `filter "${text}" ${what}`);
}

/** What the kinds differ in where nothing is said. `dropWhen` null: it must be said. */
export type OwnDefaults = Omit<OwnScale, "name" | "dropWhen"> & { readonly dropWhen: DropWhen | null };

/** Direction, scale, cut and what becomes of missing values, from the settings or else the defaults. Throws ERR_ARGUMENT. */
export function ownScale({ text, name, dropWhen, settings }: OwnSpec, defaults: OwnDefaults): OwnScale {
  const direction = dropWhen ?? defaults.dropWhen;
  if (direction === null)
    return refuse(text, "does not say whether high or low values are dropped; write :high or :low after it");
  const scale = numberSetting(text, settings, "scale") ?? defaults.scale;
  if (!(scale > 0)) refuse(text, `has the scale ${scale}; it is above 0`);
  const cut = numberSetting(text, settings, "cut") ?? defaults.cut;
  if (cut !== null && !(Math.abs(cut) < 256 * scale))
    refuse(text, `has the cut ${cut}, which is no score with scale ${scale}`);
  const missing = settings.get("missing") ?? defaults.missing;
  if (missing !== "keep" && missing !== "quarantine")
    return refuse(text, `has missing=${missing}; it is keep or quarantine`);
  return { name, dropWhen: direction, scale, cut, missing };
}

/** The band of a filter, `band=ads:-1..1`; null where it sees every document. Throws ERR_ARGUMENT. */
export function bandOf({ text, settings }: OwnSpec): Band | null {
  const band = settings.get("band");
  if (band === undefined) return null;
  const match = /^([a-z0-9_][a-z0-9_-]*):(.+)\.\.(.+)$/.exec(band);
  const [from, to] = [Number(match?.[2] || Number.NaN), Number(match?.[3] || Number.NaN)];
  if (!match || !(from < to))
    return refuse(
      text,
      `has band=${band}; write band=FILTER:FROM..TO, the values of an earlier filter's column that reach this one, such as band=ads:-1..1`,
    );
  return { filter: match[1]!, from, to };
}

function numberSetting(text: string, settings: ReadonlyMap<string, string>, key: string): number | null {
  const said = settings.get(key);
  if (said === undefined) return null;
  const value = said.trim() === "" ? Number.NaN : Number(said);
  return Number.isFinite(value) ? value : refuse(text, `has ${key}=${said}; give a number`);
}

/** A whole number from 1; null where nothing is said. Throws ERR_ARGUMENT. */
export function integerSetting({ text, settings }: OwnSpec, key: string): number | null {
  const value = numberSetting(text, settings, key);
  return value === null || (Number.isSafeInteger(value) && value > 0)
    ? value
    : refuse(text, `has ${key}=${value}; give a whole number from 1`);
}

/** One of the words that a setting may be; the first where nothing is said. Throws ERR_ARGUMENT. */
export function wordSetting<const Word extends string>(
  { text, settings }: OwnSpec,
  key: string,
  words: readonly [Word, ...Word[]],
): Word {
  const said = settings.get(key) ?? words[0];
  return words.find((word) => word === said) ?? refuse(text, `has ${key}=${said}; it is ${words.join(", ")}`);
}
