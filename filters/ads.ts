/**
 * Advertising: pages whose purpose is to sell. High scores are dropped.
 * Which words occur says most of it, so ids are weighted by rarity and the measures count little.
 */
import type { Recipe } from "./recipe.ts";

/** The recipe of the built-in `ads` model. */
export const ADS: Recipe = {
  name: "ads",
  dropWhen: "high",
  sought: "ads >= 2",
  soughtGrades: [2, 3],
  targets: [0, 0.2, 0.8, 1],
  inverseDocumentFrequency: true,
  measures: ["longestLine", "you", "charactersPerToken", "variety"],
  measureScale: 0.06,
  gates: [],
  assumed: {},
  strengths: [0.1, 0.3, 1],
  within: "c4",
};
