/**
 * What a built-in filter sees of a document: its token ids, counted; then a few measures of the counts. Integers throughout.
 * The text itself is not read (lengths come from the pieces), so documents can be scored again from shards.
 * What it gives up: whatever the class of a piece cannot tell is left to the weights of the ids, and word order is not seen at all.
 */
import { CLASS, CLASS_COUNT, type PieceTable } from "./classes.ts";
import type { Counts, Excerpt, TokenCounter } from "./id-counts.ts";
import { kernelCounter } from "./kernel-counter.ts";

export type { Counts, Excerpt } from "./id-counts.ts";

/** Marks the counter of an id whose piece ends a line or a sentence, far above any count, so that one look-up tells both. */
const NEWLINE = 2 ** 30;
const STOP = 2 ** 29;

/** Marks in a record: a content word; a piece that begins in lower case. */
const CONTENT = 2 ** 16;
const LOW = 2 ** 17;
const CONTENT_WORDS: readonly number[] = [
  CLASS.word,
  CLASS.capitalWord,
  CLASS.upperCase,
  CLASS.ing,
  CLASS.ed,
  CLASS.selling,
  CLASS.invitation,
];
const CLASS_IDS: readonly number[] = Array.from({ length: CLASS_COUNT }, (_, kind) => kind);

/** The classes of pieces that begin a word. */
const WORD_STARTS: readonly number[] = [
  ...CONTENT_WORDS,
  CLASS.functionWord,
  CLASS.you,
  CLASS.me,
  CLASS.us,
  CLASS.the,
  CLASS.article,
  CLASS.conjunction,
  CLASS.preposition,
  CLASS.third,
  CLASS.auxiliary,
];
const LOWER_CASE: readonly number[] = [CLASS.word, CLASS.continuation, CLASS.ing, CLASS.ed];
const STOPS: readonly number[] = [CLASS.period, CLASS.exclamation, CLASS.question];

/** How many tables of weights one counter adds up: what fits a record of 16 bytes beside the piece. */
export const COUNTER_TABLES = 3;

/**
 * A counter of a vocabulary's ids, which also adds up to three tables of weights (one entry an id, |weight| <= 2^24).
 * Its result lives in scratch memory that the next call overwrites; not for two threads. It runs in WebAssembly where there is some.
 */
export function tokenCounter(
  pieces: PieceTable,
  excerpt: Excerpt,
  weights: readonly Int32Array[] = [],
): TokenCounter {
  const { seen, records } = counterTables(pieces, weights);
  return kernelCounter(seen, records, excerpt) ?? plainCounter(pieces, excerpt, weights);
}

/** What the count of each id begins with, and one record an id: class and length of its piece, then its weights. A distinct id touches one cache line there, not one a table. */
function counterTables({ classes: classOf, lengths }: PieceTable, weights: readonly Int32Array[]) {
  const flagOf = CLASS_IDS.map((kind) =>
    kind === CLASS.newline ? NEWLINE : STOPS.includes(kind) ? STOP : 0,
  );
  const markOf = CLASS_IDS.map(
    (kind) => (CONTENT_WORDS.includes(kind) ? CONTENT : 0) + (LOWER_CASE.includes(kind) ? LOW : 0),
  );
  const seen = Int32Array.from(classOf, (kind) => flagOf[kind]!);
  const records = new Int32Array(4 * classOf.length);
  for (let id = 0; id < classOf.length; id++) {
    const kind = classOf[id]!;
    records[4 * id] = kind + 256 * lengths[id]! + markOf[kind]!;
    for (let table = 0; table < weights.length; table++) records[4 * id + 1 + table] = weights[table]![id]!;
  }
  return { seen, records };
}

/** The counter in plain TypeScript: the checking twin of the kernel, and what runs where there is none. */
export function plainCounter(
  pieces: PieceTable,
  { head, tail, level: levelOf }: Excerpt,
  weights: readonly Int32Array[] = [],
): TokenCounter {
  const { seen, records } = counterTables(pieces, weights);
  const logarithm = levelOf === "logarithm";
  const classes = new Uint32Array(CLASS_COUNT);
  const ids = new Int32Array(seen.length + 1);
  const levels = new Uint8Array(seen.length + 1);
  return (tokens, count) => {
    const whole = count <= head + tail;
    const read = whole ? count : head + tail;
    const gapAt = whole ? read : head;
    const gap = count - read;
    let distinct = 0;
    let lines = 0;
    let lowLines = 0;
    let longestLine = 0;
    let shortLineTokens = 0;
    let middlingLineTokens = 0;
    let lineSquares = 0;
    let longestSentence = 0;
    let sentenceFrom = 0;
    for (let i = 0; i < read; i++) {
      const from = i;
      for (; i < read; i++) {
        const id = tokens[i < gapAt ? i : i + gap]!;
        const before = seen[id]!;
        seen[id] = before + 1;
        // Branchless, since half of all branches here would be guessed wrongly: written always, kept when the count was 0.
        ids[distinct] = id;
        distinct += ((before & (STOP - 1)) - 1) >>> 31;
        if (before >= STOP) {
          if (i - sentenceFrom > longestSentence) longestSentence = i - sentenceFrom;
          sentenceFrom = i + 1;
          if (before >= NEWLINE) break;
        }
      }
      const length = i - from;
      if (length > 0) {
        lines += 1;
        if ((records[tokens[from < gapAt ? from : from + gap]! << 2]! & LOW) !== 0) lowLines += 1;
        lineSquares += length * length;
        if (length < 16) shortLineTokens += length;
        if (length < 32) middlingLineTokens += length;
        if (length > longestLine) longestLine = length;
      }
    }
    if (read - sentenceFrom > longestSentence) longestSentence = read - sentenceFrom;

    classes.fill(0);
    let squares = 0;
    let characters = 0;
    let once = 0;
    let contentSquares = 0;
    let first = 0;
    let second = 0;
    let third = 0;
    for (let k = 0; k < distinct; k++) {
      const id = ids[k]!;
      const counter = seen[id]!;
      const times = counter & (STOP - 1);
      seen[id] = counter - times;
      const level = logarithm ? 32 - Math.clz32(times) : 1;
      levels[k] = level;
      squares += level * level;
      once += (times - 2) >>> 31;
      const at = id << 2;
      const piece = records[at]!;
      characters += Math.imul(times, (piece >> 8) & 255);
      if ((piece & CONTENT) !== 0) contentSquares += times * times;
      const kind = piece & 255;
      classes[kind] = classes[kind]! + times;
      first += Math.imul(level, records[at + 1]!);
      second += Math.imul(level, records[at + 2]!);
      third += Math.imul(level, records[at + 3]!);
    }
    return {
      tokens: read,
      characters,
      classes,
      ids,
      levels,
      distinct,
      sums: [first, second, third],
      squares,
      once,
      contentSquares,
      lines,
      lowLines,
      longestLine,
      shortLineTokens,
      middlingLineTokens,
      lineSquares,
      longestSentence,
    };
  };
}

/** Integer quotient; anything by 0 is 0. */
function per(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.floor(part / whole);
}

/** A measure: the ids of some classes, in parts of 1,024 of all ids. */
function share(...kinds: readonly number[]): (counts: Counts) => number {
  const [only = 0] = kinds;
  if (kinds.length === 1) return ({ classes, tokens }) => per(1024 * classes[only]!, tokens);
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

/** Ids that begin a word in Latin letters. */
function wordsOf({ classes }: Counts): number {
  let sum = 0;
  for (let k = 0; k < WORD_STARTS.length; k++) sum += classes[WORD_STARTS[k]!]!;
  return sum;
}

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
    CLASS.semicolon,
    CLASS.spacedMark,
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
  the: share(CLASS.the),
  third: share(CLASS.third),
  prepositions: share(CLASS.preposition),
  words: share(CLASS.word),
  ing: share(CLASS.ing),
  invitations: share(CLASS.invitation),
  selling: share(CLASS.selling),
  promotion: share(CLASS.selling, CLASS.invitation, CLASS.you, CLASS.us),
  semicolons: share(CLASS.semicolon),
  commas: share(CLASS.comma),
  spaces: share(CLASS.space),
  otherLetters: share(CLASS.otherLetter),
  signs,
  once: ({ once, distinct }) => per(1024 * once, distinct),
  /** How often a content word is repeated, weighed by its repetitions, in sixteenths a word. */
  repetition: (counts) => per(16 * counts.contentSquares, wordsOf(counts)),
  lowLines: ({ lowLines, lines }) => per(1024 * lowLines, lines),
  shortLines: ({ shortLineTokens, tokens }) => per(1024 * shortLineTokens, tokens),
  middlingLines: ({ middlingLineTokens, tokens }) => per(1024 * middlingLineTokens, tokens),
  /** The length of the line that an id stands in, on average over ids. */
  lineLength: ({ lineSquares, tokens }) => per(lineSquares, tokens),
  longestSentence: ({ longestSentence }) => longestSentence,
} as const satisfies Readonly<Record<string, (counts: Counts) => number>>;

/** The name of a measure. */
export type Measure = keyof typeof MEASURES;

/** The names of all measures. */
export const MEASURE_NAMES = Object.keys(MEASURES) as readonly Measure[];
