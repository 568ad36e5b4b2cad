/**
 * How surprising a document is to an n-gram model, as a filter: bits a token (log2 of the perplexity) or a character.
 * Each line with words in it is a sentence from `<s>` to `</s>`, and its end counts as a token.
 */
import { sha256File } from "../../../core/hash.ts";
import { codePoints } from "../length.ts";
import type { OpenedFilter } from "../own-filter.ts";
import { type OwnSpec, ownScale, wordSetting } from "../spec.ts";
import { readArpa } from "./arpa.ts";

/** How a text is cut into the model's tokens. */
const CUTS = {
  words: (line: string) => line.match(/\S+/g) ?? [],
  /** Code points; white space is written `▁`, as in character models made after SentencePiece. */
  characters: (line: string) => Array.from(line.trim().replace(/\s+/g, "▁")),
} as const;

/** The filter of `ngram:MODEL.arpa`. Throws ERR_ARGUMENT, ERR_INPUT and ERR_FILTER. */
export async function openNgram(spec: OwnSpec): Promise<OpenedFilter> {
  const scale = ownScale(spec, { dropWhen: null, scale: 1, cut: null, missing: "quarantine" });
  const by = wordSetting(spec, "by", ["words", "characters"]);
  const per = wordSetting(spec, "per", ["token", "character"]);
  const letters = wordSetting(spec, "case", ["same", "lower"]);
  const model = await readArpa(spec.value);
  const cut = CUTS[by];
  const bitsOf = (text: string): number | null => {
    let log10 = 0;
    let tokens = 0;
    let characters = 0;
    for (const line of (letters === "lower" ? text.toLowerCase() : text).split("\n")) {
      const words = cut(line);
      if (words.length === 0) continue;
      const scored = model.log10Of(words);
      log10 += scored.log10;
      tokens += scored.count;
      characters += codePoints(line) + 1;
    }
    if (tokens === 0) return null;
    return -log10 / Math.log10(2) / (per === "token" ? tokens : characters);
  };
  return {
    ...scale,
    identity: {
      model: await sha256File(spec.value),
      by,
      per,
      case: letters,
      unicode: process.versions.unicode,
      version: 1,
    },
    saturates: true,
    values: (documents) => documents.map(({ text }) => bitsOf(text)),
  };
}
