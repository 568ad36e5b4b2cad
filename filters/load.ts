/**
 * Opens a filter by name or by path of a model file, and refuses weights made for another vocabulary.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeFileWhole } from "../core/commit.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import type { Filter } from "./filter.ts";
import type { FilterModel, ModelFilter } from "./model.ts";
import { filterOf, formatModel } from "./model-file.ts";
import { findRuleFilter, RULE_SETS } from "./rules/sets.ts";

/** The filters that ship with headrace. */
export const BUILT_IN_FILTERS = ["ads", "fluency"] as const;

/** Models that an earlier version had under these names, for calibrations and builds that were made with them. */
export const EARLIER_MODELS = ["ads-1", "fluency-1"] as const;

/**
 * A filter: `ads`, `fluency`, a published rule set by name, or the path of a model file. `tokenizer` is the SHA-256 of the tokenizer whose ids will be scored.
 * Throws ERR_INPUT when the file cannot be read, ERR_PARSE and ERR_FILTER when it is broken or made for another tokenizer.
 */
export function loadFilter(nameOrPath: string, tokenizer: string): Filter {
  const rules = findRuleFilter(nameOrPath);
  if (rules) return rules;
  const filter = readModel(nameOrPath);
  if (filter.tokenizer !== tokenizer)
    throw new HeadraceError(
      "ERR_FILTER",
      `filter "${filter.name}" has weights for the tokenizer ${filter.tokenizer?.slice(0, 12)}, the documents have ${tokenizer.slice(0, 12)}; train it for this one with headrace train-filter`,
    );
  return filter;
}

/** The filter of a model file with its model, whatever its tokenizer. Throws ERR_INPUT, ERR_PARSE and ERR_FILTER. */
export function readModel(nameOrPath: string): ModelFilter {
  const builtIn = [...BUILT_IN_FILTERS, ...EARLIER_MODELS].some((name) => name === nameOrPath);
  const path = builtIn ? join(modelsFolder(), `${nameOrPath}.json`) : nameOrPath;
  try {
    return filterOf(readFileSync(path, "utf8"), path);
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause;
    throw new HeadraceError(
      "ERR_INPUT",
      `filter "${nameOrPath}" cannot be read (${messageOf(cause)}); give ${[...BUILT_IN_FILTERS, ...RULE_SETS.map(({ name }) => name)].join(", ")} or the path of a model file`,
      { cause },
    );
  }
}

/** Writes a model file, whole or not at all, and returns its SHA-256. Throws ERR_OUTPUT. */
export async function writeModel(path: string, model: FilterModel): Promise<string> {
  const text = formatModel(model);
  await writeFileWhole(path, text);
  return sha256(text);
}

/**
 * The folder of the models: `models` beside this file in a checkout. In the package this file is `dist/filters/load.js`
 * and the models, which are not compiled, stay at `filters/models` of the package's root.
 */
function modelsFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const beside = join(here, "models");
  return existsSync(beside) ? beside : join(here, "..", "..", "filters", "models");
}
