/**
 * Fluency: whether a text is language that reads as such; well-formed code, maths and lists of questions count as fluent.
 * Low scores are dropped. The shape of lines and the density of punctuation say as much as the words; a gate keeps code, which looks
 * like bad prose to both, from being called so.
 */
import { LABELLED_EXCERPT, type Recipe } from "./recipe.ts";

/** The recipe of the built-in `fluency` model. */
export const FLUENCY: Recipe = {
  name: "fluency",
  dropWhen: "low",
  sought: "fluency <= 1",
  soughtGrades: [0, 1],
  targets: [0, 0, 1, 1],
  inverseDocumentFrequency: false,
  excerpt: LABELLED_EXCERPT,
  measures: [
    "lineLength",
    "marks",
    "longestSentence",
    "semicolons",
    "you",
    "words",
    "shortLines",
    "variety",
    "repetition",
    "middlingLines",
    "lowLines",
    "once",
    "ing",
    "tokens",
    "promotion",
    "third",
    "the",
    "colons",
  ],
  measureScale: 0.06,
  productScale: 0.035,
  gates: [{ measure: "code", edges: [80, 120] }],
  assumed: { github: 3, arxiv: 3 },
  strengths: [20],
  within: "c4",
};
