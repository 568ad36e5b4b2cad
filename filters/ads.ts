/**
 * Advertising: pages whose purpose is to sell. High scores are dropped.
 * Which words occur says most of it, so ids are weighted by rarity and the measures count little.
 */
import { LABELLED_EXCERPT, type Recipe } from "./recipe.ts";

/** The recipe of the built-in `ads` model. */
export const ADS: Recipe = {
  name: "ads",
  dropWhen: "high",
  sought: "ads >= 2",
  soughtGrades: [2, 3],
  targets: [0, 0.2, 0.8, 1],
  inverseDocumentFrequency: true,
  excerpt: LABELLED_EXCERPT,
  measures: [
    "the",
    "longestLine",
    "ing",
    "spaces",
    "capitalWords",
    "invitations",
    "otherLetters",
    "links",
    "prepositions",
    "promotion",
    "marks",
    "selling",
    "signs",
    "semicolons",
    "lineLength",
    "currency",
    "commas",
    "you",
  ],
  measureScale: 0.05,
  productScale: 0.022,
  gates: [],
  assumed: {},
  strengths: [20],
  within: "c4",
};
