/**
 * The only border where `unknown` becomes a typed value: JSON files, messages, manifests.
 * A parser names the path of the field that is wrong, the value seen there and what was expected.
 */
import { HeadraceError } from "./errors.ts";

/** Turns an unknown value into `T`, or throws ERR_PARSE naming `at`. */
export type Parser<T> = (value: unknown, at: string) => T;

type Shape = Readonly<Record<string, Parser<unknown>>>;
type Parsed<S extends Shape> = { readonly [K in keyof S]: S[K] extends Parser<infer T> ? T : never };

/** Any string. */
export const string: Parser<string> = (value, at) =>
  typeof value === "string" ? value : mismatch(at, value, "a string");

/** `true` or `false`. */
export const boolean: Parser<boolean> = (value, at) =>
  typeof value === "boolean" ? value : mismatch(at, value, "true or false");

/** A finite number. */
export const number: Parser<number> = (value, at) =>
  typeof value === "number" && Number.isFinite(value) ? value : mismatch(at, value, "a finite number");

/** Whatever is there; for fields that are kept but not read. */
export const anything: Parser<unknown> = (value) => value;

/** A whole number in [from, to], both inclusive; by default every integer that is exact in a double. */
export function integer(from = Number.MIN_SAFE_INTEGER, to = Number.MAX_SAFE_INTEGER): Parser<number> {
  return (value, at) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= from && value <= to
      ? value
      : mismatch(at, value, `a whole number from ${from} to ${to}`);
}

/** One of the given strings or numbers. */
export function oneOf<const T extends string | number>(...allowed: readonly T[]): Parser<T> {
  return (value, at) =>
    (allowed as readonly unknown[]).includes(value)
      ? (value as T)
      : mismatch(at, value, `one of ${allowed.join(", ")}`);
}

/** A list whose every element parses. */
export function array<T>(element: Parser<T>): Parser<readonly T[]> {
  return (value, at) =>
    Array.isArray(value)
      ? value.map((item, i) => part(element, item, () => `${at}[${i}]`))
      : mismatch(at, value, "a list");
}

/** An object whose every value parses; the keys are free. */
export function record<T>(element: Parser<T>): Parser<Readonly<Record<string, T>>> {
  return (value, at) =>
    Object.fromEntries(
      Object.entries(asObject(value, at)).map(([key, item]) => [
        key,
        part(element, item, () => `${at}.${key}`),
      ]),
    );
}

/** `null`, or what the parser accepts. */
export function nullable<T>(element: Parser<T>): Parser<T | null> {
  return (value, at) => (value === null ? null : element(value, at));
}

/** What the parser accepts, or `fallback` where the field is absent. */
export function optional<T>(element: Parser<T>): Parser<T | undefined>;
export function optional<T>(element: Parser<T>, fallback: T): Parser<T>;
export function optional<T>(element: Parser<T>, fallback?: T): Parser<T | undefined> {
  return (value, at) => (value === undefined ? fallback : element(value, at));
}

/** An object with at least the given fields; fields that the shape does not name are refused when `strict`. */
export function object<S extends Shape>(
  shape: S,
  options?: { readonly strict?: boolean },
): Parser<Parsed<S>> {
  const fields = Object.entries(shape);
  return (value, at) => {
    const source = asObject(value, at);
    if (options?.strict) {
      const stranger = Object.keys(source).find((key) => !(key in shape));
      if (stranger !== undefined)
        mismatch(
          `${at}.${stranger}`,
          source[stranger],
          `no such field; known: ${Object.keys(shape).join(", ")}`,
        );
    }
    const parsed: Record<string, unknown> = {};
    for (const [key, parser] of fields) {
      const field = part(parser, source[key], () => `${at}.${key}`);
      if (field !== undefined) parsed[key] = field;
    }
    return parsed as Parsed<S>;
  };
}

/** Parses JSON text with `parser`; `subject` names the text in errors. Throws ERR_PARSE. */
export function parseJson<T>(text: string, parser: Parser<T>, subject: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HeadraceError("ERR_PARSE", `${subject} is not JSON: ${(cause as Error).message}`, { cause });
  }
  return parser(value, subject);
}

/**
 * Parses a part of a value. Where it lies is put into words only when it is wrong, by parsing it again: a manifest has a million parts,
 * and naming each took most of the time that reading it did.
 */
function part<T>(parser: Parser<T>, value: unknown, at: () => string): T {
  try {
    return parser(value, "");
  } catch {
    return parser(value, at());
  }
}

function asObject(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) mismatch(at, value, "an object");
  return value as Readonly<Record<string, unknown>>;
}

function mismatch(at: string, value: unknown, expected: string): never {
  const seen = value === undefined ? "absent" : (JSON.stringify(value) ?? String(value));
  const shown = seen.length > 80 ? `${seen.slice(0, 77)}...` : seen;
  throw new HeadraceError("ERR_PARSE", `${at} is ${shown}; expected ${expected}`);
}
