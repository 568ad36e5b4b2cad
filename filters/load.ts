/**
 * Opens a filter by name or by path of a model file, and refuses weights made for another vocabulary.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HeadraceError, messageOf } from "../core/errors.ts";
import type { Filter } from "./filter.ts";
import { filterOf } from "./model.ts";

/** The filters that ship with headrace. */
export const BUILT_IN_FILTERS = ["ads", "fluency"] as const;

/**
 * A filter: `ads`, `fluency`, or the path of a model file. `tokenizer` is the SHA-256 of the tokenizer whose ids will be scored.
 * Throws ERR_INPUT when the file cannot be read, ERR_PARSE and ERR_FILTER when it is broken or made for another tokenizer.
 */
export function loadFilter(nameOrPath: string, tokenizer: string): Filter {
  const builtIn = (BUILT_IN_FILTERS as readonly string[]).includes(nameOrPath);
  const path = builtIn ? join(modelsFolder(), `${nameOrPath}.json`) : nameOrPath;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new HeadraceError(
      "ERR_INPUT",
      `filter "${nameOrPath}" cannot be read (${messageOf(cause)}); give ${BUILT_IN_FILTERS.join(", ")} or the path of a model file`,
      { cause },
    );
  }
  const filter = filterOf(text, path);
  if (filter.tokenizer !== tokenizer)
    throw new HeadraceError(
      "ERR_FILTER",
      `filter "${filter.name}" has weights for the tokenizer ${filter.tokenizer?.slice(0, 12)}, the documents have ${tokenizer.slice(0, 12)}; train it for this one with headrace train-filter`,
    );
  return filter;
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
