/**
 * Gopher's repetition rules (Rae et al. 2021, arXiv 2112.11446, table A1), with its bounds.
 */
import { type Grams, gramWalker } from "./grams.ts";
import { repeated, strip } from "./lines.ts";
import type { Page } from "./page.ts";
import type { Rule, RuleSet } from "./rule-set.ts";

const TOP_BOUNDS: readonly (readonly [n: number, bound: number])[] = [
  [2, 0.2],
  [3, 0.18],
  [4, 0.16],
];
const REPEATED_BOUNDS: readonly (readonly [n: number, bound: number])[] = [
  [5, 0.15],
  [6, 0.14],
  [7, 0.13],
  [8, 0.12],
  [9, 0.11],
  [10, 0.1],
];
const MOST = 10;

/** The set. */
export const GOPHER_REPETITION: RuleSet = {
  name: "gopher-repetition",
  source: "arXiv 2112.11446, table A1",
  version: 1,
  rules: [
    share("paragraphs", 0.3, (page) => part(paragraphs(page))),
    share("paragraph-characters", 0.2, (page) => repeated(paragraphs(page)).characters / page.characters),
    share("lines", 0.3, (page) => part(lines(page))),
    share("line-characters", 0.2, (page) => repeated(lines(page)).characters / page.characters),
    ...TOP_BOUNDS.map(([n, bound]) => share(`top-${n}-gram`, bound, (page) => gramShares(page)[n]!)),
    ...REPEATED_BOUNDS.map(([n, bound]) =>
      share(`repeated-${n}-grams`, bound, (page) => gramShares(page)[n]!),
    ),
  ],
};

function share(name: string, bound: number, measure: (page: Page) => number): Rule {
  return { name, bound, brokenWhen: "above", measure };
}

function paragraphs({ text }: Page): readonly string[] {
  return strip(text).split(/\n{2,}/);
}

function lines({ text }: Page): readonly string[] {
  return text.split(/\n+/);
}

function part(parts: readonly string[]): number {
  return repeated(parts).parts / parts.length;
}

const walk = gramWalker();
let counts = new Int32Array(4096);
let last: { readonly page: Page; readonly shares: Float64Array } | undefined;

/** By n: the share of characters in the most frequent n-gram (n to 4) or in n-grams that were there before (n from 5). */
function gramShares(page: Page): Float64Array {
  if (last?.page === page) return last.shares;
  const shares = new Float64Array(MOST + 1);
  walk(page.words, MOST, (grams) => {
    if (counts.length < grams.distinct) counts = new Int32Array(grams.distinct * 2);
    counts.fill(0, 0, grams.distinct);
    if (grams.n >= 5) shares[grams.n] = repeatedCharacters(grams, counts) / page.characters;
    else if (grams.n >= 2) shares[grams.n] = topCharacters(grams, counts) / page.characters;
  });
  last = { page, shares };
  return shares;
}

/** Of the most frequent n-gram, the first of equals: its length with single spaces, times its count. */
function topCharacters({ n, count, ids, charactersAt }: Grams, seen: Int32Array): number {
  for (let i = 0; i < count; i++) seen[ids[i]!]!++;
  let best = 0;
  for (let i = 1; i < count; i++) if (seen[ids[i]!]! > seen[ids[best]!]!) best = i;
  return (charactersAt(best) + n - 1) * seen[ids[best]!]!;
}

/** Of n-grams that were there before; the words of one are not counted again. */
function repeatedCharacters({ n, count, ids, charactersAt }: Grams, seen: Int32Array): number {
  let characters = 0;
  for (let i = 0; i < count; ) {
    if (seen[ids[i]!]) {
      characters += charactersAt(i);
      i += n;
    } else seen[ids[i++]!] = 1;
  }
  return characters;
}
