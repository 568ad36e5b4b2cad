/**
 * A function of a person's own as a filter: a module that exports `filter`, with `score(document)` or `scoreBatch(documents)`.
 * Its own file, the files that it imports by relative paths and those that it names in `files` are its identity; packages are not.
 */
import { existsSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { sha256 } from "../../core/hash.ts";
import { array, nullable, number, object, oneOf, optional, type Parser, string } from "../../core/parse.ts";
import { readBytes } from "./files.ts";
import type { OpenedFilter, OwnDocument, OwnValue } from "./own-filter.ts";
import { type OwnSpec, ownScale } from "./spec.ts";

/** What a module exports as `filter`. What the option says (`:low`, `,cut=3`) goes before what is said here. */
export interface FilterModule {
  /** Which values are the ones to drop. */
  readonly dropWhen: "high" | "low";
  /** A value is divided by this. Default 1: |value| < 256. */
  readonly scale?: number;
  /** The value beyond which a document is flagged. Default: none. */
  readonly cut?: number | null;
  /** What becomes of a document for which there is no number. Default `quarantine`. */
  readonly missing?: "quarantine" | "keep";
  /** Other files that decide the values, by path from the module. Default: none. */
  readonly files?: readonly string[];
  /** The value of a document. */
  readonly score?: (document: OwnDocument) => OwnValue | Promise<OwnValue>;
  /** Or the values of many, in their order; each may depend on its document alone. */
  readonly scoreBatch?: (
    documents: readonly OwnDocument[],
  ) => readonly OwnValue[] | Promise<readonly OwnValue[]>;
  /** What made the value, for `headrace score --why`. */
  readonly why?: (document: OwnDocument) => readonly string[];
}

const callable: Parser<(...given: never[]) => unknown> = (value, at) => {
  if (typeof value === "function") return value as never;
  throw new HeadraceError("ERR_PARSE", `${at} is ${typeof value}; expected a function`);
};

const filterModule = object(
  {
    dropWhen: oneOf("high", "low"),
    scale: optional(number),
    cut: optional(nullable(number)),
    missing: optional(oneOf("quarantine", "keep")),
    files: optional(array(string)),
    score: optional(callable),
    scoreBatch: optional(callable),
    why: optional(callable),
  },
  { strict: true },
);

/** The filter of a module. Throws ERR_INPUT where it cannot be loaded, ERR_PARSE and ERR_FILTER where it exports something else. */
export async function openFunction(spec: OwnSpec): Promise<OpenedFilter> {
  const path = resolve(spec.value);
  const own = await filesOf(spec, path);
  const { dropWhen, scale = 1, cut = null, missing = "quarantine", ...module } = await load(spec, path);
  const valuesOf = batchOf(spec, module);
  const named = (module.files ?? []).map((file) => resolve(dirname(path), file));
  for (const file of named) own.set(file, sha256(await readBytes(spec, file)));
  return {
    ...ownScale(spec, { dropWhen, scale, cut, missing }),
    identity: {
      files: [...own]
        .map(([file, hash]) => ({ file: relative(dirname(path), file).split(sep).join("/"), sha256: hash }))
        .sort((a, b) => (a.file < b.file ? -1 : 1)),
    },
    saturates: false,
    values: valuesOf,
    ...(module.why && { why: module.why }),
  };
}

async function load(spec: OwnSpec, path: string): Promise<FilterModule> {
  let exported: { readonly filter?: unknown };
  try {
    exported = await import(pathToFileURL(path).href);
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `filter "${spec.name}": ${spec.value} cannot be loaded: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
  if (exported.filter === undefined)
    throw new HeadraceError(
      "ERR_FILTER",
      `filter "${spec.name}": ${spec.value} exports ${Object.keys(exported).join(", ") || "nothing"}; export a const filter = { dropWhen: "high", score(document) { … } }`,
    );
  return filterModule(exported.filter, `filter of ${spec.value}`) as FilterModule;
}

/** Values of a batch; where it fails as a whole, document by document, so that only those at fault have none. */
function batchOf(
  spec: OwnSpec,
  { score, scoreBatch }: Pick<FilterModule, "score" | "scoreBatch">,
): OpenedFilter["values"] {
  if ((score === undefined) === (scoreBatch === undefined))
    throw new HeadraceError(
      "ERR_FILTER",
      `filter "${spec.name}": ${spec.value} has ${score ? "both score and scoreBatch" : "neither score nor scoreBatch"}; give one of them`,
    );
  const one = async (document: OwnDocument): Promise<OwnValue> => {
    try {
      if (score) return checked(await score(document));
      const values = await scoreBatch!([document]);
      return values.length === 1
        ? checked(values[0])
        : { failed: `gave ${values.length} values for one document` };
    } catch (error) {
      return { failed: `threw ${JSON.stringify(messageOf(error))}` };
    }
  };
  return async (documents) => {
    if (scoreBatch)
      try {
        const values = await scoreBatch(documents);
        if (values.length === documents.length) return Array.from(values, checked);
      } catch {
        // Told document by document below.
      }
    const values: OwnValue[] = [];
    for (const document of documents) values.push(await one(document));
    return values;
  };
}

/** What a function gave, as a score field sees a value. */
function checked(value: unknown): OwnValue {
  if (typeof value === "number" || value === null || value === undefined) return value;
  return { holds: `a ${typeof value}` };
}

/** The module and what it imports by relative paths, with their hashes; a path that is in a string only is none. */
async function filesOf(
  spec: OwnSpec,
  path: string,
  seen = new Map<string, string>(),
): Promise<Map<string, string>> {
  const bytes = await readBytes(spec, path);
  seen.set(path, sha256(bytes));
  const found = bytes.toString().matchAll(/\b(?:from|import|require)\s*\(?\s*["'](\.{1,2}\/[^"'\n]+)["']/g);
  for (const [, target = ""] of found) {
    const file = resolve(dirname(path), target);
    if (!seen.has(file) && existsSync(file)) await filesOf(spec, file, seen);
  }
  return seen;
}
