/**
 * What a built-in filter sees of a document: one pass over its token ids, integers out.
 * A document is counts of piece classes, its lines (runs between newline ids) and how often ids repeat. The text itself
 * is not read, so documents can be scored again from shards.
 * What it gives up: whatever a class cannot tell (spelling, meaning) is left to the weights of the ids.
 */
import type { TokenIds } from "../core/document.ts";
import { CLASS, CLASS_COUNT } from "./classes.ts";

/** The measures of a document. Shares are in parts of 1,024 of its ids (or lines), rounded down; the rest are counts of ids. */
export const MEASURES = [
  "tokens",
  "tokensPerLine",
  "longestLine",
  "shortLineShare",
  "endedLineShare",
  "lineShare",
  "distinctShare",
  "levelShare",
  "longestRun",
  "tokensPerPeriod",
  "functionWordShare",
  "youShare",
  "meShare",
  "usShare",
  "periodShare",
  "exclamationShare",
  "questionShare",
  "colonShare",
  "quoteShare",
  "bracketShare",
  "commaShare",
  "dashShare",
  "bulletShare",
  "punctuationShare",
  "currencyShare",
  "linkShare",
  "digitShare",
  "capitalWordShare",
  "upperCaseShare",
  "continuationShare",
  "otherLetterShare",
] as const;

/** The name of a measure. */
export type Measure = (typeof MEASURES)[number];

/** A line with fewer ids than this counts as short. */
const SHORT_LINE = 10;

/** Scratch of one scorer. Not shared between threads; all zero between documents. */
export interface Workspace {
  /** How often each id was seen in the document in hand. */
  readonly seen: Uint32Array;
  readonly classes: Uint32Array;
}

/** A workspace for a vocabulary. */
export function workspace(vocabularySize: number): Workspace {
  return { seen: new Uint32Array(vocabularySize), classes: new Uint32Array(CLASS_COUNT) };
}

/** What one pass over the ids counts. */
export interface Counts {
  readonly tokens: number;
  readonly classes: Uint32Array;
  /** Sum over distinct ids of level x weight; the level of an id seen c times is floor(log2 c) + 1. Exact below 2^53. */
  readonly weight: number;
  /** Sums over distinct ids of 1, of the level and of its square. */
  readonly distinct: number;
  readonly levels: number;
  readonly squares: number;
  /** Lines that are not empty; of them, short ones and those that end in sentence punctuation. */
  readonly lines: number;
  readonly shortLines: number;
  readonly endedLines: number;
  readonly longestLine: number;
  /** The longest stretch of ids without a function word, a pronoun or a newline. */
  readonly longestRun: number;
}

/** Counts the first `count` ids. `classes` of the result is the workspace's own array, valid until the next call. O(count). */
export function countTokens(
  tokens: TokenIds,
  count: number,
  classOf: Uint8Array,
  weights: Int32Array,
  { seen, classes }: Workspace,
): Counts {
  classes.fill(0);
  let weight = 0;
  let distinct = 0;
  let levels = 0;
  let squares = 0;
  let lines = 0;
  let shortLines = 0;
  let endedLines = 0;
  let longestLine = 0;
  let longestRun = 0;
  let lineFrom = 0;
  let runFrom = 0;
  for (let i = 0; i <= count; i++) {
    let kind: number = CLASS.newline;
    if (i < count) {
      const id = tokens[i]!;
      const times = seen[id]! + 1;
      seen[id] = times;
      // Powers of two only: each is one level more.
      if ((times & (times - 1)) === 0) {
        const level = 32 - Math.clz32(times);
        weight += weights[id]!;
        squares += 2 * level - 1;
        levels += 1;
        if (level === 1) distinct += 1;
      }
      kind = classOf[id]!;
      classes[kind]!++;
    }
    if (kind > CLASS.us) continue;
    if (i - runFrom > longestRun) longestRun = i - runFrom;
    runFrom = i + 1;
    if (kind !== CLASS.newline) continue;
    const length = i - lineFrom;
    if (length > 0) {
      const last = classOf[tokens[i - 1]!]!;
      lines += 1;
      if (length < SHORT_LINE) shortLines += 1;
      if (last >= CLASS.period && last <= CLASS.bracket) endedLines += 1;
      if (length > longestLine) longestLine = length;
    }
    lineFrom = i + 1;
  }
  for (let i = 0; i < count; i++) seen[tokens[i]!] = 0;
  return {
    tokens: count,
    classes,
    weight,
    distinct,
    levels,
    squares,
    lines,
    shortLines,
    endedLines,
    longestLine,
    longestRun,
  };
}

/** Integer quotient; 0 by 0 is 0. */
function per(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.floor(part / whole);
}

/** The measures of counts. Integers; O(1). */
export function measuresOf(counts: Counts): Readonly<Record<Measure, number>> {
  const { tokens, classes, lines } = counts;
  const share = (kind: number) => per(1024 * classes[kind]!, tokens);
  return {
    tokens,
    tokensPerLine: per(tokens - classes[CLASS.newline]!, lines),
    longestLine: counts.longestLine,
    shortLineShare: per(1024 * counts.shortLines, lines),
    endedLineShare: per(1024 * counts.endedLines, lines),
    lineShare: per(1024 * lines, tokens),
    distinctShare: per(16 * counts.distinct * counts.distinct, tokens),
    levelShare: per(1024 * counts.levels, tokens),
    longestRun: counts.longestRun,
    tokensPerPeriod: per(
      tokens,
      Math.max(1, classes[CLASS.period]! + classes[CLASS.exclamation]! + classes[CLASS.question]!),
    ),
    functionWordShare: share(CLASS.functionWord),
    youShare: share(CLASS.you),
    meShare: share(CLASS.me),
    usShare: share(CLASS.us),
    periodShare: share(CLASS.period),
    exclamationShare: share(CLASS.exclamation),
    questionShare: share(CLASS.question),
    colonShare: share(CLASS.colon),
    quoteShare: share(CLASS.quote),
    bracketShare: share(CLASS.bracket),
    commaShare: share(CLASS.comma),
    dashShare: share(CLASS.dash),
    bulletShare: share(CLASS.bullet),
    punctuationShare: share(CLASS.punctuation),
    currencyShare: share(CLASS.currency),
    linkShare: share(CLASS.link),
    digitShare: share(CLASS.digit),
    capitalWordShare: share(CLASS.capitalWord),
    upperCaseShare: share(CLASS.upperCase),
    continuationShare: share(CLASS.continuation),
    otherLetterShare: share(CLASS.otherLetter),
  };
}
