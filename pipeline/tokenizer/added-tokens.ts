/**
 * Tokens that are matched in a text before anything else, as `tokenizers` does: leftmost first, the longest of those, first the ones
 * of raw text, then the ones of normalised text. Special ones are matched but stay text unless they are to be parsed.
 */
import type { SpecialTokens } from "./special-tokens.ts";

/** A token of a file's `added_tokens`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** A control token: text yields its id only when special tokens are parsed. */
  readonly special: boolean;
  /** Matched in normalised text instead of raw text. */
  readonly normalized: boolean;
}

/** Cuts a text: calls `text` for every normalised stretch that is no added token and `token` for every one that is, in order. */
export type AddedTokenSplitter = (
  text: string,
  onText: (stretch: string) => void,
  onToken: (id: number) => void,
) => void;

/** The splitter of a vocabulary. Without tokens that text can yield it only normalises. */
export function addedTokenSplitter(
  tokens: readonly AddedToken[],
  normalize: (text: string) => string,
  specialTokens: SpecialTokens,
): AddedTokenSplitter {
  const matched = tokens.filter(({ special }) => !special || specialTokens === "parse");
  if (matched.length === 0) return (text, onText) => onText(normalize(text));
  const ids = (normalized: boolean, spelling: (content: string) => string) =>
    new Map(
      tokens
        .filter((token) => token.normalized === normalized)
        .map(({ content, id, special }) => [
          spelling(content),
          special && specialTokens === "spell" ? null : id,
        ]),
    );
  const raw = splitter(ids(false, (content) => content));
  const normalised = splitter(ids(true, normalize));
  return (text, onText, onToken) =>
    raw(text, (stretch) => normalised(normalize(stretch), onText, onToken), onToken);
}

/** Splits at the spellings; one without an id is found, so that it hides what overlaps it, and stays text. */
function splitter(ids: ReadonlyMap<string, number | null>): AddedTokenSplitter {
  if (ids.size === 0) return (text, onText) => onText(text);
  const longestFirst = [...ids.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(
    longestFirst.map((content) => content.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"),
    "g",
  );
  return (text, onText, onToken) => {
    let from = 0;
    for (const { 0: content, index } of text.matchAll(pattern)) {
      const id = ids.get(content) ?? null;
      if (id === null) continue;
      if (index > from) onText(text.slice(from, index));
      onToken(id);
      from = index + content.length;
    }
    if (from < text.length) onText(text.slice(from));
  };
}
