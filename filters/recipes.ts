/**
 * The recipes that headrace knows, by filter name.
 */
import { ADS } from "./ads.ts";
import { FLUENCY } from "./fluency.ts";
import type { Recipe } from "./recipe.ts";

/** `ads` and `fluency`. */
export const RECIPES: Readonly<Record<string, Recipe>> = { ads: ADS, fluency: FLUENCY };
