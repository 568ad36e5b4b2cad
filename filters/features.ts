/**
 * What a built-in filter sees of a document: its token ids, counted; then a few measures of the counts. Integers throughout.
 * The text itself is not read (lengths come from the pieces), so documents can be scored again from shards.
 * What it gives up: whatever the class of a piece cannot tell is left to the weights of the ids, and word order is not seen at all.
 */
import { CLASS, CLASS_COUNT, type PieceTable } from "./classes.ts";
import type { Counts, TokenCounter } from "./id-counts.ts";
import { kernelCounter } from "./kernel-counter.ts";

export type { Counts } from "./id-counts.ts";

/** Marks the counter of an id whose piece is a newline, far above any count, so that one look-up tells both. */
const NEWLINE = 2 ** 30;

/** How many tables of weights one counter adds up: what fits a record of 16 bytes beside the piece. */
export const COUNTER_TABLES = 3;

/**
 * A counter of a vocabulary's ids, which also adds up to three tables of weights (one entry an id, |weight| <= 2^24).
 * Its result lives in scratch memory that the next call overwrites; not for two threads. It runs in WebAssembly where there is some.
 */
export function tokenCounter(pieces: PieceTable, weights: readonly Int32Array[] = []): TokenCounter {
  const { seen, records } = counterTables(pieces, weights);
  return kernelCounter(seen, records) ?? plainCounter(pieces, weights);
}

/** What the count of each id begins with, and one record an id: class and length of its piece, then its weights. A distinct id touches one cache line there, not one a table. */
function counterTables({ classes: classOf, lengths }: PieceTable, weights: readonly Int32Array[]) {
  const seen = Int32Array.from(classOf, (kind) => (kind === CLASS.newline ? NEWLINE : 0));
  const records = new Int32Array(4 * classOf.length);
  classOf.forEach((kind, id) => {
    records.set([kind + 256 * lengths[id]!, ...weights.map((table) => table[id]!)], 4 * id);
  });
  return { seen, records };
}

/** The counter in plain TypeScript: the checking twin of the kernel, and what runs where there is none. */
export function plainCounter(pieces: PieceTable, weights: readonly Int32Array[] = []): TokenCounter {
  const { seen, records } = counterTables(pieces, weights);
  const classes = new Uint32Array(CLASS_COUNT);
  const ids = new Int32Array(seen.length + 1);
  const levels = new Uint8Array(seen.length + 1);
  return (tokens, count) => {
    let distinct = 0;
    let lines = 0;
    let longestLine = 0;
    let from = 0;
    for (let i = 0; i < count; i++) {
      const id = tokens[i]!;
      const before = seen[id]!;
      seen[id] = before + 1;
      // Branchless, since half of all branches here would be guessed wrongly: written always, kept when the count was 0.
      ids[distinct] = id;
      distinct += ((before & (NEWLINE - 1)) - 1) >>> 31;
      if (before >= NEWLINE) {
        const length = i - from;
        if (length > 0) lines += 1;
        if (length > longestLine) longestLine = length;
        from = i + 1;
      }
    }
    if (count > from) lines += 1;
    if (count - from > longestLine) longestLine = count - from;

    classes.fill(0);
    let squares = 0;
    let characters = 0;
    let first = 0;
    let second = 0;
    let third = 0;
    for (let k = 0; k < distinct; k++) {
      const id = ids[k]!;
      const counter = seen[id]!;
      const times = counter & (NEWLINE - 1);
      seen[id] = counter - times;
      const level = 32 - Math.clz32(times);
      levels[k] = level;
      squares += level * level;
      const at = id << 2;
      const piece = records[at]!;
      characters += Math.imul(times, piece >> 8);
      classes[piece & 255] = classes[piece & 255]! + times;
      first += Math.imul(level, records[at + 1]!);
      second += Math.imul(level, records[at + 2]!);
      third += Math.imul(level, records[at + 3]!);
    }
    const sums = [first, second, third];
    return { tokens: count, characters, classes, ids, levels, distinct, squares, sums, lines, longestLine };
  };
}

/** Integer quotient; anything by 0 is 0. */
function per(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.floor(part / whole);
}

/** A measure: the ids of some classes, in parts of 1,024 of all ids. */
function share(...kinds: readonly number[]): (counts: Counts) => number {
  return ({ classes, tokens }) => {
    let sum = 0;
    for (let k = 0; k < kinds.length; k++) sum += classes[kinds[k]!]!;
    return per(1024 * sum, tokens);
  };
}

const signs = share(
  CLASS.bracket,
  CLASS.bullet,
  CLASS.punctuation,
  CLASS.space,
  CLASS.otherLetter,
  CLASS.other,
);
const newlines = share(CLASS.newline);

/** The measures, by name. Each is a whole number; shares are in parts of 1,024, rounded down. */
export const MEASURES = {
  tokens: ({ tokens }) => tokens,
  /** In sixteenths. */
  charactersPerToken: ({ characters, tokens }) => per(16 * characters, tokens),
  charactersPerLine: ({ characters, lines }) => per(characters, lines),
  tokensPerLine: ({ tokens, lines }) => per(tokens, lines),
  longestLine: ({ longestLine }) => longestLine,
  /** Distinct ids squared over ids, in sixteenths: steady in the length of a text, unlike their ratio. */
  variety: ({ distinct, tokens }) => per(16 * distinct * distinct, tokens),
  functionWords: share(CLASS.functionWord, CLASS.you, CLASS.me, CLASS.us),
  you: share(CLASS.you),
  us: share(CLASS.us),
  marks: share(
    CLASS.period,
    CLASS.exclamation,
    CLASS.question,
    CLASS.colon,
    CLASS.quote,
    CLASS.bracket,
    CLASS.comma,
    CLASS.dash,
    CLASS.bullet,
    CLASS.punctuation,
  ),
  periods: share(CLASS.period),
  exclamations: share(CLASS.exclamation),
  questions: share(CLASS.question),
  colons: share(CLASS.colon),
  rareMarks: share(CLASS.punctuation),
  /** The lesser of the share of code's signs (brackets, operators, bullets, runs of spaces) and twice that of newlines: prose and shop pages lack one. */
  code: (counts) => Math.min(signs(counts), 2 * newlines(counts)),
  currency: share(CLASS.currency),
  links: share(CLASS.link),
  digits: share(CLASS.digit),
  capitalWords: share(CLASS.capitalWord),
  upperCase: share(CLASS.upperCase),
  continuations: share(CLASS.continuation),
} as const satisfies Readonly<Record<string, (counts: Counts) => number>>;

/** The name of a measure. */
export type Measure = keyof typeof MEASURES;

/** The names of all measures. */
export const MEASURE_NAMES = Object.keys(MEASURES) as readonly Measure[];
