/**
 * The class of a vocabulary's piece: newline, function word, capitalised word, digit, a kind of punctuation...
 * Made from the pieces' text once, when a model is trained, and kept in the model, so a change here never changes an old one's scores.
 */

/** Classes; a piece has exactly one. Their order lets `measure` test ranges: words that end a run first, then line endings. */
export const CLASS = {
  newline: 0,
  functionWord: 1,
  you: 2,
  me: 3,
  us: 4,
  period: 5,
  exclamation: 6,
  question: 7,
  colon: 8,
  quote: 9,
  bracket: 10,
  comma: 11,
  dash: 12,
  bullet: 13,
  punctuation: 14,
  currency: 15,
  link: 16,
  digit: 17,
  word: 18,
  capitalWord: 19,
  upperCase: 20,
  continuation: 21,
  otherLetter: 22,
  space: 23,
  other: 24,
  the: 25,
  article: 26,
  conjunction: 27,
  preposition: 28,
  third: 29,
  auxiliary: 30,
  invitation: 31,
  selling: 32,
  semicolon: 33,
  spacedMark: 34,
  ing: 35,
  ed: 36,
} as const;

/** How many classes there are. Numbers are never given again: they stand in model files. */
export const CLASS_COUNT = 37;

/** Classes by word, in lower case. Later lists win. */
const WORDS: ReadonlyMap<string, number> = new Map(
  (
    [
      [
        "functionWord",
        `all also although any are as at be because been being both but could did do does each even few had has have how however
        if is it its just like may might more most much must no nor not once only other own rather same should since so some such
        than that then there these this those though too very was were what when where whether which while who whom whose why would`,
      ],
      [
        "preposition",
        `about after at before between by during for from in into of off on out over through to under up upon with within without until`,
      ],
      ["the", "the"],
      ["article", "a an"],
      ["conjunction", "and or"],
      ["third", "he her him his she they them their"],
      ["auxiliary", "will can"],
      ["you", "you your yours yourself"],
      ["me", "i me my mine myself"],
      ["us", "we us our ours ourselves"],
      [
        "invitation",
        `click call visit buy shop order contact get book find browse view check learn download subscribe join sign choose enjoy
        discover save try read see`,
      ],
      [
        "selling",
        `price prices free shipping sale offer offers discount deal deals quality best guarantee warranty product products customer
        customers service services available delivery online store experience professional team company clients business`,
      ],
    ] as const
  ).flatMap(([name, words]) => words.split(/\s+/).map((word) => [word, CLASS[name]] as const)),
);
const LINKS = /^(https?|www|ftp|html?|php|href|:\/\/|\.(com|org|net|html?|php)|com)$/;
const MARKS: readonly (readonly [RegExp, number])[] = [
  [/^[.…]/u, CLASS.period],
  [/^[!¡]/u, CLASS.exclamation],
  [/^[?¿]/u, CLASS.question],
  [/^:/u, CLASS.colon],
  [/^;/u, CLASS.semicolon],
  [/^["'`“”‘’«]/u, CLASS.quote],
  [/^[()[\]{}<>]/u, CLASS.bracket],
  [/^,/u, CLASS.comma],
  [/^[-–—]/u, CLASS.dash],
  [/^[|*•·»►▪=_~#+^\\]/u, CLASS.bullet],
  [/^[$£€¥₹]/u, CLASS.currency],
  [/^[\p{P}\p{S}]/u, CLASS.punctuation],
];

/** The class of a piece, from its text with the space before it: `" the"`, `"ing"`, `"\n"`. Empty text (control ids) is `other`. */
export function classOfPiece(piece: string): number {
  if (piece.includes("\n")) return CLASS.newline;
  const body = piece.trim();
  if (body === "") return piece === "" ? CLASS.other : CLASS.space;
  if (body.includes("\ufffd")) return CLASS.other;
  if (LINKS.test(body)) return CLASS.link;
  if (/^\d+$/.test(body)) return CLASS.digit;
  if (/^[A-Za-z]+$/.test(body)) return classOfWord(body, /^\s/.test(piece));
  if (/^\s[.,!?;:]+$/.test(piece)) return CLASS.spacedMark;
  for (const [pattern, kind] of MARKS) if (pattern.test(body)) return kind;
  return /\p{L}/u.test(body) ? CLASS.otherLetter : CLASS.other;
}

function classOfWord(body: string, starts: boolean): number {
  const lower = body.toLowerCase();
  const upper = body === body.toUpperCase();
  // A capital after a newline has no space before it, and begins a word; two letters may be the start of a longer one.
  if ((starts || (body !== lower && body.length > 2)) && (!upper || body === "I" || body === "A")) {
    const kind = WORDS.get(lower);
    if (kind !== undefined) return kind;
  }
  if (body.length > 1 && upper) return CLASS.upperCase;
  if (/^[A-Z]/.test(body)) return CLASS.capitalWord;
  if (body.endsWith("ing")) return CLASS.ing;
  if (body.endsWith("ed") && body.length > (starts ? 3 : 1)) return CLASS.ed;
  return starts ? CLASS.word : CLASS.continuation;
}

/** What is known of a vocabulary's pieces, one entry an id. */
export interface PieceTable {
  /** The class. */
  readonly classes: Uint8Array;
  /** The length of the text in UTF-16 units, at most 255. */
  readonly lengths: Uint8Array;
}

/** The table of a vocabulary's pieces. */
export function pieceTable(pieces: readonly string[]): PieceTable {
  return {
    classes: Uint8Array.from(pieces, classOfPiece),
    lengths: Uint8Array.from(pieces, (piece) => Math.min(255, piece.length)),
  };
}

/**
 * The text of each id of a vocabulary as it stands inside a text: what it adds behind the id `anchor`, which must decode to
 * text of its own (that of a letter, say). Control ids add nothing; a byte that is no character by itself is U+FFFD.
 */
export function piecesOf(
  decode: (ids: readonly number[]) => string,
  vocabularySize: number,
  anchor: number,
): readonly string[] {
  const before = decode([anchor]).length;
  return Array.from({ length: vocabularySize }, (_, id) => decode([anchor, id]).slice(before));
}
